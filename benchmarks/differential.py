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
import time
import traceback
import warnings

import jax
import jax.ad_checkpoint

import functorch_lite as fl
from functorch_lite.testing import differential as d
from functorch_lite.testing.programs import plan, shrunk

TOLERANCE = 1e-9  # in float64, of the largest result or of 1
TOGETHER = 8  # programs in one compilation: starting the compiler costs more than most programs
PLANS = {
    "smooth": dict(scalar=True, jax=True),
    "jumps": dict(scalar=True, jax=True, smooth=False),
    "complex": dict(scalar=True, jax=True, kinds="fibc"),
}


def outcome(got, want):
    """None where they agree."""
    far = d.apart(got, want)
    return None if far <= TOLERANCE else far


def run(call, *args):
    """(results, None), or (None, what was raised)."""
    try:
        return call(*args), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def judge(case, host, compiled, results):
    """Compare one case three ways; append what is wrong to `results`."""
    want, error = run(d.elsewhere, "jax", case)
    if error:
        results.append(("jax raises", case, error))
    for name, got in (("host", host), ("compiled", compiled)):
        against = want if want is not None else host
        if got is None or against is None:
            continue
        far = outcome(got, against)
        if far is not None:
            explained = d.shaken(case)
            results.append((f"{name} differs" if far > explained else f"{name} ill-conditioned", case, f"{far:.3g} apart; "
                            f"a change of the arguments by 1.5e-11 makes {explained:.3g}"))  # fmt: skip
    if host is not None and any(not (x == x).all() for x in host):
        results.append(("not a number", case, "a result is NaN"))


def batch(cases, results):
    hosts = []
    for case in cases:
        host, error = run(d.on_host, [case])
        hosts.append(host and host[0])
        if error:
            results.append(("host raises", case, error))
    fine = [c for c, h in zip(cases, hosts) if h is not None]
    together, error = run(d.compiled, fine)
    if error:  # find out which
        together = []
        for case in fine:
            made, error = run(d.compiled, [case])
            together.append(made and made[0])
            if error:
                results.append(("compiled raises", case, error))
    made = dict(zip([id(c) for c in fine], together))
    for case, host in zip(cases, hosts):
        judge(case, host, made.get(id(case)), results)


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
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")
    chosen, results, counts = plan(**PLANS[options.plan]), [], collections.Counter()
    start, seen, equations = time.time(), 0, 0
    for first in range(options.seed, options.seed + options.programs, TOGETHER):
        cases = [d.case(seed, chosen) for seed in range(first, min(first + TOGETHER, options.seed + options.programs))]
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
    try:
        main()
    except KeyboardInterrupt:
        traceback.print_exc()
