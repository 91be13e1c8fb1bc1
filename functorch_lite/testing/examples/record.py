"""The examples of primitives: how each of them stands in a drawn program.

An example is a function of a `Builder` that adds at least one statement; the table of a file in this folder mirrors the
file of the primitives' records. It raises `Rejected` where the program so far has no operands for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MARGIN = 0.03  # how far smooth programs stay from kinks


@dataclass(frozen=True)
class Example:
    """make: (builder) -> None; of a construct, which holds functions, (builder, how many statements they may have).

    kinds: of the values it makes or needs; all must be in the program's. jax: whether jax computes the same under the
    same names. smooth: whether it has derivatives where its checks admit it.
    """

    name: str
    make: Callable
    kinds: str = "f"
    jax: bool = True
    construct: bool = False
    smooth: bool = True


EXAMPLES: dict[str, list[Example]] = {}


def add(name, make, kinds="f", jax=True, construct=False, smooth=True) -> None:
    """Put an example into the table."""
    EXAMPLES.setdefault(name, []).append(Example(name, make, kinds, jax, construct, smooth))


def construct(name: str, jax: bool = True) -> Callable:
    """Decorator of the function that draws a statement with functions inside."""

    def decorate(make):
        add(name, make, "f", jax, True)
        return make

    return decorate


def example(name: str, kinds: str = "f", jax: bool = True, smooth: bool = True) -> Callable:
    """Decorator of the function that draws the example of a primitive."""

    def decorate(make):
        add(name, make, kinds, jax, smooth=smooth)
        return make

    return decorate


def unary(name, text, operands="f", kinds="f", inside=None, away=None, home=None, smooth=True):
    """The example of an elementwise function.

    operands: kinds of dtypes. inside: the interval it is applied in. away: x -> what smooth programs keep from 0.
    home: x -> whether it is defined there.
    """

    def make(b):
        x = b.operand("".join([k for k in operands if k in b.plan.kinds]))
        if inside is not None and x.kind == "f":
            x = b.into(x, *inside)
        b.emit(name, text, x, check=b.check(away, home))

    add(name, make, kinds, smooth=smooth)


def binary(name, text, operands="f", kinds="f", insides=None, away=None, home=None, strict=False, smooth=True):
    """The example of an elementwise function of two operands that broadcast; of one shape if `strict`."""

    def make(b):
        x = b.operand("".join([k for k in operands if k in b.plan.kinds]))
        y = b.alike(x) if strict else b.beside(x)
        if insides is not None and x.kind == "f":
            x = b.into(x, *insides[0])
            y = b.into(y, *insides[1]) if not isinstance(y, str) else y
        b.emit(name, text, x, y, check=b.check(away, home))

    add(name, make, kinds, smooth=smooth)
