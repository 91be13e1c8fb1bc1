"""From nothing to the first array, in a fresh process each time; an empty process is subtracted.

Every library is imported from its compiled bytecode, as an installed package is: a first round writes what is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.harness import peer

EAGER = "import {0} as np; np.asarray([1.0, 2.0]) + 1"
COMPILED = (
    "import {0} as fl, {0}.numpy as np; fl.jit(lambda x: np.sin(x) * x)(np.asarray([1.0, 2.0])).block_until_ready()"
)


_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def processes(programs, rounds=7):
    """name -> seconds of a process that runs the program, less those of an empty one, in every round."""
    taken = {name: [] for name in programs}
    for text in programs.values():
        _seconds(text)
    for _ in range(rounds):
        empty = _seconds("pass")
        for name, text in programs.items():
            taken[name].append(_seconds(text) - empty)
    return taken


def _seconds(text):
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=_ENVIRONMENT)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return time.perf_counter() - start


def run(bench):
    first = {"ours": EAGER.format("functorch_lite.numpy"), "numpy": EAGER.format("numpy")}
    compiled = {"ours": COMPILED.format("functorch_lite")}
    if peer("jax"):
        first["jax"], compiled["jax"] = EAGER.format("jax.numpy"), COMPILED.format("jax")
    if peer("torch"):
        first["torch"] = "import torch; torch.asarray([1.0, 2.0]) + 1"
    if peer("autograd"):
        first["autograd"] = EAGER.format("autograd.numpy")
    for work, target, programs in (
        ("import until the first array is there", 0.3, first),
        ("import until the first compiled result", None, compiled),
    ):
        try:
            bench.measured(work, target, processes(programs))
        except RuntimeError as e:
            bench.fail(work, target, e)
