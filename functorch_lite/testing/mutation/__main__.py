"""python -m functorch_lite.testing.mutation: make mistakes, and say which of them the laws find."""

from __future__ import annotations

import argparse
import json
import os
import sys

from functorch_lite.testing.mutation.run import PROFILES, report, run


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m functorch_lite.testing.mutation", description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="quick")
    parser.add_argument("--mutants", type=int, help="how many are drawn; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="mutants whose place contains this, such as prims/index")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", help="a file for all verdicts")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a smaller percentage is found")
    given = parser.parse_args(arguments)
    profile = PROFILES[given.profile]
    if given.mutants is not None:
        profile = profile._replace(mutants=given.mutants or None)
    tell = lambda text: print(text, file=sys.stderr, flush=True)
    result = run(profile, given.processes, given.seed, given.only, tell)
    print(report(result))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump([v._asdict() for v in result.verdicts], file, indent=1)
    dead = sum([v.found is not None for v in result.verdicts])
    return int(100 * dead < given.at_least * len(result.verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
