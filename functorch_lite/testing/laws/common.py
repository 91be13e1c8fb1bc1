"""What all laws share: the function as a map of leaves, the comparison, and what is said when it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, leaf_array, name_of
from functorch_lite.array import asarray
from functorch_lite.errors import ConcretizationError
from functorch_lite.testing import report
from functorch_lite.testing.bounds import Bound, rounding
from functorch_lite.trace import trace, typeof

LAWS: dict[str, Law] = {}
_CALLS = 16  # until a function that did not do what a law says counts as one that agrees with itself


class Law:
    """One law: `law(f, *args)` raises LawError where it does not hold for `f` at `args`, and returns None if it does.

    tol: the largest difference, relative to the result and to 1; None: what rounding explains. seed: of the directions
    that are drawn. What the law says is its docstring.
    """

    def __init__(self, body: Callable, group: str, compiles: bool):
        self.body, self.group, self.compiles, self.__doc__ = body, group, compiles, body.__doc__
        self.__name__ = body.__name__

    def __call__(self, f: Callable, *args: Any, tol: float | None = None, seed: int = 0) -> None:
        self.body(Problem(self.__name__, f, args, tol, seed))

    def on(self, problem: Problem) -> None:
        """The law of a problem that other laws share."""
        problem.law = self.__name__
        self.body(problem)

    def __repr__(self) -> str:
        return f"<law {self.__name__}: {' '.join((self.__doc__ or '').split())}>"


def law(group: str, compiles: bool = False) -> Callable:
    """Register a law: a function of a `Problem`."""

    def register(body: Callable) -> Law:
        made = LAWS[body.__name__] = Law(body, group, compiles)
        return made

    return register


class Problem:
    """A function at its arguments, both as leaves: arguments `xs`, of which `active` are floats, and results `ys`."""

    def __init__(self, law: str, f: Callable, args: Sequence, tol: float | None = None, seed: int = 0):
        check_callable(f"law {law}", f)
        if tol is not None and not (isinstance(tol, (int, float)) and tol >= 0):
            raise ValueError(f"law {law}: tol must be a number that is not negative, got {tol!r}")
        self.law, self.f, self.name, self.tol, self.seed = law, f, name_of(f), tol, seed
        self.flat = self._flat()
        leaves, self.structure = tree.flatten(tuple(args))
        paths = [(k, *path) for k, x in enumerate(args) for path, _ in tree.flatten_with_path(x)[0]]
        self.xs = [leaf_array(x, f"law {law}", f, path) for x, path in zip(leaves, paths, strict=True)]
        self.active = [i for i, x in enumerate(self.xs) if dtypes.is_inexact(x.dtype)]
        self.out: Any = None

    # -- the function of leaves --

    def _flat(self) -> Callable[..., list]:
        """The leaves of f(*args), the arguments being given as leaves; what is said of it names `f`."""

        def flat(*leaves):
            leaves = [asarray(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in leaves]
            result, self.out = tree.flatten(self.f(*self.structure.unflatten(leaves)))
            return result

        flat.__name__ = flat.__qualname__ = self.name
        return flat

    def inexact(self, *leaves) -> list:
        """Those results that are floats."""
        ys = self.flat(*leaves)
        return [y for y, wanted in zip(ys, self.smooth, strict=True) if wanted]

    def varying(self, *floats) -> list:
        """The results that are floats, of the arguments that are."""
        return self.inexact(*self.merged(floats))

    def merged(self, floats: Sequence) -> list:
        """All leaves of the arguments, the floats among them replaced."""
        leaves = list(self.xs)
        for i, x in zip(self.active, floats, strict=True):
            leaves[i] = x
        return leaves

    @functools.cached_property
    def ys(self) -> list[np.ndarray]:
        """The results, computed once."""
        return arrays(self.flat(*self.xs))

    @functools.cached_property
    def smooth(self) -> list[bool]:
        """Which results are floats."""
        return [dtypes.is_inexact(y.dtype) for y in self.ys]

    @functools.cached_property
    def floats(self) -> list:
        """The arguments that are floats. Raises NotApplicableError if no argument or no result is."""
        if not self.active or not any(self.smooth):
            what = "takes no floats" if not self.active else "returns no floats"
            raise report.NotApplicableError(f"law {self.law}: `{self.name}` {what}, so nothing can be differentiated")
        return [self.xs[i] for i in self.active]

    def finite(self) -> None:
        """Raise NotFiniteError if a result is NaN or infinite."""
        for k, y in enumerate(self.ys):
            if dtypes.is_inexact(y.dtype) and not np.all(np.isfinite(y)):
                where = self.where(k)
                raise report.NotFiniteError(
                    f"law {self.law}: `{self.name}` is not finite at these arguments, {where} is {report.short(y)}; "
                    "choose arguments inside its domain", law=self.law, where=where)  # fmt: skip

    def rng(self, salt: int = 0) -> np.random.Generator:
        return np.random.default_rng((self.seed, salt))

    def tangents(self, salt: int = 1) -> list:
        """Random tangents of the arguments that are floats."""
        return directions(self.rng(salt), self.floats)

    def cotangents(self, salt: int = 2) -> list:
        """Random cotangents of the results that are floats."""
        return directions(self.rng(salt), [y for y, s in zip(self.ys, self.smooth, strict=True) if s])

    def with_floats(self) -> list[int]:
        """The numbers of the results that are floats."""
        return [k for k, s in enumerate(self.smooth) if s]

    # -- comparing --

    def where(self, k: int) -> str:
        return report.path_of(self.out, k) if self.out is not None and k < self.out.num_leaves else f"result {k}"

    def agree(self, what: str, got: Sequence, want: Sequence, bound: Callable[[], Bound | Any],
              names: Sequence[str] | None = None) -> None:  # fmt: skip
        """Two lists of arrays are equal up to a bound, which is only computed where they are not nearly equal.

        `names` says where each array stands; without it they are the results of the function.
        """
        got, want = arrays(got), arrays(want)
        if len(got) != len(want):
            self.fail(what, [("arrays", f"{len(got)} and {len(want)}")])
        made = None
        for k, (a, b) in enumerate(zip(got, want, strict=True)):
            where = names[k] if names is not None else self.where(k)
            if (a.dtype, a.shape) != (b.dtype, b.shape):
                types = [f"{dtypes.short(x.dtype)}[{','.join(map(str, x.shape))}]" for x in (a, b)]
                self.fail(what, [("where", where), ("got", types[0]), ("want", types[1])], where)
            apart = report.difference(a, b)
            if not np.any(apart > self._nearly(b)):
                continue
            made = bound() if made is None else made
            self._compare(what, where, a, b, apart, made.sizes[k], made)

    def _nearly(self, want) -> np.ndarray | float:
        """Four units in the last place, for which no bound need be computed; nothing where a tolerance is given."""
        if self.tol is not None or not dtypes.is_inexact(want.dtype):
            return 0.0
        size = np.abs(want.astype(np.complex128 if dtypes.is_complex(want.dtype) else np.float64))
        return 4 * float(dtypes.finfo(want.dtype).eps) * np.where(np.isfinite(size), size, 0.0)

    def _compare(self, what, where, a, b, apart, limit, bound) -> None:
        limit = np.broadcast_to(limit, apart.shape)
        if self.tol is None or not dtypes.is_inexact(b.dtype):
            if np.any(apart > limit):
                self._differ(what, where, a, b, apart, limit, bound.said(b.dtype))
            return
        size = np.nan_to_num(np.abs(b.astype(np.complex128)))
        asked = np.broadcast_to(self.tol * np.maximum(size, 1.0), apart.shape)
        if np.any(apart > np.maximum(asked, limit)):
            said = f"tol={self.tol:g} and {bound.said(b.dtype)}"
            self._differ(what, where, a, b, apart, np.maximum(asked, limit), said)
        if np.any(apart > asked):
            worst = float(np.max(np.where(apart > asked, limit, 0.0)))
            raise report.ToleranceError(
                f"law {self.law}: tol={self.tol:g} asks more of `{self.name}` than can be: {bound.said(b.dtype)} is up "
                f"to {worst:.2g} at {where}, where the two differ by {float(np.max(apart)):.2g}",
                law=self.law, where=where, apart=float(np.max(apart)), bound=worst)  # fmt: skip

    def _differ(self, what, where, a, b, apart, limit, said) -> None:
        i = np.unravel_index(int(np.argmax(np.where(apart > limit, apart, -1.0))), apart.shape) if apart.shape else ()
        at = where + (f"[{', '.join(map(str, i))}]" if i else "")
        size, most = float(apart[i]), float(limit[i])
        by = f"{size:.3g}, the bound is {most:.3g}: {said}"
        rows = [("where", at), ("got", report.short(a[i])), ("want", report.short(b[i])), ("apart", by)]
        self.fail(what, rows, at, size, most)

    def fail(self, what: str, rows: Sequence[tuple[str, str]], where: str = "", apart: float = 0.0,
             bound: float = 0.0) -> None:  # fmt: skip
        """Raise LawError; FlakyError if the function does not even agree with itself."""
        self.steady()
        program = report.program_text(self.f, self.graph())
        given = [("arguments", ", ".join([report.short(x) for x in self.xs])), ("seed", str(self.seed))]
        title = f"law `{self.law}` does not hold for `{self.name}`: {what}"
        raise report.LawError(report.block(title, [*rows, *given], program), law=self.law, where=where, apart=apart,
                              bound=bound, program=program)  # fmt: skip

    def steady(self) -> None:
        """Raise FlakyError if two calls with the same arguments differ."""
        for again in (arrays(self.flat(*self.xs)) for _ in range(_CALLS)):
            for k, (a, b) in enumerate(zip(self.ys, again, strict=False)):
                if a.dtype != b.dtype or a.shape != b.shape or np.any(report.difference(a, b) > 0):
                    raise report.FlakyError(
                        f"law {self.law}: `{self.name}` is not a function: two calls with the same arguments gave "
                        f"{report.short(a)} and {report.short(b)} at {self.where(k)}; pass what changes as an argument",
                        law=self.law, where=self.where(k))  # fmt: skip

    def graph(self) -> Any:
        """The graph of the function at its arguments, or None where it cannot be traced."""
        try:
            types = [typeof(x) for x in self.xs]
            return trace(self.flat, types, self.xs, transform=f"law {self.law}", name=self.name, concrete=True).graph
        except (TypeError, ValueError, ConcretizationError):
            return None


def arrays(ys: Sequence) -> list[np.ndarray]:
    """Results as NumPy arrays."""
    return [np.asarray(y._value) if hasattr(y, "_value") else np.asarray(asarray(y)._value) for y in ys]


def directions(rng: np.random.Generator, like: Sequence) -> list:
    """Random tangents or cotangents of these arrays."""
    made = []
    for x in like:
        t = rng.normal(size=np.shape(x))
        t = t + 1j * rng.normal(size=np.shape(x)) if dtypes.is_complex(x.dtype) else t
        made.append(asarray(np.asarray(t).astype(x.dtype)))
    return made


def pairing(cts: Sequence, ts: Sequence) -> float:
    """Re(sum(ct t)), without a conjugate, in double precision: what transposes keep."""
    wide = lambda x: np.asarray(x).astype(np.complex128)
    return float(sum([np.sum(wide(a) * wide(b)).real for a, b in zip(cts, ts, strict=True)]))


def together(*parts: Bound) -> Bound:
    """The bound of what is off by all of these at once."""
    sizes = [np.sum(group, axis=0) for group in zip(*[p.sizes for p in parts], strict=True)]
    return Bound(sizes, max([p.equations for p in parts]))


def bound_of(fun: Callable, leaves: Sequence, compiled: bool = False) -> Callable[[], Bound]:
    """The bound of two ways of computing `fun(*leaves)`, when it is needed."""
    return lambda: rounding(fun, leaves, compiled)
