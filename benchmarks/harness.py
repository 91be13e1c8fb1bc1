"""Races: all contestants take turns in every round, so that a slow moment of the machine hits all alike.

What counts is the ratio of medians; absolute times drift from machine to machine and from hour to hour.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import statistics
import timeit
import warnings

import numpy as np

OURS, PEERS = "ours", ("jax", "torch", "autograd")


def peer(name):
    """The module `name`, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@dataclasses.dataclass
class Row:
    """One line of the results: medians by contestant, in seconds, or counts where `unit` says so."""

    group: str
    work: str
    medians: dict[str, float]
    target: float | None = None  # the largest admitted ratio of ours to `against`
    noise: float = 0.0  # half the interquartile range of the ratio, round by round
    against: str = "jax"
    unit: str = "s"
    note: str = ""

    @property
    def ratio(self):
        """Ours by the peer's, or None where one of the two is missing."""
        if OURS not in self.medians or self.against not in self.medians:
            return None
        return self.medians[OURS] / self.medians[self.against]

    @property
    def verdict(self):
        if self.note.startswith("failed"):
            return "FAILED"
        if self.target is None:
            return ""
        if self.ratio is None:
            return "not measured"
        if self.ratio <= self.target:
            return "ok"
        return "ok within noise" if self.ratio - self.noise <= self.target else "MISSED"


def rounds_of(timers, rounds, seconds):
    """name -> seconds per call in every round; the order turns, so that nobody always runs first."""
    number, taken = {}, {name: [] for name in timers}
    for name, timer in timers.items():
        timer.timeit(2)
        number[name] = max(1, int(seconds / max(1e-8, timer.timeit(3) / 3)))
    names = list(timers)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            taken[name].append(timers[name].timeit(number[name]) / number[name])
    gc.collect()
    return taken


def agree(ours, theirs, rtol=2e-4):
    """Raises AssertionError unless two results hold the same numbers, leaf by leaf."""
    ours, theirs = _leaves(ours), _leaves(theirs)
    assert len(ours) == len(theirs), f"{len(ours)} results here, {len(theirs)} there"
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * (1e-30 + float(np.max(np.abs(b), initial=0.0))))


def short(error):
    """The first line of an error that says anything, with its type."""
    lines = [x.strip() for x in str(error).splitlines() if x.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def _leaves(tree):
    if isinstance(tree, dict):
        return [leaf for name in sorted(tree) for leaf in _leaves(tree[name])]
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in _leaves(part)]
    return [tree]


class Bench:
    """Collects the rows of one group and prints each as soon as it is known."""

    def __init__(self, group):
        self.group, self.rows = group, []

    def race(self, work, target=None, *, rounds=15, seconds=0.01, check=True, against="jax", **contestants):
        """Time the callables given by name (None: that peer has no such thing, or is not here).

        check: compare our result with that of `against`. If ours fails, the row says so; a peer that fails is left out.
        """
        results, notes = {}, []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, f in contestants.items():
                try:
                    results[name] = f and f()
                except Exception as e:
                    if name == OURS:
                        return self.fail(work, target, e)
                    notes.append(f"{name} left out: {short(e)}")
            runners = {name: timeit.Timer(f) for name, f in contestants.items() if f and name in results}
            try:
                if check and against in runners:
                    agree(results[OURS], results[against])
                taken = rounds_of(runners, rounds, seconds)
            except Exception as e:
                return self.fail(work, target, e)
        return self.measured(work, target, taken, against=against, note="; ".join(notes))

    def measured(self, work, target, taken, **fields):
        """A row from `taken`: contestant -> one number per round."""
        row = Row(self.group, work, {n: statistics.median(ts) for n, ts in taken.items()}, target, **fields)
        if row.ratio is not None and len(taken[OURS]) > 3:
            ratios = [a / b for a, b in zip(taken[OURS], taken[row.against], strict=True)]
            low, _, high = statistics.quantiles(ratios, n=4)
            row.noise = (high - low) / 2
        return self.add(row)

    def fail(self, work, target, error):
        return self.add(Row(self.group, work, {}, target, note=f"failed: {short(error)}"))

    def add(self, row):
        self.rows.append(row)
        print(line(row), flush=True)
        return row


def amount(value, unit):
    """A number with its unit: `12.3 us`, `1.20 s`, `311`."""
    if unit != "s":
        return f"{value:.0f}" if unit == "count" else f"{value:.2f}"
    for size, name in ((1e-3, "us"), (1.0, "ms")):
        if value < size:
            return f"{value / size * 1e3:.3g} {name}" if value < size * 0.9995 else f"{value / size:.3g} {name}"
    return f"{value:.3g} s"


def line(row):
    cells = "  ".join(f"{name} {amount(value, row.unit)}" for name, value in row.medians.items())
    ratio = "" if row.ratio is None else f"  ratio {row.ratio:.3f}"
    target = "" if row.target is None else f"  target {row.target:g}"
    return f"{row.work:44s} {cells}{ratio}{target}  {row.verdict}  {row.note}".rstrip()
