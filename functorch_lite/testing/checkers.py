"""Checkers for users: check_grads, check, assert_same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes
from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.api.forward import jvp as jvp_of
from functorch_lite.api.jit import jit as jit_of
from functorch_lite.api.remat import remat as remat_of
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.api.vmap import vmap as vmap_of
from functorch_lite.testing import laws
from functorch_lite.testing.bounds import Bound, rounding
from functorch_lite.testing.laws.batching import rows_of
from functorch_lite.testing.laws.common import LAWS, Problem, arrays, directions, together

# ---- check_grads ----


def check_grads(
    f: Callable, args: Any = None, order: int = 2, modes: Sequence[str] = ("fwd", "rev"), atol: float | None = None,
    rtol: float | None = None, eps: float | None = None, *, argnum: int | Sequence[int] | None = None, seed: int = 0,
) -> Any:  # fmt: skip
    """Check derivatives of `f` at `args` up to `order` against differences, and reverse mode against forward mode.

    modes: "fwd", "rev", or both; of each derivative, all of them again. atol, rtol: the larger one is the tolerance;
    None: what rounding and the extrapolation leave open. eps is taken and not needed: steps are chosen. Without `args`,
    or with `argnum`, returns a function of the arguments, as autograd has it. Raises LawError, ValueError for other
    modes and orders.
    """
    check_callable("check_grads", f)
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError(f'check_grads: modes must be "fwd", "rev", or both, got {modes!r}')
    if not (isinstance(order, int) and order >= 1):
        raise ValueError(f"check_grads: order must be a positive int, got {order!r}")
    if args is None or argnum is not None or isinstance(args, int):
        numbers = argnum if argnum is not None else 0 if args is None else args
        return _curried(f, numbers, lambda g, xs: check_grads(g, xs, order, modes, atol, rtol, seed=seed))
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"check_grads takes the arguments of `{name_of(f)}` as a tuple, got {type(args).__name__}")
    tol = None if atol is None and rtol is None else max(atol or 0.0, rtol or 0.0)
    return _check_grads(Problem("check_grads", f, tuple(args), tol, seed), order, modes)


def _curried(f: Callable, numbers: int | Sequence[int], run: Callable) -> Callable:
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)

    def checked(*args, **kwargs):
        def inner(*varying):
            full = list(args)
            for n, x in zip(numbers, varying, strict=True):
                full[n] = x
            return f(*full, **kwargs)

        inner.__name__ = name_of(f)
        return run(inner, tuple([args[n] for n in numbers]))

    return checked


def _check_grads(p: Problem, order: int, modes: tuple[str, ...]) -> None:
    if "fwd" in modes:
        laws.jvp.on(p)
    if "rev" in modes:
        laws.vjp.on(p)
    if len(modes) > 1:
        laws.adjoint.on(p)
    if order == 1:
        return
    ts, cts = p.tangents(50), p.cotangents(51)
    derived = {
        "fwd": lambda *floats: list(jvp_of(p.varying, floats, ts)[1]),
        "rev": lambda *floats: list(vjp_of(p.varying, *floats)[1](cts)),
    }
    for mode in modes:
        inner = derived[mode]
        inner.__name__ = f"{'jvp' if mode == 'fwd' else 'vjp'}({p.name})"
        _check_grads(Problem(p.law, inner, p.floats, p.tol, p.seed), order - 1, modes)


# ---- check ----


class Check:
    """A function at its arguments; every law is a method that returns this again: `check(f, x).jvp().vmap()`."""

    def __init__(self, f: Callable, args: Sequence, tol: float | None = None, seed: int = 0):
        self._problem = Problem("check", f, args, tol, seed)

    def __getattr__(self, name: str) -> Callable:
        law = LAWS.get(name)
        if law is None:
            raise AttributeError(f"there is no law `{name}`; there are {', '.join(LAWS)}")

        def run():
            law.on(self._problem)
            return self

        return run

    def __dir__(self):
        return [*super().__dir__(), *LAWS]

    def all(self, **options: Any) -> Check:
        """Every law that applies; options are those of `laws.all`."""
        p = self._problem
        laws.all(p.f, *p.structure.unflatten(p.xs), tol=p.tol, seed=p.seed, **options)
        return self

    def __repr__(self) -> str:
        return f"<check of `{self._problem.name}`>"


def check(f: Callable, *args: Any, tol: float | None = None, seed: int = 0) -> Check:
    """Laws of `f` at `args`, one after the other: `check(f, x).jvp().vjp().vmap().second_order()`.

    Each raises LawError where it does not hold. Raises AttributeError for a law that does not exist.
    """
    return Check(f, args, tol, seed)


# ---- assert_same ----


class _Version(NamedTuple):
    """A function of leaves, and the leaves it is called with."""

    fun: Callable
    leaves: list


def _floats(leaves) -> list[int]:
    return [i for i, x in enumerate(leaves) if dtypes.is_inexact(x.dtype)]


def _float_results(fun, leaves) -> list[int]:
    return [k for k, y in enumerate(arrays(fun(*leaves))) if dtypes.is_inexact(y.dtype)]


def _restricted(v: _Version) -> tuple[Callable, list]:
    """The float results as a function of the float leaves."""
    active, wanted = _floats(v.leaves), _float_results(v.fun, v.leaves)

    def varying(*floats):
        leaves = list(v.leaves)
        for i, x in zip(active, floats, strict=True):
            leaves[i] = x
        ys = v.fun(*leaves)
        return [ys[k] for k in wanted]

    return varying, [v.leaves[i] for i in active]


def _grad(v: _Version, seed: int) -> _Version:
    varying, floats = _restricted(v)
    cts = directions(np.random.default_rng((seed, 1)), arrays(varying(*floats)))
    return _Version(lambda *xs: list(vjp_of(varying, *xs)[1](cts)), floats)


def _jvp(v: _Version, seed: int) -> _Version:
    varying, floats = _restricted(v)
    ts = directions(np.random.default_rng((seed, 2)), floats)
    return _Version(lambda *xs: list(jvp_of(varying, xs, ts)[1]), floats)


def _vmap(v: _Version, seed: int) -> _Version:
    rows = rows_of(Problem("assert_same", lambda *xs: list(xs), v.leaves, None, seed))
    return _Version(vmap_of(v.fun), [np.stack(r) for r in rows])


UNDER: dict[str, Callable] = {
    "value": lambda v, seed: v,
    "jit": lambda v, seed: _Version(jit_of(v.fun), v.leaves),
    "remat": lambda v, seed: _Version(remat_of(v.fun), v.leaves),
    "grad": _grad,
    "vjp": _grad,
    "jvp": _jvp,
    "vmap": _vmap,
}


def assert_same(f: Callable, g: Callable, *args: Any, under: Sequence[str] = ("value",), tol: float | None = None,
                seed: int = 0) -> None:  # fmt: skip
    """f and g give the same at `args`, themselves and under every transform named, up to what rounding does to both.

    under: names among value, jit, grad, jvp, vmap, remat, or several joined by @, the outermost first: "jvp@grad".
    Results that are no scalars are weighed by random numbers before they are differentiated. Raises LawError where
    they differ, in tree, type or value; ValueError for another name.
    """
    chains = (under,) if isinstance(under, str) else tuple(under)
    for chain in chains:
        unknown = set(chain.split("@")) - set(UNDER)
        if unknown:
            raise ValueError(f"assert_same: there is no transform {', '.join(sorted(unknown))} in {chain!r}; there are "
                             f"{', '.join(UNDER)}")  # fmt: skip
    one, two = [Problem("assert_same", h, args, tol, seed) for h in (f, g)]
    one.agree(f"`{one.name}` and `{two.name}`", one.ys, two.ys, lambda: _sum(one.flat, two.flat, one.xs))
    if one.out != two.out:
        one.fail(f"`{one.name}` and `{two.name}`", [("got the tree", str(one.out)), ("want the tree", str(two.out))])
    for chain in chains:
        made = []
        for p in (one, two):
            version = _Version(p.flat, p.xs)
            for name in reversed(chain.split("@")):
                version = UNDER[name](version, seed)
            made.append(version)
        a, b = made
        compiled = "jit" in chain.split("@")
        got, want = a.fun(*a.leaves), b.fun(*b.leaves)
        one.agree(f"{chain} of `{one.name}` and of `{two.name}`", got, want,
                  lambda a=a, b=b, c=compiled: _sum(a.fun, b.fun, a.leaves, c),
                  [f"result {k} of {chain}" for k in range(len(got))])  # fmt: skip


def _sum(f, g, leaves, compiled: bool = False) -> Bound:
    return together(rounding(f, leaves, compiled), rounding(g, leaves, compiled))
