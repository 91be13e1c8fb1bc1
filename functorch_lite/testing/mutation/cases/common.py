"""What all cases share: their record, and the numbers they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A function at arguments at which it is smooth; `same`: another that computes the same on another way."""

    name: str
    fun: Callable
    args: tuple
    same: Callable | None = None


CASES: list[Case] = []


def case(name: str, fun: Callable, *args, same: Callable | None = None) -> None:
    """Add a case."""
    CASES.append(Case(name, fun, tuple([np.asarray(x) for x in args]), same))


def between(low, high, shape=(3,), salt=0):
    """Numbers of an interval, other ones for each case."""
    return np.random.default_rng((len(CASES), salt)).uniform(low, high, size=shape)


def complexes(salt=0, shape=(3,)):
    """Complex numbers away from the branch cuts."""
    return between(0.3, 1.2, shape, salt) + 1j * between(0.2, 0.9, shape, salt + 10)


N, M = np.array([3, 5, -6], np.int32), np.array([2, 1, 3], np.int32)
B = np.array([True, False, True])
KEY = np.array([3, 8], np.uint32)
V0 = np.array([0.34, 0.56, 0.78])
T = between(-1, 1, (2, 3, 4), salt=1)
R = between(-1, 1, (2, 3), salt=2)
V = between(0.3, 2, salt=3)
W = between(-0.8, 0.8, (3, 3), salt=4)
P = np.array([2, 0, 2], np.int32)
Q = np.array([[0, 2], [1, 1]], np.int32)
