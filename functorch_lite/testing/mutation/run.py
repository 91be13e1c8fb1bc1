"""One run: what the laws reach, then every mistake in turn, on some processes; and what it comes to."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from functorch_lite.testing.mutation import judge, pool, records, swap
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
    """mutants: how many are drawn, None: all. cases: how many each is tried on. seconds: for one mutant, at most.
    laws: those that are tried."""

    mutants: int | None
    cases: int
    seconds: float
    laws: tuple[str, ...]


_CHEAP = tuple([name for name in judge.NAMES if name not in judge.COSTLY])
PROFILES = {"quick": Profile(600, 12, 2.0, _CHEAP), "deep": Profile(None, 80, 15.0, judge.NAMES)}


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
        start, site = time.perf_counter(), self.sites[number]
        if isinstance(site, records.RecordSite):
            tries = self.tries.get(site[:3], [])
            change = records.Wrong(site, self.forget)
        else:
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
        return Verdict(site.place, _kind(site), _changed(site), found, tried, time.perf_counter() - start)


class _Watcher:
    """What the laws reach, case by case."""

    def __init__(self, laws: tuple[str, ...]):
        modules = judge.modules()
        self.forget, self.files, self.laws = judge.forgetter(modules), judge.by_file(modules), laws

    def reach(self, case: int) -> judge.Reach:
        return judge.reach([case], self.forget, self.files, self.laws)


def _fatal(site) -> Verdict:
    """The verdict on a mistake that ended the process it was made in."""
    return Verdict(site.place, _kind(site), _changed(site), "it ends the process", 1, 0.0)


def _watching(laws: tuple[str, ...]) -> Callable[[int], judge.Reach]:
    return _Watcher(laws).reach


def _judging(tries, profile: Profile) -> Callable[[int], Verdict]:
    return _Worker(tries, profile).judge


class Result(NamedTuple):
    verdicts: list[Verdict]
    failing: list[str]  # tries that fail on the unchanged library
    seconds: float


def _changed(site) -> str:
    """What a mistake changes, in words of its verdict."""
    return f"what it returns: {site.kind}" if isinstance(site, records.RecordSite) else site.mutation.text


def _kind(site) -> str:
    return site.kind if isinstance(site, records.RecordSite) else site.mutation.kind


Selected = Callable[[str, str], bool]


def run(profile: Profile, processes: int = 2, seed: int = 0, selected: Selected | None = None,
        cases: Iterable[str] | None = None, tell: Callable[[str], None] = lambda text: None) -> Result:  # fmt: skip
    """Make the mistakes of a profile, drawn by `seed`, and say what became of each.

    selected: takes the place and the change of a mutant, and says whether it is wanted. cases: parts of names of the
    cases to try; all of them if left out.
    """
    start = time.perf_counter()
    tried = [k for k, case in enumerate(CASES) if cases is None or any([part in case.name for part in cases])]
    watched = pool.spread(_watching, (profile.laws,), tried, processes)
    reaches = [reach for _, reach in sorted(watched, key=lambda pair: pair[0])]
    tries: dict = {}
    for each in reaches:
        for key, found in each.tries.items():
            tries.setdefault(key, []).extend(found)
    tries = {key: judge.chosen(found, profile.cases) for key, found in tries.items()}
    seconds = lambda: time.perf_counter() - start
    tell(f"{len(tried)} cases under {len(profile.laws)} laws, after {seconds():.0f} s")
    sites = all_sites(swap.sources(judge.modules()))
    numbers = [k for k, site in enumerate(sites) if selected is None or selected(site.place, _changed(site))]
    random.Random(seed).shuffle(numbers)
    numbers = numbers[: profile.mutants]
    verdicts: list[Verdict] = []
    for number, made in pool.spread(_judging, (tries, profile), numbers, processes):
        verdicts.append(made or _fatal(sites[number]))
        if len(verdicts) % 100 == 0:
            dead = sum([v.found is not None for v in verdicts])
            tell(f"{len(verdicts)} of {len(numbers)} mutants, {dead} found, after {seconds():.0f} s")
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
