"""A training step of a 24-layer transformer, unrolled: until it is lowered, until its first result, and later steps.

First times are taken in fresh processes that take turns; the compiled steps run interleaved in one process.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time

from benchmarks import models
from benchmarks.harness import peer

PEER = {"ours": "functorch_lite", "jax": "jax"}


def library(name):
    return importlib.import_module(PEER[name]), importlib.import_module(f"{PEER[name]}.numpy")


def wait(tree):
    """Until every array of a result is computed."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        for part in tree:
            wait(part)
    else:
        tree.block_until_ready()


def first(name, what):
    """Seconds until the step is lowered, or until its first result is there, in this process; a toy has run before."""
    fl, np = library(name)
    wait(fl.jit(lambda x: np.sin(x) * x)(np.ones(3)))
    args = models.transformer_inputs(np.asarray)
    begin, step = time.perf_counter(), fl.jit(models.transformer_step(fl, np))
    if what == "lower":
        step.lower(*args)
    else:
        wait(step(*args))
    return time.perf_counter() - begin


def in_fresh_process(name, what):
    command = [sys.executable, "-m", "benchmarks.transformer", name, what]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout.splitlines()[-1])


def steady(bench, work, target, step, inputs, **options):
    made = {}
    for name in PEER:
        if not peer(PEER[name]):
            continue
        try:
            fl, np = library(name)
            f, args = fl.jit(step(fl, np)), inputs(np.asarray)
            wait(f(*args))
        except Exception as e:
            bench.fail(work, target, e)
            return

        def call(f=f, args=args):
            result = f(*args)
            wait(result)
            return result

        made[name] = call
    bench.race(work, target, **options, **made)


def run(bench):
    names = [name for name in PEER if peer(PEER[name])]
    for work, what, target in (("trace, transform, lower", "lower", 0.3), ("first call", "call", 0.6)):
        work = f"24 layers unrolled: {work}"
        taken = {name: [] for name in names}
        try:
            for _ in range(3):
                for name in names:
                    taken[name].append(in_fresh_process(name, what))
        except RuntimeError as e:
            bench.fail(work, target, e)
        else:
            bench.measured(work, target, taken)
    work, inputs = "24 layers unrolled: compiled step", models.transformer_inputs
    steady(bench, work, 1.0, models.transformer_step, inputs, rounds=9, seconds=0.1)


if __name__ == "__main__":
    print(first(*sys.argv[1:]))
