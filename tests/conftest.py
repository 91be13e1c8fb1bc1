"""Settings shared by all tests: hypothesis profiles, and one BLAS thread per test process."""

import os

from hypothesis import HealthCheck, settings

# pytest-xdist starts a process per core; a BLAS that starts as many threads again in each of them slows all down.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# deadline: the first example of a test may compile. derandomize: a red run elsewhere is red here too.
settings.register_profile(
    "ci", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=10)
settings.load_profile("ci")
