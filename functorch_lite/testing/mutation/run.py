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

# What decides about time, memory and messages alone: another decision is right too, so no law says anything about it.
# A module, or functions of it whose names begin so.
_WHOLE = (
    "prims.faults prims.effect prims.progress transforms.budget transforms.common transforms.literals control.budget "
    "control.chunks control.counted control.fission control.schedule control.silent control.together"
)
SPEED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_WHOLE.split(), ("",)),
    "control.cond": ("_vmap_rows",),  # whether rows take one branch or both
    "control.replay": ("_partition",),  # whether a second run is split, or expanded first
    "transforms.vmap": ("kept_batched",),  # where a fixed point is begun from
    "prims.pointwise": ("fold_constants",),
    "transforms.depends": ("",),  # to depend on more than is true costs time
    "transforms.simplify": ("_worthwhile", "_simpler", "_live", "simplify", "dce"),  # to simplify less is right too
    "transforms.close": ("closing", "_close"),  # to close what needs no closing is right too
    "prims.select": ("_both", "_either", "_joined", "add_cotangents", "select", "_shaped"),  # of masks, which are one
    "prims.shape": ("broadcast",),
    "prims.index": ("_split_starts", "dynamic", "gather", "fill_of", "_slice"),  # functions that record, and no rules
}
# What several devices need, and what only axes of several sizes at once do.
DEVICES = {"transforms.vmap": ("names",), "control.shard_map": ("",), "control.varied": ("",),
           "prims.collective": ("_vmap_own_row", "take_rows", "axis_index")}  # fmt: skip


# Of the modules of control flow, the rules: what they call arranges positions and decides when what is computed.
RULES = ("_jvp", "_transpose", "_vmap", "_partition", "_primal", "pushforward_of")


def left_out(module: str, function: str) -> bool:
    """Whether nothing is changed in a function, as no law is about what it decides."""
    name = module.removeprefix("functorch_lite.")
    if name.startswith("control.") and not function.startswith(RULES):
        return True
    return function.startswith((*SPEED.get(name, ()), *DEVICES.get(name, ())))


class Profile(NamedTuple):
    """mutants: how many are drawn, None: all. cases: how many each is tried on. seconds: for one mutant, at most."""

    mutants: int | None
    cases: int
    seconds: float


PROFILES = {"quick": Profile(600, 12, 2.0), "deep": Profile(None, 40, 15.0)}


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
        sites = source.sites(not name.startswith("functorch_lite.prims."))
        made.extend([site for site in sites if not left_out(name, site.keys[0][0])])
    return [*made, *records.sites()]


class _Worker:
    """What a process knows: the sources of the modules, the mistakes, and what the laws reach."""

    def __init__(self, tries, profile: Profile):
        self.tries, self.profile = tries, profile
        modules = judge.modules()
        self.forget = judge.forgetter(modules)
        self.sources = swap.sources(modules)
        self.sites = all_sites(self.sources)
        self.begun: dict[str, set] = {}

    def lines(self, module: str, line: int) -> bool:
        """Whether a statement begins at this line, so that running it would have been noted."""
        if module not in self.begun:
            codes = self.sources[module].codes.values()
            self.begun[module] = {n for code in codes for _, _, n in code.co_lines()}
        return line in self.begun[module]

    def judge(self, number: int) -> Verdict:
        start, site, change = time.perf_counter(), self.sites[number], None
        if isinstance(site, records.RecordSite):
            tries, kind, text = self.tries.get(site[:3], []), site.kind, f"what it returns: {site.kind}"
            change = records.Wrong(site, self.forget)
        else:
            kind, text = site.mutation.kind, site.mutation.text
            tries = self.tries.get((site.module, site.mutation.line), [])  # or, inside an expression of several lines,
            if not tries and len(site.keys) and not self.lines(site.module, site.mutation.line):
                tries = self.tries.get((site.module, *site.keys[-1][:2]), [])
            change = swap.Swapped(self.sources[site.module], site, self.forget)
        found, tried = None, 0
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
    tell(f"{len(CASES)} cases under {len(judge.NAMES)} laws, after {seconds():.0f} s")
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


def figures(result: Result) -> tuple[int, int, int]:
    """(mutants found, those known to compute the same, all)."""
    dead = sum([v.found is not None for v in result.verdicts])
    return dead, sum([v.why is not None for v in result.verdicts]), len(result.verdicts)


def report(result: Result) -> str:
    """The figures by kind, and the survivors, each with what is known of it."""
    verdicts, (dead, same, n) = result.verdicts, figures(result)
    share = lambda part, whole: f"{100 * part / max(1, whole):.1f}%"
    lines = [f"{dead} of {n} mutants found, {share(dead, n)}, in {result.seconds:.0f} s; without the {same} that are "
             f"known to be right too, {share(dead, n - same)}"]  # fmt: skip
    for kind in sorted({v.kind for v in verdicts}):
        of_kind = [v for v in verdicts if v.kind == kind]
        lines.append(f"  {kind:<10} {sum(v.found is not None for v in of_kind):>4} of {len(of_kind)}")
    for v in verdicts:
        if v.found is None:
            why = v.why or ("no law reaches it" if not v.reached else f"not explained, after {v.reached} tries")
            lines.append(f"survivor {v.place}: {v.kind}: {v.text[:150]}: {why}")
    lines += [f"fails without any change: {text}" for text in result.failing]
    return "\n".join(lines)
