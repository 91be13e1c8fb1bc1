"""Operations in the module handed to XLA: what its compile time follows. The transformer of 24 unrolled layers."""

from __future__ import annotations

import collections
import re

import functorch_lite as fl
import functorch_lite.numpy as fnp
from benchmarks import models
from benchmarks.harness import Row, peer

jax = peer("jax")
SHOWN = {
    "dot_general": 1.0,
    "broadcast_in_dim": None,
    "transpose": None,
    "reduce": None,
    "constant": None,
    "reshape": None,
}


def operations(text, function="main"):
    """operation -> how often a module's text performs it; a private function counts once per call."""
    bodies = {}
    for part in re.split(r"(?=func\.func )", text):
        if name := re.match(r"func\.func (?:\w+ )?@([\w.\-$]+)", part):
            bodies[name[1]] = part
    counted = {}

    def count(name):
        if name not in counted:
            counts = collections.Counter(re.findall(r"stablehlo\.(\w+)[\s(\"<]", bodies[name]))
            for callee in re.findall(r"call @([\w.\-$]+)", bodies[name]):
                counts += count(callee)
            counted[name] = counts
        return counted[name]

    return count(function)


def module_counts(library, module):
    step = models.transformer_step(library, module)
    return operations(library.jit(step).lower(*models.transformer_inputs(module.asarray)).as_text())


def run(bench):
    if not jax:
        bench.add(Row(bench.group, "operations in all", {}, 0.7, unit="count", note="JAX is not here"))
        return
    try:
        ours, theirs = module_counts(fl, fnp), module_counts(jax, jax.numpy)
    except Exception as e:
        bench.fail("operations in all", 0.7, e)
        return
    medians = {"ours": sum(ours.values()), "jax": sum(theirs.values())}
    bench.add(Row(bench.group, "operations in all", medians, 0.7, unit="count"))
    for name, target in SHOWN.items():
        bench.add(Row(bench.group, name, {"ours": ours[name], "jax": theirs[name]}, target, unit="count"))
