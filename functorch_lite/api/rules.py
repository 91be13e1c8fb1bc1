"""Rules as tokens: how the functions a user gives as derivatives or batching of a function are traced and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import Outputs, describe, float0_zeros, is_array, name_of, tangent_dtype
from functorch_lite.control.custom import captured_error, custom_p, tangents_too, with_jvp_p, with_vjp_p, with_vmap_p
from functorch_lite.errors import LeakedTracerError, ShapeError
from functorch_lite.ir import ArrayType, Eqn, Graph, array_type, intern
from functorch_lite.prims.elementwise import convert
from functorch_lite.prims.shape import batch, reduce_sum, zeros_like
from functorch_lite.prims.slicing import pad
from functorch_lite.trace import Frame, Tracer, at, bind, inline, this_frame, trace, typeof
from functorch_lite.transforms.close import Derivative, Mapping, Rule, close_graph
from functorch_lite.transforms.common import pick, spread
from functorch_lite.transforms.vmap import vmap as vmap_pass


class SymbolicZero:
    """A tangent or cotangent that is known to be zero; what rules with `symbolic_zeros=True` get in its place."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype):
        self.shape, self.dtype = shape, dtype

    def __repr__(self) -> str:
        return f"SymbolicZero({dtypes.short(self.dtype)}{list(self.shape)})"


class CustomVJPPrimal(NamedTuple):
    """An argument of a forward rule with `symbolic_zeros=True`: its value, and whether it is differentiated."""

    value: Any
    perturbed: bool


def custom_vjp_primal_tree_values(tree_: Any) -> Any:
    """The values in a tree of `CustomVJPPrimal`."""
    is_primal = lambda x: isinstance(x, CustomVJPPrimal)
    return tree.map(lambda x: x.value if is_primal(x) else x, tree_, is_leaf=is_primal)


def zero_from_primal(val: Any, symbolic_zeros: bool = False) -> Any:
    """The tangent of an array that is zero: an array, float0 where it is an integer, or a `SymbolicZero`."""
    t = typeof(val)
    dtype = tangent_dtype(t)
    if symbolic_zeros:
        return SymbolicZero(t.shape, dtype)
    return float0_zeros(t.shape) if dtype == dtypes.float0 else zeros_like(t)


class Rules:
    """What a user has said of a function: any of its rules, and how its arguments are laid out in one call."""

    __slots__ = ("bwd", "fun", "fwd", "in_structure", "jvp", "name", "out_structure", "symbolic_zeros", "vmap")

    def __init__(self, fun: Callable):
        self.fun, self.name = fun, name_of(fun)
        self.jvp: Callable | None = None
        self.fwd: Callable | None = None
        self.bwd: Callable | None = None
        self.vmap: Callable | None = None
        self.symbolic_zeros = False
        self.in_structure = self.out_structure = None  # of the differentiated arguments, a tuple; and of the result


class UserRule(Rule):
    """The rules of one call of a function."""

    __slots__ = ("captured", "out_types", "rules", "tracers")

    def __init__(self, rules: Rules, captured: int, tracers: Sequence, out_types: Sequence[ArrayType]):
        self.rules, self.out_types = rules, out_types
        self.captured = captured  # how many leading operands the function captured
        self.tracers = tracers  # those that are tracers, each with its position

    def after(self, count: int) -> UserRule:
        tracers = [(i + count, x) for i, x in self.tracers]
        return UserRule(self.rules, self.captured + count, tracers, self.out_types)

    def stand_in(self, tracers: Sequence[Tracer]) -> None:
        """In the frame of a rule, let these stand for what the function captured in a trace that has ended."""
        this_frame().stand_ins = {(id(x.frame), x.number): tracers[i] for i, x in self.tracers}

    def __repr__(self) -> str:
        return f"<rules of `{self.rules.name}`>"

    maps = property(lambda self: self.rules.vmap is not None)

    def mapped(self, size, batched, out_batched, axis) -> Rule:
        return MappedRule(self, size, batched, out_batched, axis)

    def pushed(self, active, results) -> Rule:
        return PushedRule(self, active, results)

    def close(self, kind, frame, eqn, reached) -> Eqn:
        if isinstance(kind, Mapping):
            return close_mapping(self, kind, frame, eqn, reached) if self.maps else eqn
        if self.rules.jvp is None and self.rules.fwd is None:
            return eqn
        return close_derivative(self, frame, eqn, reached)

    # -- forward mode --

    def trace_jvp(self, types, values, reached) -> tuple[Graph, tuple[bool, ...], list]:
        """(captured..., operands..., tangents of active operands) -> (results, tangents of float results); which
        operands are active, counting what the rule captured as inactive; what it captured."""
        rules, n = self.rules, len(types)
        active = self._active(types, reached)
        tangent_types = [t.strong() for t, a in zip(types, active, strict=True) if a]

        def flat(*tracers):
            self.stand_in(tracers)
            xs = tracers[self.captured : n]
            ts = _tangents(xs, active[self.captured :], tracers[n:], rules.symbolic_zeros)
            given = [rules.in_structure.unflatten(v) for v in (xs, ts)]
            assert rules.jvp is not None
            made = rules.jvp(*given)
            if not (isinstance(made, (tuple, list)) and len(made) == 2):
                raise TypeError(f"the jvp rule of `{rules.name}` must return a pair (result, tangent), got "
                                f"{describe(made)}, at {at()}")  # fmt: skip
            ys = self._results(made[0], "the jvp rule")
            return [*ys, *_tangent_leaves(made[1], ys, rules)]

        graph, captured = _trace_rule(flat, types, values, tangent_types, f"the jvp rule of `{rules.name}`")
        return graph, (*[False] * len(captured), *active), captured

    def _results(self, value, which: str) -> list:
        """The results that a rule returned, which must be of the types of the function's."""
        what, ys = f"{which} of `{self.rules.name}`", _leaves(value, self.rules, which)
        for y, t in zip(ys, self.out_types, strict=True):
            if typeof(y).shape != t.shape:
                raise ShapeError(f"{what} returned {typeof(y)} for a result {t}, at {at()}; shapes must agree")
        return [_convert(y, t.dtype, what, t) for y, t in zip(ys, self.out_types, strict=True)]

    def _active(self, types, reached) -> tuple[bool, ...]:
        """Which operands get a tangent: all floats, so that the rule serves every transform; with symbolic zeros, only
        those that may have one."""
        flags = [dtypes.is_inexact(t.dtype) and i >= self.captured for i, t in enumerate(types)]
        return tuple([f and (r or not self.rules.symbolic_zeros) for f, r in zip(flags, reached, strict=True)])

    # -- reverse mode --

    def trace_vjp(self, types, values, reached, used) -> tuple[Graph, Graph, tuple[bool, ...], list]:
        """fwd: (captured..., operands...) -> (results..., residuals...); bwd: (residuals..., cts of float results) ->
        (cts of active operands); which operands are active; what the rules captured. used: with symbolic zeros,
        whether each result is."""
        rules, n = self.rules, len(types)
        active = self._active(types, reached)
        found: list[Graph] = []

        def flat(*tracers):
            self.stand_in(tracers)
            xs = tracers[self.captured : n]
            if rules.symbolic_zeros:
                xs = [CustomVJPPrimal(x, a) for x, a in zip(xs, active[self.captured :], strict=True)]
            assert rules.fwd is not None
            made = rules.fwd(*rules.in_structure.unflatten(xs))
            if not (isinstance(made, (tuple, list)) and len(made) == 2):
                raise TypeError(f"the fwd rule of `{rules.name}` must return a pair (result, residuals), got "
                                f"{describe(made)}, at {at()}")  # fmt: skip
            ys = self._results(made[0], "the fwd rule")
            residuals, structure = tree.flatten(made[1])
            arrays = [x for x in residuals if is_array(x)]
            given = types[self.captured :], active[self.captured :], used
            bwd, captured = self._trace_bwd(arrays, residuals, structure, ys, *given)
            found.append(bwd)
            return [*ys, *captured, *arrays]

        graph, captured = _trace_rule(flat, types, values, [], f"the fwd rule of `{rules.name}`")
        return graph, found[0], (*[False] * len(captured), *active), captured

    def _trace_bwd(self, arrays, residuals, structure, ys, x_types, active, used):
        rules = self.rules
        in_types = [typeof(x) for x in arrays]
        y_types = [typeof(y) for y in ys]
        ct_types = [t.strong() for t in y_types if dtypes.is_inexact(t.dtype)]

        def flat(*tracers):
            it, cts = iter(tracers[: len(arrays)]), iter(tracers[len(arrays) :])
            given = structure.unflatten([next(it) if is_array(x) else x for x in residuals])
            full = [next(cts) if dtypes.is_inexact(t.dtype) else float0_zeros(t.shape) for t in y_types]
            if rules.symbolic_zeros:
                full = [x if u else SymbolicZero(t.shape, x.dtype) for x, u, t in zip(full, used, y_types, strict=True)]
            assert rules.bwd is not None
            made = rules.bwd(given, rules.out_structure.unflatten(full))
            return self._checked_cts(made, x_types, active)

        values = [x if isinstance(x, Tracer) else None for x in arrays]
        return _trace_rule(flat, in_types, values, ct_types, f"the bwd rule of `{rules.name}`")

    def _checked_cts(self, made, x_types, active) -> list:
        """The cotangents that a backward rule returned, one per active operand; None stands for zeros."""
        rules = self.rules
        what = f"the bwd rule of `{rules.name}`"
        n = len(rules.in_structure.children())
        if not isinstance(made, (tuple, list)) or len(made) != n:
            got = f"{len(made)} of them" if isinstance(made, (tuple, list)) else describe(made)
            raise TypeError(f"{what} must return a tuple of {n} cotangent{'s' * (n != 1)}, one per argument, got "
                            f"{got}, at {at()}")  # fmt: skip
        leaves: list[Any] = []
        for k, (ct, child) in enumerate(zip(made, rules.in_structure.children(), strict=True)):
            wanted = f"{what} must return for argument {k} a cotangent with the tree of the argument"
            leaves.extend(_placed(ct, child, wanted))
        out = []
        for ct, t, a in zip(leaves, x_types, active, strict=True):
            if not a:
                continue
            if ct is None or (isinstance(ct, SymbolicZero) and ct.shape == t.shape):
                ct = zeros_like(t)
            got = array_type(ct.shape, ct.dtype) if isinstance(ct, SymbolicZero) else typeof(ct)
            if got.shape != t.shape:
                raise ValueError(f"{what} returned a cotangent {got} for an argument {t}, at {at()}; shapes must agree")
            out.append(_convert(ct, t.dtype, what, t))
        return out

    # -- vmap --

    def trace_vmap(self, kind, rows, reached, out_types) -> tuple[Graph, tuple[bool, ...], list]:
        """(captured..., operands...) -> results; which results are batched; what the rule captured. rows: the types of
        the operands for one row, of which those `reached` are batched."""
        rules = self.rules
        reached = (*[False] * self.captured, *reached[self.captured :])
        types = [_batched_type(t, kind) if b else t for t, b in zip(rows, reached, strict=True)]
        masks: list[tuple] = []

        def flat(*tracers):
            xs = rules.in_structure.unflatten(tracers[self.captured :])
            in_batched = rules.in_structure.unflatten(list(reached[self.captured :]))
            assert rules.vmap is not None
            made = rules.vmap(kind.size, list(in_batched), *xs)
            if not (isinstance(made, (tuple, list)) and len(made) == 2):
                raise TypeError(f"the vmap rule of `{rules.name}` must return a pair (result, which leaves are "
                                f"batched), got {describe(made)}, at {at()}")  # fmt: skip
            ys = _leaves(made[0], rules, "the vmap rule")
            masks.append(tuple(map(bool, tree.broadcast_prefix(made[1], made[0], who="vmap rule"))))
            for y, m, t in zip(ys, masks[0], out_types, strict=True):
                want = (kind.size, *t.shape) if m else t.shape
                if typeof(y).shape != want:
                    raise ValueError(f"the vmap rule of `{rules.name}` returned {typeof(y)} for a result {t} that is "
                                     f"{'' if m else 'not '}batched, at {at()}; its shape must be {want}")  # fmt: skip
            return ys

        mapped, captured = _trace_rule(flat, types, [None] * len(types), [], f"the vmap rule of `{rules.name}`")
        return mapped, masks[0], captured


def close_mapping(rule: UserRule | PushedRule, kind: Mapping, frame: Frame, eqn: Eqn, reached: Sequence[bool]) -> Eqn:
    """The equation of a function that has a vmap rule, with the rule traced."""
    graph = dict(eqn.params)["graph"]
    mapped, mask, captured = rule.trace_vmap(kind, [frame.types[a] for a in eqn.ins], reached, graph.out_types)
    extras = tuple([_operand(frame, x, eqn) for x in captured])
    new = {"graph": graph, "mapped": intern(mapped), "out_batched": mask, "extras": len(extras)}
    return Eqn(with_vmap_p, (*extras, *eqn.ins), (*new.items(), ("name", rule.rules.name)), eqn.outs)


def close_derivative(rule: UserRule | MappedRule, frame: Frame, eqn: Eqn, reached: tuple[bool, ...]) -> Eqn:
    """The equation of a function that has a derivative rule, with the rule traced."""
    try:
        return _closed(rule, frame, eqn, reached)
    except LeakedTracerError:  # the rule may use what the function captured, in a function that has returned
        for a, r in zip(eqn.ins[: rule.captured], reached, strict=False):
            if r:
                raise captured_error(rule.rules.name, frame.types[a]) from None
        raise


def _closed(rule, frame, eqn, reached) -> Eqn:
    params, name = dict(eqn.params), rule.rules.name
    types = [frame.types[a] for a in eqn.ins]
    values = [Tracer(frame, a) for a in eqn.ins]
    if rule.rules.jvp is not None:
        jvp, active, captured = rule.trace_jvp(types, values, reached)
        prim, made = with_jvp_p, {"graph": params["graph"], "jvp": intern(jvp)}
    else:
        used = _used(frame, eqn) if rule.rules.symbolic_zeros else ()
        fwd, bwd, active, captured = rule.trace_vjp(types, values, reached, used)
        prim, made = with_vjp_p, {"graph": params["graph"], "fwd": intern(fwd), "bwd": intern(bwd)}
    extras = tuple([_operand(frame, x, eqn) for x in captured])
    made |= {"active": active, "extras": len(extras), "name": name}
    return Eqn(prim, (*extras, *eqn.ins), tuple(made.items()), eqn.outs)


def _used(frame: Frame, eqn: Eqn) -> list[bool]:
    """Which results of an equation the results of the frame depend on by way of floats: others have no cotangents."""
    types, found = frame.types, set(frame.outs)
    for later in reversed(frame.eqns[frame.definition[eqn.outs[0]] + 1 :] if eqn.outs else []):
        if not found.isdisjoint(later.outs):
            found.update([a for a in later.ins if type(a) is int and dtypes.is_inexact(types[a].dtype)])
    return [o in found and dtypes.is_inexact(types[o].dtype) for o in eqn.outs]


class MappedRule(Rule):
    """The rules of a function under vmap: those of one row, traced and mapped."""

    __slots__ = ("axis", "batched", "inner", "out_batched", "size")

    def __init__(self, inner, size, batched, out_batched, axis):
        self.inner, self.size, self.batched, self.out_batched, self.axis = inner, size, batched, out_batched, axis

    rules = property(lambda self: self.inner.rules)
    captured = property(lambda self: self.inner.captured)

    def mapped(self, size, batched, out_batched, axis) -> Rule:
        return MappedRule(self, size, batched, out_batched, axis)

    def after(self, count: int) -> Rule:
        batched = (*[False] * count, *self.batched)
        return MappedRule(self.inner.after(count), self.size, batched, self.out_batched, self.axis)

    def close(self, kind, frame, eqn, reached) -> Eqn:
        if isinstance(kind, Mapping) or (self.rules.jvp is None and self.rules.fwd is None):
            return eqn
        return close_derivative(self, frame, eqn, reached)

    def trace_jvp(self, types, values, reached) -> tuple[Graph, tuple[bool, ...], list]:
        """The rule of one row, mapped: as `UserRule.trace_jvp`; a tangent is batched as its result is."""
        jvp, active, captured = self.inner.trace_jvp(self._rows(types), [None] * len(types), reached)
        k, floats = len(captured), self._floats(jvp)
        tangents = pick(self.batched, active[k:])
        want = (*self.out_batched, *pick(self.out_batched, floats))
        jvp, more = self._mapped(jvp, (*[False] * k, *self.batched, *tangents), want)
        return jvp, (*[False] * len(more), *active), [*more, *captured]

    def trace_vjp(self, types, values, reached, used) -> tuple[Graph, Graph, tuple[bool, ...], list]:
        fwd, bwd, active, captured = self.inner.trace_vjp(self._rows(types), [None] * len(types), reached, used)
        k, residuals = len(captured), len(fwd.out_types) - len(self.out_batched)
        y_batched = pick(self.out_batched, self._floats(fwd))
        fwd, more = self._mapped(fwd, (*[False] * k, *self.batched), (*self.out_batched, *[True] * residuals))
        bwd = self._mapped_bwd(bwd, (*[True] * residuals, *y_batched), pick(self.batched, active[k:]))
        return fwd, bwd, (*[False] * len(more), *active), [*more, *captured]

    def _rows(self, types) -> list[ArrayType]:
        return [_row_type(t) if b else t for t, b in zip(types, self.batched, strict=True)]

    def _floats(self, rule: Graph) -> list[bool]:
        """Which results, the first ones of the rule's graph, are floats."""
        return [dtypes.is_inexact(t.dtype) for t in rule.out_types[: len(self.out_batched)]]

    def _rows_mapped(self, graph, batched) -> tuple[Graph, tuple[bool, ...], list]:
        """`vmap` of a rule, with what the vmap rules of functions that it calls captured as leading inputs."""
        more = []
        if graph.open:
            graph, more = close_graph(graph, Mapping(self.size, self.axis), this_frame(), batched)
        return (*vmap_pass(graph, self.size, (*[False] * len(more), *batched), self.axis), more)

    def _mapped(self, graph, batched, want) -> tuple[Graph, list]:
        """`vmap` of a rule with results batched as `want` says, where they can be; and what more it captured."""
        new, mask, more = self._rows_mapped(graph, batched)

        def body(*xs):
            outs = inline(new, xs)
            made = []
            for x, b, w in zip(outs, mask, want, strict=True):
                if b and not w:
                    raise TypeError(f"a rule of `{self.rules.name}` made a result that differs between the rows of "
                                    f"`vmap`, where that of the function does not, at {at()}")  # fmt: skip
                made.append(batch(x, self.size) if w and not b else x)
            return made

        return trace(body, new.in_types, transform="vmap").graph, more

    def _mapped_bwd(self, bwd, batched, want):
        """The backward rule mapped. The cotangent of an operand that was not batched is summed over the rows; that of
        a result that was not is given to the first row alone, so that it counts once."""
        new, mask, more = self._rows_mapped(bwd, (True,) * len(batched))
        if more:
            raise TypeError(f"a function called by the bwd rule of `{self.rules.name}` has a vmap rule, which captured "
                            f"{typeof(more[0])}, at {at()}; pass it as an argument")  # fmt: skip

        def body(*xs):
            given = [x if b else pad(batch(x, 1), 0, ((0, self.size - 1, 0), *[(0, 0, 0)] * x.ndim))
                     for x, b in zip(xs, batched, strict=True)]  # fmt: skip
            made = []
            for x, b, w in zip(inline(new, given), mask, want, strict=True):
                x = x if b else batch(x, self.size)
                made.append(x if w else reduce_sum(x, (0,)))
            return made

        types = [t if b else _row_type(t) for t, b in zip(new.in_types, batched, strict=True)]
        return trace(body, types, transform="vmap").graph


class PushedRule(UserRule):
    """The vmap rule of a function with its tangents: the vmap rule of the function, differentiated."""

    __slots__ = ("active", "inner", "results")

    def __init__(self, inner: UserRule, active: tuple[bool, ...], results: int):
        self.inner, self.results = inner, results
        self.active = active  # which operands have a tangent

    rules = property(lambda self: self.inner.rules)
    captured = property(lambda self: self.inner.captured)

    def after(self, count: int) -> UserRule:
        return PushedRule(self.inner.after(count), (*[False] * count, *self.active), self.results)

    def close(self, kind, frame, eqn, reached) -> Eqn:
        return close_mapping(self, kind, frame, eqn, reached) if isinstance(kind, Mapping) else eqn

    def trace_vmap(self, kind, rows, reached, out_types) -> tuple[Graph, tuple[bool, ...], list]:
        """As of a function; the rule is told that an argument is batched if it is so together with its tangent. If
        none is, the rule is that of one row, mapped; if only some are, the others are made so."""
        n = len(self.active)
        batched, tangents = reached[:n], spread(reached[n:], self.active)
        both = tuple([b and t is not False for b, t in zip(batched, tangents, strict=True)])
        if any(reached) and not any(both):
            graph, mask, captured = self._differentiated(kind, rows, both, out_types)
            if not any(mask):
                return self._of_rows(graph, kind, (*[False] * len(captured), *reached), captured)
        either = tuple([b or bool(t) for b, t in zip(batched, tangents, strict=True)])
        return self._differentiated(kind, rows, either, out_types)

    def _differentiated(self, kind, rows, batched, out_types):
        """The rule for these batched arguments, with tangents."""
        n = len(self.active)
        out_types = out_types[: self.results]
        graph, mask, captured = self.inner.trace_vmap(kind, rows[:n], batched, out_types)
        if graph.open:
            active = (*[False] * len(captured), *self.active)
            graph, more = close_graph(graph, Derivative(), this_frame(), active)
            captured = [*more, *captured]
        made = tangents_too(graph, (*[False] * len(captured), *self.active))
        floats = [dtypes.is_inexact(t.dtype) for t in out_types]
        return made, (*mask, *pick(mask, floats)), captured

    def _of_rows(self, graph, kind, batched, captured):
        """A rule of one row for all rows."""
        if graph.open:
            graph, more = close_graph(graph, kind, this_frame(), batched)
            batched, captured = (*[False] * len(more), *batched), [*more, *captured]
        return (*vmap_pass(graph, kind.size, batched, kind.axis), captured)


# ---- helpers ----


def _trace_rule(flat, types, values, more_types: Sequence[ArrayType], what: str) -> tuple[Graph, list]:
    """Trace a rule; it may look at the values of its first arguments where they are known."""
    given = [*values, *[None] * len(more_types)]
    return trace(flat, [*types, *more_types], given, transform=what, name=what, concrete=True)


def _operand(frame: Frame, x: Any, eqn: Eqn) -> int:
    """What a rule captured, as an operand of its equation. Raises if it is computed later than the call."""
    number = frame.atom(x)
    if frame.definition[number] >= 0 and eqn.outs and number >= eqn.outs[0]:
        raise TypeError(f"a rule captured {frame.types[number]}, which is computed after the call it belongs to, "
                        f"at {at()}")  # fmt: skip
    return number


def _tangents(xs, active, given, symbolic) -> list:
    """The tangents as a rule sees them: float0 for integers, zeros (symbolic ones on request) where there is none."""
    it = iter(given)
    return [next(it) if a else zero_from_primal(x, symbolic) for x, a in zip(xs, active, strict=True)]


def _leaves(value, rules: Rules, which: str) -> list:
    """The leaves of a result of a rule, whose tree must be that of the function's result."""
    _, structure = tree.flatten(value)
    if structure != rules.out_structure:
        raise TypeError(f"{which} of `{rules.name}` must return a result with the tree of the function's, "
                        f"{rules.out_structure}, got {structure}, at {at()}")  # fmt: skip
    return Outputs(which, rules.fun, value).traced


def _is_zero(x) -> bool:
    """Whether a rule returned this for a tangent or cotangent that is zero, maybe of a whole tree."""
    return x is None or isinstance(x, SymbolicZero)


def _placed(value, structure, wanted: str) -> list:
    """The tangents or cotangents in `value`, one per leaf of `structure`. Raises TypeError if its tree is another."""
    found, given = tree.flatten(value, is_leaf=_is_zero)
    leaves: list[Any] = []
    if tree.difference(given, structure) is None:
        parts = _below(given, structure)
        if all(_is_zero(x) or part == _LEAF for x, part in zip(found, parts, strict=True)):
            for x, part in zip(found, parts, strict=True):
                leaves.extend([x] * part.num_leaves)
            return leaves
    raise TypeError(f"{wanted}, {structure}, got {given}, at {at()}")


_LEAF = tree.structure(0)


def _below(prefix, full) -> list:
    """The parts of a tree structure that stand where another one, which fits, has leaves."""
    if prefix.node_data() is None:
        return [full]
    return [part for a, b in zip(prefix.children(), full.children(), strict=True) for part in _below(a, b)]


def _tangent_leaves(value, ys, rules: Rules) -> list:
    """The tangents of float results that a jvp rule returned, checked; a symbolic zero or None becomes zeros."""
    what = f"the jvp rule of `{rules.name}`"
    leaves = _placed(value, rules.out_structure, f"{what} must return a tangent with the tree of the result")
    made = []
    for t, y in zip(leaves, ys, strict=True):
        like = typeof(y)
        if not dtypes.is_inexact(like.dtype):
            continue
        if _is_zero(t):
            t = zeros_like(like)
        if typeof(t).shape != like.shape:
            raise TypeError(f"{what} returned a tangent {typeof(t)} for a result {like}, at {at()}; shapes must agree")
        made.append(_convert(t, like.dtype, what, like))
    return made


def _convert(x, dtype, what, like):
    got = typeof(x)
    if got.dtype == dtype:
        return x
    if got.weak or like.weak or dtypes.promote((got.dtype, dtype), (False, False))[0] == dtype:
        return convert(x, dtype)
    raise TypeError(f"{what} returned {got} for {like}, at {at()}; dtypes must agree")


def _batched_type(t: ArrayType, kind: Mapping) -> ArrayType:
    """All rows of a value together, which do not vary over the mapped axis any more."""
    return array_type((kind.size, *t.shape), t.dtype, t.weak, tuple([a for a in t.vary if a != kind.axis]))


def _row_type(t: ArrayType) -> ArrayType:
    return array_type(t.shape[1:], t.dtype, t.weak, t.vary)


def apply(rules: Rules, fun: Callable, args: tuple) -> Any:
    """Call a function with rules on its differentiated arguments, as one equation."""
    leaves, rules.in_structure = tree.flatten(args)
    out: list[Outputs] = []

    def flat(*tracers):
        out.append(Outputs(rules.name, fun, fun(*rules.in_structure.unflatten(tracers))))
        return out[-1].traced

    types = [typeof(x) for x in leaves]
    graph, captured = trace(flat, types, leaves, transform="custom rules", name=rules.name, concrete=True, later=True)
    rules.out_structure = out[-1].structure
    tracers = [(i, x) for i, x in enumerate(captured) if isinstance(x, Tracer)]
    rule = UserRule(rules, len(captured), tracers, graph.out_types)
    values = bind(custom_p, *captured, *leaves, graph=intern(graph), rule=rule, name=rules.name)
    return out[-1].build(values)

