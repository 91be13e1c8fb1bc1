"""Random programs on our host executor, compiled by XLA, and on jax; disagreements are explained or shrunk.

    python -m benchmarks.differential --programs 20000 --seed 0 --out result.json

Runs in the environment of the benchmarks, which has jax. A program is drawn as in `functorch_lite.testing`, with all
control flow, up to 12 equations and up to three transforms around it; compared are its value, its gradient, its second
derivatives along a direction, and what the transforms around it give.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import time
import warnings

import jax
import jax.ad_checkpoint

import functorch_lite as fl
from functorch_lite.testing import differential as d
from functorch_lite.testing.programs import shrunk

TOLERANCE = 1e-9  # in float64, of the largest result or of 1
TOGETHER = 8  # programs in one compilation: starting the compiler costs more than most programs
# Compiling takes a fifth of the time. Without fused multiplications and additions a sum is rounded the same wherever
# XLA computes it again: `max` and `min` look for the elements that equal the result.
FLAGS = ("--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_max_isa=AVX "
         "--xla_cpu_parallel_codegen_split_count=1")  # fmt: skip
PLANS = {"smooth": {}, "jumps": {"smooth": False}, "complex": {"kinds": "fibc"}}


def each(call, cases, kind, results):
    """The results of `call(cases)`, or of one case after the other where that fails; None where one fails alone."""
    try:
        return call(cases)
    except Exception as error:
        if len(cases) == 1:
            results.append((f"{kind} raises", cases[0], f"{type(error).__name__}: {str(error)[:300]}"))
            return [None]
        return [each(call, [case], kind, results)[0] for case in cases]


def in_jax(cases):
    """What jax gives; loops that count at run time are apart from the others."""
    made = [None] * len(cases)
    for forward in (False, True):
        chosen = [k for k, c in enumerate(cases) if d.forward_only(c) == forward]
        if chosen:
            for k, result in zip(chosen, d.elsewhere(jax, [cases[k] for k in chosen], forward), strict=True):
                made[k] = result
    return made


def batch(cases, results):
    """Compare these cases three ways; append what is wrong to `results`."""
    hosts = [each(d.on_host, [case], "host", results)[0] for case in cases]
    compiled = each(d.compiled, cases, "compiled", results)
    wanted = each(in_jax, cases, "jax", results)
    for case, host, ours, want in zip(cases, hosts, compiled, wanted, strict=True):
        pairs = [("host and jax", host, want), ("compiled and jax", ours, want), ("host and compiled", host, ours)]
        for names, got, other in pairs[: 3 if want is None else 2]:
            if got is None or other is None:
                continue
            far = d.apart(got, other)
            if far > TOLERANCE:
                explained = d.shaken(case)
                kind = f"{names} differ" if far > explained else f"{names}: ill-conditioned"
                text = f"{far:.3g} apart; moving the arguments by 1.5e-11 changes {explained:.3g}"
                results.append((kind, case, text))
        if host is not None and not all((x == x).all() for x in host):
            results.append(("not a number", case, "a result is NaN"))


def still(kind, case):
    """Whether a smaller program with the same transforms around it fails in the same way."""

    def fails(program):
        found = []
        smaller = d.Case(case.seed, program, case.chain)
        try:
            batch([smaller], found)
        except Exception:
            return False
        return any([k == kind for k, _, _ in found])

    return fails


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plan", choices=PLANS, default="smooth")
    parser.add_argument("--shrink", type=int, default=0, help="how many simpler programs to try per disagreement")
    parser.add_argument("--out")
    options = parser.parse_args()
    os.environ["XLA_FLAGS"] = f"{FLAGS} {os.environ.get('XLA_FLAGS', '')}"  # read when the first program is compiled
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")
    chosen, results, counts = d.plans(**PLANS[options.plan]), [], collections.Counter()
    start, seen, equations = time.time(), 0, 0
    for first in range(options.seed, options.seed + options.programs, TOGETHER):
        seeds = range(first, min(first + TOGETHER, options.seed + options.programs))
        cases = [d.case(seed, chosen[seed % len(chosen)]) for seed in seeds]
        found = []
        batch(cases, found)
        for kind, case, text in found:
            counts[kind] += 1
            if options.shrink and "ill" not in kind:
                case = d.Case(case.seed, shrunk(case.program, still(kind, case), options.shrink), case.chain)
            results.append({"kind": kind, "seed": case.seed, "text": text, "case": str(case)})
            print(f"---- {kind}: {text}\n{case}", flush=True)
        seen += len(cases)
        equations += sum([c.program.equations for c in cases])
        if seen % 400 < TOGETHER:
            fl.clear_caches()
            jax.clear_caches()
            print(f"{seen} programs, {equations} equations, {time.time() - start:.0f} s, {dict(counts)}", flush=True)
    said = {"programs": seen, "seed": options.seed, "plan": options.plan, "equations": equations,
            "seconds": round(time.time() - start), "counts": dict(counts), "found": results}  # fmt: skip
    print({k: v for k, v in said.items() if k != "found"})
    if options.out:
        with open(options.out, "w") as file:
            json.dump(said, file, indent=1)


if __name__ == "__main__":
    main()
