"""Hypothesis strategies of what transforms are tested with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from hypothesis import strategies as st

from functorch_lite.testing.choices import Choices
from functorch_lite.testing.programs import Program, draw, plan

__all__ = ["programs"]


@lru_cache(256)
def _integers(high: int) -> st.SearchStrategy[int]:
    return st.integers(0, high)


class Drawn(Choices):
    """The decisions of Hypothesis, which shrinks them."""

    def __init__(self, draw):
        self.draw, self.made = draw, []

    def integer(self, high: int) -> int:
        value = self.draw(_integers(high))
        self.made.append(value)
        return value


@st.composite
def _programs(draw_one, chosen) -> Program:
    return draw(Drawn(draw_one), chosen)


def programs(**options: Any) -> st.SearchStrategy[Program]:
    """Random well-typed programs `p`: call `p(*p.args)`, read `p.equations`, print `p`.

    max_eqns: most statements (12). args: how many arguments, or (fewest, most) (1, 3). dtype: of floats ("float64").
    kinds: of values inside the program, among "fibc" ("fib"). inputs: kinds of its arguments ("f"). smooth: every
    derivative exists at the arguments and near them (True). scalar: the result is one float without axes (False).
    control_flow: loops, branches and nested transforms (True). only, without: tuples of names of primitives. jax: only
    what jax computes under the same names (False).
    Raises ValueError where nothing is left to draw.
    """
    return _programs(plan(**options))
