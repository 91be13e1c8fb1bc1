"""functorch_lite: composable transformations of Python functions, run by NumPy or compiled by XLA."""

import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before the first import of jaxlib, which reads it
# Compiled code does not warn of overflow and division by zero, so eager code does not either.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"functorch_lite\.")
