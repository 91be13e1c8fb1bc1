"""python -m functorch_lite.testing.mutation: make mistakes, and say which of them the laws find."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys

from functorch_lite.testing.mutation.run import PROFILES, Selected, report, run


def selection(only: list[str] | None, again: str | None) -> Selected | None:
    """Which mutants are wanted, of (place, change): those whose place contains one of `only`, and those that survived
    in the file `again`, on whatever line they are now."""
    unnumbered = lambda place: re.sub(":[0-9]+ ", " ", place)
    if again is not None:
        with open(again, encoding="utf-8") as file:
            survived = {(unnumbered(each["place"]), each["text"]) for each in json.load(file) if each["found"] is None}
    wanted = lambda place, text: only is None or any(part in place for part in only)
    if again is None:
        return wanted
    return lambda place, text: wanted(place, text) and (unnumbered(place), text) in survived


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m functorch_lite.testing.mutation", description=__doc__)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="quick")
    parser.add_argument("--mutants", type=int, help="how many are drawn; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="mutants whose place contains one of these, such as prims/index")
    parser.add_argument("--cases", nargs="+", help="try only cases whose name contains one of these")
    parser.add_argument("--again", help="only the mutants that survived in this file of verdicts")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", help="a file for all verdicts")
    parser.add_argument("--at-least", type=float, default=0.0, help="exit with 1 if a smaller percentage is found")
    given = parser.parse_args(arguments)
    profile = PROFILES[given.profile]
    if given.mutants is not None:
        profile = profile._replace(mutants=given.mutants or None)
    tell = lambda text: print(text, file=sys.stderr, flush=True)
    result = run(profile, given.processes, given.seed, selection(given.only, given.again), given.cases, tell)
    print(report(result))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump([v._asdict() for v in result.verdicts], file, indent=1)
    dead = sum([v.found is not None for v in result.verdicts])
    return int(100 * dead < given.at_least * len(result.verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
