"""Functions with derivatives and batching given by the user: custom_jvp, custom_vjp, custom_gradient, custom_vmap."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import tree
from functorch_lite.api.arguments import check_callable, leaf_array, name_of
from functorch_lite.api.forward import jvp
from functorch_lite.api.reverse import vjp
from functorch_lite.api.rules import Rules, apply
from functorch_lite.array import Array
from functorch_lite.prims.elementwise import add
from functorch_lite.trace import Tracer, at, current_frame

_GIVEN = ("defjvp", "defjvps", "defvjp", "def_vmap")


class _Custom:
    """A function and the rules it has so far."""

    def __init__(
        self, kind: str, fun: Callable, nondiff_argnums: Sequence[int] = (), nondiff_argnames: Sequence[str] = ()
    ):
        check_callable(kind, fun)
        self.kind, self.fun, self.__wrapped__ = kind, fun, fun
        try:
            self.signature: inspect.Signature | None = inspect.signature(fun)
        except (TypeError, ValueError):
            self.signature = None
        self.nondiff = self._positions(nondiff_argnums, nondiff_argnames)
        functools.update_wrapper(self, fun, updated=())

    def __getattr__(self, name: str) -> Any:
        if name in _GIVEN and isinstance(self.fun, _Custom):  # a function with rules of both kinds is given either
            return getattr(self.fun, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _positions(self, argnums, argnames) -> tuple[int, ...]:
        argnums = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        names = (argnames,) if isinstance(argnames, str) else tuple(argnames)
        known = list(self.signature.parameters) if self.signature else []
        for name in names:
            if name not in known:
                raise ValueError(f"{self.kind} of `{name_of(self.fun)}`: there is no argument {name!r}, at {at()}")
        return tuple(sorted({*argnums, *[known.index(n) for n in names]}))

    def __get__(self, instance, owner=None):
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<{self.kind} of `{name_of(self.fun)}`>"

    def _arguments(self, args, kwargs) -> tuple:
        """All arguments by position, with defaults filled in."""
        if self.signature is None:
            if kwargs:
                raise TypeError(f"{self.kind} of `{name_of(self.fun)}`, which has no signature, takes its arguments by "
                                f"position, got {', '.join(kwargs)} by keyword, at {at()}")  # fmt: skip
            return args
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.kind} of `{name_of(self.fun)}`: {error}, at {at()}") from None
        bound.apply_defaults()
        named = [name for name in bound.kwargs if name in kwargs]
        if named:
            raise TypeError(f"{self.kind} of `{name_of(self.fun)}` takes its arguments by position, got "
                            f"{', '.join(named)} by keyword only, at {at()}")  # fmt: skip
        return bound.args

    def _split(self, args) -> tuple[list, list, Callable]:
        """(arguments that are not differentiated, those that are, how to put them together again)."""
        for n in self.nondiff:
            if not -len(args) <= n < len(args):
                raise ValueError(f"{self.kind} of `{name_of(self.fun)}`: nondiff_argnums has {n}, but the call has "
                                 f"{len(args)} argument{'s' * (len(args) != 1)}, at {at()}")  # fmt: skip
        fixed = {n % len(args): args[n] for n in self.nondiff}

        def merge(rest):
            it = iter(rest)
            return [fixed[n] if n in fixed else next(it) for n in range(len(args))]

        varying = [self._arrays(n, a) for n, a in enumerate(args) if n not in fixed]
        return [fixed[n] for n in sorted(fixed)], varying, merge

    def _arrays(self, n, argument):
        leaves, structure = tree.flatten(argument)
        if all(type(x) is Array or isinstance(x, Tracer) for x in leaves):
            return argument
        paths = [path for path, _ in tree.flatten_with_path(argument)[0]]
        arrays = [leaf_array(x, self.kind, self.fun, (n, *p)) for x, p in zip(leaves, paths, strict=True)]
        return structure.unflatten(arrays)

    def __call__(self, *args, **kwargs) -> Any:
        fixed, rest, merge = self._split(self._arguments(args, kwargs))
        rules = self._rules(fixed, merge)
        if current_frame() is None:
            return self.fun(*merge(rest))  # nothing is differentiated or mapped here, so no rule is asked
        return apply(rules, lambda *rest: self.fun(*merge(rest)), tuple(rest))

    def _rules(self, fixed: Sequence, merge: Callable) -> Rules:
        """The rules, as functions of the arguments that are differentiated; AttributeError if they were not given."""
        return Rules(self.fun)

    def _missing(self, what: str):
        name = name_of(self.fun)
        return AttributeError(f"{self.kind} of `{name}` has no rule yet, at {at()}; give it one with `.{what}`")


class custom_jvp(_Custom):
    """A function whose derivative in forward mode is given; reverse mode follows from it.

    fun: of trees of arrays. `f.defjvp(rule)`: rule(primals, tangents) -> (result, tangent), after the arguments in
    `nondiff_argnums`, with the same trees, linear in the tangents. The rule may call `f`, capture arrays and tracers,
    and look at known values. Raises TypeError where the rule returns other trees, shapes or dtypes.
    """

    def __init__(self, fun: Callable, nondiff_argnums: Sequence[int] = (), nondiff_argnames: Sequence[str] = ()):
        super().__init__("custom_jvp", fun, nondiff_argnums, nondiff_argnames)
        self.jvp: Callable | None = None
        self.symbolic_zeros = False

    def defjvp(self, jvp: Callable, symbolic_zeros: bool = False) -> Callable:
        """Give the rule; usable as a decorator. With `symbolic_zeros`, zero tangents come as `SymbolicZero`."""
        check_callable("defjvp", jvp)
        self.jvp, self.symbolic_zeros = jvp, symbolic_zeros
        return jvp

    def defjvps(self, *jvps: Callable | None) -> None:
        """Give one rule per argument: (tangent, result, *primals) -> its part of the tangent; None for zero."""

        def rule(primals, tangents):
            result = self(*primals)
            parts = [f(t, result, *primals) for f, t in zip(jvps, tangents, strict=True) if f is not None]
            if not parts:
                return result, tree.map(lambda y: None, result)
            return result, functools.reduce(lambda a, b: tree.map(add, a, b), parts)

        if self.nondiff:
            raise TypeError(f"defjvps does not go with nondiff_argnums, at {at()}; use defjvp")
        self.jvp = rule

    def _rules(self, fixed: Sequence, merge: Callable) -> Rules:
        made, rule = super()._rules(fixed, merge), self.jvp
        if rule is None:
            raise self._missing("defjvp")
        made.jvp = lambda primals, tangents: rule(*fixed, tuple(primals), tuple(tangents))
        made.symbolic_zeros = self.symbolic_zeros
        return made


class custom_vjp(_Custom):
    """A function whose derivative in reverse mode is given.

    `f.defvjp(fwd, bwd)`: fwd takes the arguments of `fun` and returns (result, residuals); bwd takes the arguments in
    `nondiff_argnums`, the residuals and the cotangent of the result, and returns a tuple of cotangents, one per
    differentiated argument, None for zero. Forward mode transposes bwd, where that is linear in the cotangent; else it
    raises TypeError naming the operation that is not.
    """

    def __init__(self, fun: Callable, nondiff_argnums: Sequence[int] = (), nondiff_argnames: Sequence[str] = ()):
        super().__init__("custom_vjp", fun, nondiff_argnums, nondiff_argnames)
        self.fwd: Callable | None = None
        self.bwd: Callable | None = None
        self.symbolic_zeros = False

    def defvjp(self, fwd: Callable, bwd: Callable, symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Give the rules. With `symbolic_zeros`, fwd gets each leaf as (value, perturbed)."""
        check_callable("defvjp", fwd)
        check_callable("defvjp", bwd)
        self.fwd, self.bwd, self.symbolic_zeros = fwd, bwd, symbolic_zeros

    def _rules(self, fixed: Sequence, merge: Callable) -> Rules:
        made, fwd, bwd = super()._rules(fixed, merge), self.fwd, self.bwd
        if fwd is None or bwd is None:
            raise self._missing("defvjp")
        made.fwd = lambda *rest: fwd(*merge(rest))
        made.bwd = lambda residuals, ct: bwd(*fixed, residuals, ct)
        made.symbolic_zeros = self.symbolic_zeros
        return made


def custom_gradient(fun: Callable) -> Callable:
    """A function given as fun(*args) -> (result, f_vjp): f_vjp(ct) is the argument's cotangent, or a tuple of them."""
    check_callable("custom_gradient", fun)

    def primal(*args):
        return fun(*args)[0]

    def fwd(*args):
        result, f_vjp = fun(*args)
        return result, (tree.Partial(f_vjp) if not isinstance(f_vjp, tree.Partial) else f_vjp, ((),) * len(args))

    def bwd(residuals, ct):
        f_vjp, args = residuals  # of the arguments, only how many there are
        cts = f_vjp(ct)
        return cts if isinstance(cts, (tuple, list)) and len(cts) == len(args) else (cts,)

    functools.update_wrapper(primal, fun)
    wrapped = custom_vjp(primal)
    wrapped.defvjp(fwd, bwd)
    return wrapped


class custom_vmap(_Custom):
    """A function whose behaviour under vmap is given.

    `f.def_vmap(rule)`: rule(axis_size, in_batched, *args) -> (result, out_batched); `in_batched` and `out_batched` are
    trees of booleans like the arguments and the result; batched arrays have the mapped axis first.
    """

    def __init__(self, fun: Callable):
        super().__init__("custom_vmap", fun)
        self.vmap_rule: Callable | None = None

    def def_vmap(self, vmap_rule: Callable) -> Callable:
        """Give the rule; usable as a decorator."""
        check_callable("def_vmap", vmap_rule)
        self.vmap_rule = vmap_rule
        return vmap_rule

    def _rules(self, fixed: Sequence, merge: Callable) -> Rules:
        made = super()._rules(fixed, merge)
        if self.vmap_rule is None:
            raise self._missing("def_vmap")
        made.vmap = self.vmap_rule
        return made


class custom_rules(_Custom):
    """A function with any of a jvp, a vjp and a vmap rule; what has no rule is derived.

    jvp: as in `custom_jvp`; vjp: (fwd, bwd) as in `custom_vjp`; vmap: as in `custom_vmap`. Forward mode uses jvp, else
    the transpose of bwd; reverse mode uses the transpose of jvp where there is one, else vjp; with neither, the
    function itself is differentiated.
    """

    def __init__(
        self, fun: Callable, *, jvp: Callable | None = None, vjp: tuple[Callable, Callable] | None = None,
        vmap: Callable | None = None,
    ):  # fmt: skip
        super().__init__("custom_rules", fun)
        self.jvp, self.vjp, self.vmap = jvp, vjp, vmap

    def _rules(self, fixed: Sequence, merge: Callable) -> Rules:
        made = super()._rules(fixed, merge)
        made.jvp, made.vmap = self.jvp, self.vmap
        if self.vjp is not None:
            made.fwd, made.bwd = self.vjp
        return made


def check_rules(fun: _Custom, *args, tol: float = 1e-4) -> None:
    """Check that the derivative rules of a custom function agree with its own derivative at `args`.

    args: trees of floats. Compares the derivative along fixed directions. Raises AssertionError naming what differs.
    """
    found, structure = tree.flatten(args)
    leaves = [leaf_array(x, "check_rules", fun.fun, (i,)) for i, x in enumerate(found)]
    args = structure.unflatten(leaves)
    rng = np.random.default_rng(0)
    draw = lambda x: rng.standard_normal(np.shape(x)).astype(np.asarray(x).dtype)
    tangents = structure.unflatten([draw(x) for x in leaves])
    want = jvp(fun.fun, args, tangents)
    if isinstance(fun, custom_vjp) or getattr(fun, "vjp", None):
        result, pullback = vjp(fun, *args)
        cts = tree.map(draw, result)
        plain, other = vjp(fun.fun, *args)
        pairs = (("result", result, plain), ("cotangent", pullback(cts), other(cts)))
    else:
        got = jvp(fun, args, tangents)
        pairs = (("result", got[0], want[0]), ("tangent", got[1], want[1]))
    for what, got, expected in pairs:
        for a, b in zip(tree.leaves(got), tree.leaves(expected), strict=True):
            if not np.allclose(a, b, rtol=tol, atol=tol):
                raise AssertionError(f"the rule of `{name_of(fun.fun)}` gives the {what} {np.asarray(a)}, the function "
                                     f"itself {np.asarray(b)}, at {at()}")  # fmt: skip

