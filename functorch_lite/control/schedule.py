"""Which turns of a loop are kept, so that a second run can come through all of them backward, in bounded memory.

The first run does not know how many turns there will be. It has `top(slots)` places, a power of two, and keeps every
2**j-th turn, where j grows by one whenever the places are full: the turns between go, and their places are used again.
Turn k lies at a place that k alone tells, as long as it is kept: the sum of its digits to the base top(slots), of
which only two can be other than zero.

The second run knows the number of turns. It keeps the turns that it has come through on a stack, beside those of the
first run, in all `slots` places, and comes through the rest again from the nearest one below. What to keep on the way
follows the binomial schedule: with f free places, C(f + t, t) turns can be run backward if each is run at most t times.
Source: Griewank and Walther, "Algorithm 799: revolve", ACM Transactions on Mathematical Software 26 (2000).

Numbers of turns are int32. The functions on Python ints are those of the host, the others record the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from functorch_lite.ir import ArrayType
from functorch_lite.prims.bits import clz, shift_left, shift_right_logical
from functorch_lite.prims.elementwise import add, and_, div, eq, le, max_, min_, mul, rem, select, sub

I32 = np.dtype(np.int32)
LEAST = 4  # places
_SHARE = 0.8  # of the places are for the first run
_MOST, _FEW, _BYTES = 1280, 32, 1 << 20
_CAP = 1000  # free places that are counted: the product of three such numbers still is an int32


def digits(slots: int) -> int:
    """log2 of the places of the first run."""
    return int(slots * _SHARE).bit_length() - 1


def default_slots(types: Sequence[ArrayType]) -> int:
    """How many turns to keep of states of these types: as many as take no more than 1 MB, but at least a few.

    A compiled program fills their memory with zeros first, which must not take longer than a loop of few turns.
    """
    size = sum([t.size * t.dtype.itemsize for t in types])
    return max(_FEW, min(_MOST, _BYTES // max(size, 1)))


# ---- in a graph ----


def stride(k, a: int):
    """log2 of the distance between the turns that are kept when turn k is met: the least j with k < 2**(a + j)."""
    return max_(sub(32 - a, clz(k)), 0)


def is_kept(k, j):
    """Whether turn k is kept at distance 2**j."""
    return eq(and_(k, sub(shift_left(1, j), 1)), 0)


def place(i, j, a: int):
    """The place of turn i * 2**j, the i-th that is kept."""
    shifted = shift_left(i, rem(j, a))
    return add(and_(shifted, (1 << a) - 1), shift_right_logical(shifted, a))


def distance(left, free):
    """How many turns to go before the next one is kept, with so many left to the turn that is wanted."""
    f = min_(free, _CAP)
    one = add(f, 1)
    two = div(mul(one, add(f, 2)), 2)
    two_less = div(mul(f, one), 2)
    three = div(mul(mul(one, add(f, 2)), add(f, 3)), 6)
    three_less = div(mul(mul(f, one), add(f, 2)), 6)
    far = max_(two, mul(div(left, add(f, 4)), 4))
    made = select(le(left, three), max_(one, sub(left, three_less)), far)
    made = select(le(left, two), max_(sub(left, two_less), 1), made)
    made = select(le(left, one), 1, made)
    return select(le(free, 0), left, made)


# ---- on the host ----


def host_stride(k: int, a: int) -> int:
    return max(0, k.bit_length() - a) if k >= 0 else 32 - a


def host_place(i: int, j: int, a: int) -> int:
    shifted = i << j % a
    return (shifted & (1 << a) - 1) + (shifted >> a)


def host_distance(left: int, free: int) -> int:
    f = min(free, _CAP)
    two = (f + 1) * (f + 2) // 2
    if free <= 0:
        return left
    if left <= f + 1:
        return 1
    if left <= two:
        return max(1, left - f * (f + 1) // 2)
    if left <= two * (f + 3) // 3:
        return max(f + 1, left - f * (f + 1) * (f + 2) // 6)
    return max(two, left // (f + 4) * 4)

