"""One run: what the laws reach, then every mistake in turn, on some processes; and what it comes to."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from functorch_lite.testing.mutation import judge, records, swap
from functorch_lite.testing.mutation.cases import CASES
from functorch_lite.testing.mutation.explained import explanation

# What decides about time, memory and messages alone: no law says anything about it.
SPEED = frozenset(
    "prims.faults prims.effect prims.progress transforms.budget transforms.common transforms.literals control.budget "
    "control.chunks control.counted control.fission control.schedule control.silent control.together".split()
)


class Profile(NamedTuple):
    """mutants: how many are drawn, None: all. cases: how many each is tried on. seconds: for one mutant, at most."""

    mutants: int | None
    cases: int
    seconds: float


PROFILES = {"quick": Profile(600, 10, 2.0), "deep": Profile(None, 60, 20.0)}


class Verdict(NamedTuple):
    """What became of a mutant. found: what a law said, None for a survivor. reached: how many tries there were."""

    place: str
    kind: str
    text: str
    found: str | None
    reached: int
    seconds: float

    @property
    def why(self) -> str | None:
        return explanation(self.place, self.text) if self.found is None else None


def all_sites(sources: dict[str, swap.Source]) -> list:
    """Every mistake that can be made, in an order that is always the same: in the text of rules and passes, and in
    what rules return."""
    made: list = []
    for name, source in sources.items():
        if name.removeprefix("functorch_lite.") not in SPEED:
            made.extend(source.sites(not name.startswith("functorch_lite.prims.")))
    return [*made, *records.sites()]


class _Worker:
    """What a process knows: the sources of the modules, the mistakes, and what the laws reach."""

    def __init__(self, tries, profile: Profile):
        self.tries, self.profile = tries, profile
        modules = judge.modules()
        self.forget = judge.forgetter(modules)
        self.sources = swap.sources(modules)
        self.sites = all_sites(self.sources)

    def judge(self, number: int) -> Verdict:
        start, site, change = time.perf_counter(), self.sites[number], None
        if isinstance(site, records.RecordSite):
            key, kind, text = site[:3], site.kind, f"what it returns: {site.kind}"
            change = records.Wrong(site, self.forget)
        else:
            key, kind, text = (site.module, *site.keys[-1][:2]), site.mutation.kind, site.mutation.text
            change = swap.Swapped(self.sources[site.module], site, self.forget)
        found, tried, tries = None, 0, self.tries.get(key, [])
        if tries:
            try:
                with change:
                    found, tried = judge.killed(tries, self.profile.seconds)
            except SyntaxError as error:
                found = str(error)
        return Verdict(site.place, kind, text, found, tried, time.perf_counter() - start)


def _reached(cases: list[int]) -> judge.Reach:
    modules = judge.modules()
    return judge.reach(cases, judge.forgetter(modules), judge.by_file(modules))


_worker: list[_Worker] = []


def _start(tries, profile) -> None:
    _worker.append(_Worker(tries, profile))


def _judge(number: int) -> Verdict:
    return _worker[0].judge(number)


class Result(NamedTuple):
    verdicts: list[Verdict]
    failing: list[str]  # tries that fail on the unchanged library
    seconds: float


def run(profile: Profile, processes: int = 2, seed: int = 0, only: str | None = None,
        tell: Callable[[str], None] = lambda text: None) -> Result:  # fmt: skip
    """Make the mistakes of a profile, drawn by `seed`, and say what became of each; `only`: those whose place contains
    this."""
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        reaches = pool.map(_reached, [list(range(k, len(CASES), processes)) for k in range(processes)])
    tries: dict = {}
    for each in reaches:
        for key, found in each.tries.items():
            tries.setdefault(key, []).extend(found)
    tries = {key: judge.chosen(found, profile.cases) for key, found in tries.items()}
    seconds = lambda: time.perf_counter() - start
    tell(f"{len(CASES)} cases under {len(judge.NAMES)} laws reach {len(tries)} functions and rules, after {seconds():.0f} s")
    sites = all_sites(swap.sources(judge.modules()))
    numbers = [k for k, site in enumerate(sites) if only is None or only in site.place]
    random.Random(seed).shuffle(numbers)
    numbers = numbers[: profile.mutants]
    verdicts = []
    with context.Pool(processes, _start, (tries, profile)) as pool:
        for k, verdict in enumerate(pool.imap_unordered(_judge, numbers, chunksize=4), 1):
            verdicts.append(verdict)
            if k % 100 == 0:
                dead = sum([v.found is not None for v in verdicts])
                tell(f"{k} of {len(numbers)} mutants, {dead} found, after {seconds():.0f} s")
    verdicts.sort(key=lambda v: (v.place, v.text))
    return Result(verdicts, [f for r in reaches for f in r.failing], seconds())


def report(result: Result) -> str:
    """The figures by kind, and the survivors, each with what is known of it."""
    verdicts = result.verdicts
    dead = [v for v in verdicts if v.found is not None]
    lines = [f"{len(dead)} of {len(verdicts)} mutants found, {100 * len(dead) / max(1, len(verdicts)):.1f}%, in "
             f"{result.seconds:.0f} s"]  # fmt: skip
    for kind in sorted({v.kind for v in verdicts}):
        of_kind = [v for v in verdicts if v.kind == kind]
        lines.append(f"  {kind:<10} {sum(v.found is not None for v in of_kind):>4} of {len(of_kind)}")
    for v in verdicts:
        if v.found is None:
            why = v.why or ("no law reaches it" if not v.reached else f"not explained, after {v.reached} tries")
            lines.append(f"survivor {v.place}: {v.kind}: {v.text[:150]}: {why}")
    lines += [f"fails without any change: {text}" for text in result.failing]
    return "\n".join(lines)
