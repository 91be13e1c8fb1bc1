"""Where drawn programs take their decisions from: a seed, or a recorded list of numbers, or Hypothesis.

Everything is decided by integers from 0 up, and 0 is the simplest: so both Hypothesis and `smaller` know how to shrink.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any


class Choices:
    """Decisions, each made of one integer."""

    def integer(self, high: int) -> int:
        """An integer from 0 to `high`, both included."""
        raise TypeError(f"{type(self).__name__} draws no integers; use Seeded, Recorded or Drawn")

    def chance(self, one_in: int) -> bool:
        """True once in `one_in` times; the simplest is False."""
        return self.integer(one_in - 1) == one_in - 1

    def among(self, options: Sequence) -> Any:
        """One of the options; the first is the simplest."""
        return options[self.integer(len(options) - 1)]


class Seeded(Choices):
    """The decisions of a seed; `made` records them."""

    def __init__(self, seed: int | str):
        self.random, self.made = random.Random(seed), []

    def integer(self, high: int) -> int:
        value = int(self.random.random() * (high + 1))
        self.made.append(value)
        return value


class Recorded(Choices):
    """Decisions made before, perhaps changed; where the record ends, the simplest."""

    def __init__(self, record: Sequence[int]):
        self.record, self.made = record, []

    def integer(self, high: int) -> int:
        k = len(self.made)
        value = min(self.record[k], high) if k < len(self.record) else 0
        self.made.append(value)
        return value


def _simpler(record: list[int]) -> Iterator[list[int]]:
    """Records with a part left out, then with parts that are 0, then with smaller numbers."""
    for size in (64, 32, 16, 8, 5, 4, 3, 2, 1):
        for start in range(len(record) - size, -1, -1):
            yield record[:start] + record[start + size :]
    for size in (8, 4, 2):
        for start in range(len(record) - size, -1, -1):
            if any(record[start : start + size]):
                yield record[:start] + [0] * size + record[start + size :]
    for k, value in enumerate(record):
        for less in dict.fromkeys((0, value // 2, value - 1)):
            if 0 <= less < value:
                yield [*record[:k], less, *record[k + 1 :]]


def smaller(record: Sequence[int], measure: Callable[[Sequence[int]], Any], tries: int = 2000) -> list[int]:
    """The simplest record that is found in `tries` for which `measure` gives a size, not None; the smallest one.

    record: decisions for which `measure` gives a size.
    """
    best, size = list(record), measure(record)
    seen = {tuple(best)}
    progress = True
    while progress and tries > 0:
        progress = False
        for candidate in _simpler(best):
            key = tuple(candidate)
            if key in seen:
                continue
            seen.add(key)
            tries -= 1
            found = measure(candidate)
            if found is not None and (found, len(candidate), candidate) < (size, len(best), best):
                best, size, progress = candidate, found, True
                break
            if tries <= 0:
                break
    return best
