"""Laws of transforms, each a function of a function and its arguments: `laws.jvp(f, x)`, and `laws.all(f, x)`.

A law returns None where it holds, and raises `LawError`, an AssertionError, where it does not. Tolerances come from the
rounding errors of the program itself; `tol=` asks for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from functorch_lite.testing.laws.batching import (
    derivatives_of_no_rows,
    jit_commutes,
    rows,
    shared_cotangents,
    vmap,
    vmap_of_derivatives,
    vmap_out_axes,
    vmap_sizes,
    vmap_twice,
)
from functorch_lite.testing.laws.common import LAWS, Law, Problem
from functorch_lite.testing.laws.custom import custom_rules
from functorch_lite.testing.laws.derivatives import (
    adjoint,
    complex_step,
    grad,
    jacobian,
    jvp,
    jvp_linear,
    linearize,
    transpose_twice,
    vjp,
    vjp_linear,
)
from functorch_lite.testing.laws.devices import pmap
from functorch_lite.testing.laws.second import hessian, hessian_symmetric, hvp, second_order
from functorch_lite.testing.laws.transforms import LAWS_OF_RESULTS, transform
from functorch_lite.testing.laws.values import deterministic, dtypes, effects, jit, remat, simplify
from functorch_lite.testing.report import (
    FlakyError,
    LawError,
    NotApplicableError,
    NotDifferentiableError,
    NotFiniteError,
    ToleranceError,
)

__all__ = [
    "GROUPS", "LAWS", "LAWS_OF_RESULTS", "FlakyError", "Law", "LawError", "NotApplicableError",
    "NotDifferentiableError", "NotFiniteError", "ToleranceError", "adjoint", "all", "complex_step", "custom_rules",
    "derivatives_of_no_rows", "deterministic", "dtypes", "effects", "grad", "hessian", "hessian_symmetric", "hvp",
    "jacobian", "jit", "jit_commutes", "jvp", "jvp_linear", "linearize", "pmap", "remat", "rows", "second_order",
    "shared_cotangents", "simplify", "transform", "transpose_twice", "vjp", "vjp_linear", "vmap",
    "vmap_of_derivatives", "vmap_out_axes", "vmap_sizes", "vmap_twice",
]  # fmt: skip

GROUPS = ("value", "custom", "derivative", "second", "batching", "device")  # in the order in which they are tried


def all(f: Callable, *args: Any, only: Iterable[str] | None = None, skip: Iterable[str] = (),
        compiled: bool = True, tol: float | None = None, seed: int = 0) -> list[str]:  # fmt: skip
    """Every law that says something about `f` at `args`; returns the names of those that were tried.

    only, skip: names of laws or of their groups ("value", "derivative", "second", "batching", "custom").
    compiled=False leaves out the laws that compile. Raises LawError where one does not hold, ValueError for a name
    that no law has.
    """
    wanted = _named(only) if only is not None else set(LAWS)
    wanted -= _named(skip)
    tried, problem = [], Problem("all", f, args, tol, seed)
    for name, law in sorted(LAWS.items(), key=lambda item: GROUPS.index(item[1].group)):
        if name in wanted and (compiled or not law.compiles):
            try:
                law.on(problem)
            except NotApplicableError:
                continue
            tried.append(name)
    return tried


def _named(names: str | Iterable[str]) -> set[str]:
    names = {names} if isinstance(names, str) else set(names)
    unknown = names - set(LAWS) - set(GROUPS)
    if unknown:
        known = ", ".join([*GROUPS, *LAWS])
        raise ValueError(f"laws.all: there is no law or group {', '.join(sorted(unknown))}; there are {known}")
    return {name for name, law in LAWS.items() if name in names or law.group in names}
