"""What a law says when it does not hold: one readable block, or one sentence where the input is at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree

_LINES = 40  # of a graph in a message


class LawError(AssertionError):
    """A law does not hold. `law` is its name, `where` the path of the result that differs, `apart` by how much,
    `bound` what rounding explains, `program` the text of the program."""

    def __init__(self, text: str, *, law: str = "", where: str = "", apart: float = 0.0, bound: float = 0.0,
                 program: str = ""):  # fmt: skip
        super().__init__(text)
        self.law, self.where, self.apart, self.bound, self.program = law, where, apart, bound, program


class FlakyError(LawError):
    """The function gives other results for the same arguments, so no law can be tested."""


class NotDifferentiableError(LawError):
    """The function has a kink or a jump at the arguments."""


class NotFiniteError(LawError):
    """The function, or its derivative, is not finite at the arguments."""


class ToleranceError(LawError):
    """A tolerance was asked for that is smaller than what rounding does; the law holds within its own bound."""


class NotApplicableError(ValueError):
    """The law says nothing about such a function: it has no floats, or the function no rules of its own."""


def program_text(f: Any, graph: Any) -> str:
    """The program that was tested: its own source where it has one (drawn programs do), else its graph."""
    source = getattr(f, "source", None)
    if isinstance(source, str):
        return source.strip()
    if graph is None:
        return "(it could not be traced)"
    lines = str(graph).splitlines()
    return "\n".join([*lines[:_LINES], *([f"... and {len(lines) - _LINES} more lines"] if len(lines) > _LINES else [])])


def short(x: Any) -> str:
    """A value on one line."""
    array = np.asarray(x)
    text = " ".join(np.array2string(array, threshold=12, edgeitems=3, separator=" ", precision=17).split())
    return f"{dtypes.short(array.dtype)}[{','.join(map(str, array.shape))}] {text}" if array.shape else text


def block(title: str, rows: Sequence[tuple[str, str]], program: str) -> str:
    """The block of one failure: a title, aligned rows, and the program."""
    width = max([len(name) for name, _ in rows], default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows]
    return "\n".join([title, *lines, "  program", *["    " + line for line in program.splitlines()]])


def difference(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """|got - want| elementwise in float64; equal infinities and two NaNs are equal, a number and a NaN infinitely far
    apart; so are different integers and booleans."""
    if not dtypes.is_inexact(got.dtype):
        return np.where(np.asarray(got == want), 0.0, np.inf)
    wide = np.complex128 if dtypes.is_complex(got.dtype) else np.float64
    with np.errstate(all="ignore"):
        a, b = got.astype(wide), want.astype(wide)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        apart = np.where(same, 0.0, np.abs(a - b))
    return np.where(np.isfinite(apart), apart, np.inf)


def path_of(structure: Any, index: int) -> str:
    """`result['w']` of a leaf of a result."""
    paths = [path for path, _ in tree.flatten_with_path(structure.unflatten(range(structure.num_leaves)))[0]]
    return "result" + tree.keystr(paths[index])
