"""The strategy of programs: their decisions are those of Hypothesis, which shrinks them."""

from __future__ import annotations

from functools import lru_cache

from hypothesis import strategies as st

from functorch_lite.testing.choices import Choices
from functorch_lite.testing.programs import Program, draw, plan


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


def _names(names):
    """Names as a tuple; what is no list of them is refused where the plan is made."""
    return tuple(names) if isinstance(names, (list, set, frozenset)) else names


@st.composite
def _programs(draw_one, chosen) -> Program:
    return draw(Drawn(draw_one), chosen)


def programs(
    *,
    max_eqns: int = 12,
    args: int | tuple[int, int] = (1, 3),
    dtype: str = "float64",
    kinds: str = "fib",
    inputs: str = "f",
    smooth: bool = True,
    scalar: bool = False,
    control_flow: bool = True,
    only: tuple[str, ...] | None = None,
    without: tuple[str, ...] = (),
    jax: bool = False,
    depth: int = 2,
    every: int = 4,
) -> st.SearchStrategy[Program]:
    """Random well-typed programs `p`: call `p(*p.args)`, read `p.equations`, print `p`.

    max_eqns: most statements. args: how many arguments, or (fewest, most). dtype: of floats. kinds: of values inside
    the program, letters among `fibc`; inputs: of its arguments. smooth: every derivative exists at the arguments and
    near them. scalar: the result is one float without axes. control_flow: loops, branches and nested transforms. only,
    without: names of primitives. jax: only what jax computes under the same names. depth: how deep functions stand in
    each other; every: one statement in so many holds some.
    Raises ValueError or DtypeError where nothing is left to draw.
    """
    return _programs(plan(
        max_eqns=max_eqns, args=args, dtype=dtype, kinds=kinds, inputs=inputs, smooth=smooth, scalar=scalar,
        control_flow=control_flow, only=_names(only), without=_names(without), jax=jax,
        depth=depth, every=every,
    ))  # fmt: skip
