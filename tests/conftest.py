"""Settings shared by all tests: the profiles of the plugin, and one BLAS thread per test process."""

import os

# pytest-xdist starts a process per core; a BLAS that starts as many threads again in each of them slows all down.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("FUNCTORCH_LITE_CPU_DEVICES", "8")  # for pmap; everything else runs on the first one

pytest_plugins = ["pytest_functorch_lite"]  # where the package is installed it comes by its entry point
