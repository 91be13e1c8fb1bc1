"""functorch_lite: composable transformations of Python functions, run by NumPy or compiled by XLA."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before the first import of jaxlib, which reads it
