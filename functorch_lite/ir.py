"""The program representation: numbered values, flat equations, plain tuples.

A `Graph` holds no arrays and no functions, so two traces of one program are equal and hash alike: every pass, and
compilation, is a cached function of it. Types, literals and nested graphs are interned: they compare by identity.
"""

from __future__ import annotations

import functools
import math
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from functorch_lite import dtypes
from functorch_lite.singles import singles


class _Interned:
    """A table `key -> object` that keeps no object alive; one object per key, so identity is equality."""

    def __init__(self):
        self.refs: dict[Any, weakref.ref] = {}

    def get(self, key):
        ref = self.refs.get(key)
        return ref() if ref is not None else None

    def put(self, key, value):
        refs = self.refs

        def forget(ref):
            if refs.get(key) is ref:
                del refs[key]

        refs[key] = weakref.ref(value, forget)
        return value

    def __len__(self):
        return len(self.refs)


class ArrayType:
    """The static half of an array: what a trace may depend on.

    `weak` types come from Python scalars and yield in promotion; `vary` is the sorted tuple of named axes along which
    the value differs; `literal` marks the type of a `Lit` operand, whose shape is that of its neighbours.
    """

    __slots__ = ("__weakref__", "dtype", "literal", "ndim", "shape", "size", "vary", "weak")
    weak_type = True  # what jaxlib reads when a type is its aval: keeps its own cache apart from the one jax uses

    def __str__(self) -> str:
        vary = f"{{{','.join(self.vary)}}}" if self.vary else ""
        return f"{dtypes.short(self.dtype)}[{','.join(map(str, self.shape))}]{vary}"

    def __repr__(self) -> str:
        return f"{self}{'~' if self.weak else ''}"

    def __reduce__(self):
        return _array_type, (self.shape, self.dtype, self.weak, self.vary, self.literal)

    def with_shape(self, shape) -> ArrayType:
        return array_type(tuple(shape), self.dtype, self.weak, self.vary)

    def with_dtype(self, dtype, weak=False) -> ArrayType:
        return array_type(self.shape, dtype, weak, self.vary)

    def varying(self, vary: tuple[str, ...]) -> ArrayType:
        return array_type(self.shape, self.dtype, self.weak, vary) if vary != self.vary else self

    def strong(self) -> ArrayType:
        return array_type(self.shape, self.dtype, False, self.vary) if self.weak else self


_types, _literals, _graphs = _Interned(), _Interned(), _Interned()
_recent_types: deque = deque(maxlen=4096)  # held, as a type that nobody holds is made anew each time


def _array_type(shape, dtype, weak, vary, literal) -> ArrayType:
    key = (shape, dtype, weak, vary, literal)
    known = _types.get(key)
    if known is not None:
        return known
    self = object.__new__(ArrayType)
    self.shape, self.dtype, self.weak, self.vary, self.literal = shape, dtype, weak, vary, literal
    self.ndim, self.size = len(shape), math.prod(shape)
    _recent_types.append(self)
    return _types.put(key, self)


def array_type(shape: tuple[int, ...], dtype: np.dtype, weak: bool = False, vary: tuple[str, ...] = ()) -> ArrayType:
    """The one `ArrayType` of a shape and a dtype."""
    return _array_type(shape, dtype, weak, vary, False)


@final
class Lit:
    """A scalar literal: a typed operand that takes the shape of the operands beside it.

    `text` keeps -0.0 apart from 0.0, and True from 1, which `==` does not.
    """

    __slots__ = ("__weakref__", "text", "type", "value")

    def __repr__(self) -> str:
        return self.text

    @property
    def dtype(self) -> np.dtype:
        return self.type.dtype

    def __reduce__(self):
        return literal, (self.value, self.dtype)


_PYTHON = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def literal(value: Any, dtype: np.dtype) -> Lit:
    """The one `Lit` of a Python scalar in a dtype. Raises TypeError or OverflowError where the value does not fit."""
    quick = (value, type(value), dtype)
    found = _recent.get(quick)
    if found is not None:
        return found
    made = _literal(value, dtype)
    if value and type(value) is not complex:  # -0.0 == 0.0, and so do complex numbers with zero parts
        if len(_recent) > 4096:
            _recent.clear()
        _recent[quick] = made
    return made


_recent: dict[Any, Lit] = {}


def _literal(value: Any, dtype: np.dtype) -> Lit:
    kind = dtypes.kind(dtype)
    if type(value) is not _PYTHON[kind]:
        value = _converted(value, kind, dtype)
    text = repr(value)
    key = (text, dtype)
    known = _literals.get(key)
    if known is not None:
        return known
    if kind in "iu":
        info = dtypes.iinfo(dtype)
        if not info.min <= value <= info.max:
            raise OverflowError(f"{value} does not fit {dtypes.short(dtype)}, which holds {info.min} to {info.max}")
    self = object.__new__(Lit)
    self.value, self.text, self.type = value, text, _array_type((), dtype, True, (), True)
    return _literals.put(key, self)


def _converted(value, kind, dtype):
    made = _PYTHON[kind](value) if kind == "c" or not isinstance(value, complex) else value
    if kind != "b" and not (made == value or value != value):
        raise TypeError(f"{value!r} is no value of {dtypes.short(dtype)}; convert one of the operands")
    return made


class Primitive:
    """One operation, with every mathematical rule that defines it.

    name     the word printed in graphs
    params   the names of its static parameters, in the order in which they are stored and printed
    infer    (*types, **params) -> type; with `many`, a sequence of types
    jvp      per operand, None (its tangent never matters) or (t, y, *xs, **params) -> its part of the tangent; or one
             function (ts, y, *xs, **params) -> the tangent or None, where the parts are better formed together;
             with `many`, one function (xs, ts, **params) -> (ys, tangents of ys), None standing for a zero tangent
    transpose (ct, *xs, **params) -> per operand, its cotangent or None; an operand that is wanted is a `Linear`.
             With `many`, `ct` is a list in which None stands for zero. None: the operation is linear in nothing
    vmap     (size, xs, batched, **params) -> the result, batched along axis 0; batched operands have the mapped axis
             at 0. With `many`, (results, which of them are batched)
    partition, dce   only of primitives that hold graphs: see `transforms.partition` and `transforms.simplify`;
             dce: (eqn, which results are live) -> the equation without what nothing needs; itself if all is needed
    depends  of primitives that hold graphs: (smooth, **params) -> see `transforms.depends`; None: all on all
    reaches  of primitives that hold graphs: (mapping, mask over its operands, **params) -> per graph, in the order of
             `subgraphs`, a mask of the inputs that are batched (or, unless `mapping`, active) if these operands
             are; None: all
    rewire   of primitives that hold graphs: (eqn, graphs, extras) -> the equation with its graphs replaced, in the
             order of `subgraphs`; `extras` are, per graph, the operands of the additional leading inputs it now has
    simplify (*operands, **params) -> None, or the operand or scalar that the result equals: see `transforms.simplify`
    tells    whether rules of elementwise operations look at what this one does to its operands
    literals the operand positions that share one dtype and in which a scalar literal may stand; None: no literals
    scalars  the operand positions that have no axes, so that a literal there has none either
    weak     the operands whose weakness the result inherits if all have it; None: all; (): the rule itself says
    effects  the kinds of effect it has: such an equation is neither dropped, nor merged, nor reordered in its kind
    names_axis  params -> the named axes it reads, for collectives; these say themselves over which axes results vary,
             and their vmap returns (result, whether it is batched)
    """

    __slots__ = ("__weakref__", "dce", "depends", "effects", "faults", "host", "infer", "jvp", "literals", "many",
                 "name", "names_axis", "params", "partition", "reaches", "rewire", "scalars", "simplify", "tells",
                 "transpose", "vmap", "weak")  # fmt: skip

    def __init__(self, name, *, infer, jvp, vmap, params=(), transpose=None, partition=None, dce=None, depends=None,
                 reaches=None, rewire=None, simplify=None, tells=False, many=False, literals=None, scalars=(),
                 weak=None, effects=(), names_axis=None):  # fmt: skip
        self.name, self.params, self.infer, self.jvp, self.vmap = name, tuple(params), infer, jvp, vmap
        self.transpose, self.partition, self.dce, self.simplify = transpose, partition, dce, simplify
        self.depends, self.reaches, self.rewire, self.tells = depends, reaches, rewire, tells
        self.many, self.literals, self.scalars, self.weak = many, literals, scalars, weak
        self.effects, self.names_axis = effects, names_axis
        self.host: Callable | None = None  # set by the host executor
        self.faults: dict[str, Callable] | None = None  # set by `prims.faults`
        if many and not callable(jvp):
            raise TypeError(f"primitive `{name}`: with many results jvp is one function")
        if name in PRIMITIVES:
            raise ValueError(f"primitive `{name}` exists already; choose another name")
        PRIMITIVES[name] = self

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self):
        return _primitive_named, (self.name,)


PRIMITIVES: dict[str, Primitive] = {}


def _primitive_named(name: str) -> Primitive:
    return PRIMITIVES[name]


class Eqn(NamedTuple):
    """`outs = prim(*ins, **params)`; an operand is a value number or a `Lit`."""

    prim: Primitive
    ins: tuple
    params: tuple[tuple[str, Any], ...]
    outs: tuple[int, ...]


_PARAMETERS = (bool, int, str, type(None), np.dtype, Lit, ArrayType)


def _frozen(prim: Primitive, name: str, value: Any) -> None:
    """Refuse parameters that are no values: arrays, floats (which must be `Lit`), ordinary objects."""
    todo = [value]
    while todo:
        v = todo.pop()
        if type(v) is tuple:
            todo.extend(v)
        elif not (type(v) in _PARAMETERS or isinstance(v, (np.dtype, Graph, Token))):
            raise TypeError(
                f"{prim.name}: parameter `{name}` holds a {type(v).__name__}; "
                "use Python ints, strings, dtypes and tuples")


def open_params(params: tuple) -> bool:
    """Whether parameters hold a token, at any depth: then nothing is remembered under them."""
    return any(isinstance(v, Token) for _, v in params) or any(g.open for g in subgraphs(params))


def inferred(prim: Primitive, in_types: tuple[ArrayType, ...], params: tuple) -> tuple[ArrayType, ...]:
    """`infer`, which keeps what it is asked for a while: not the rules of users, and what they captured."""
    if prim.many and open_params(params):
        return infer.__wrapped__(prim, in_types, params)
    return infer(prim, in_types, params)


def check_params(prim: Primitive, params: tuple) -> None:
    """Raise TypeError for parameters that are no values."""
    for name, value in params:
        _frozen(prim, name, value)


class Token:
    """Base of objects that a parameter holds by identity, such as a user's rule; a graph that holds one is *open*."""

    __slots__ = ("__weakref__",)


class Unvaried(Exception):
    """Operands of one equation vary over different axes; `missing` says, per operand, over which it should as well."""

    def __init__(self, missing: Sequence[tuple[str, ...]]):
        super().__init__(f"operands vary over different axes: {missing}")
        self.missing = missing


def joint(types: Sequence[ArrayType]) -> tuple[str, ...]:
    """The axes over which any of the types varies, sorted."""
    return tuple(sorted({axis for t in types for axis in t.vary}))


def core(types: Sequence[ArrayType]) -> list[ArrayType]:
    """The types without their weakness, and without the axes over which they vary."""
    return [array_type(t.shape, t.dtype) if t.weak or t.vary else t for t in types]


def agree(expected: Sequence[ArrayType], given: Sequence[ArrayType]) -> None:
    """Operands of an equation have the types of the inputs of its graph, weakness apart.

    Raises Unvaried where they vary over fewer axes; more of them are left to who reads the graph.
    """
    missing = [tuple([a for a in e.vary if a not in g.vary]) for e, g in zip(expected, given, strict=True)]
    if any(missing):
        raise Unvaried(missing)
    assert core(expected) == core(given), (expected, given)


def applied(graph: Graph, given: Sequence[ArrayType], extras: int = 0) -> list[ArrayType]:
    """The types of the results of a graph for operands of these types, after `extras` others. Raises Unvaried."""
    agree([*given[:extras], *graph.in_types], given)
    return graph.out_types


@functools.lru_cache(16384)
def infer(prim: Primitive, in_types: tuple[ArrayType, ...], params: tuple) -> tuple[ArrayType, ...]:
    """The types of the results. What is common to all rules is added here: weakness, and the axes of `vary`.

    Raises Unvaried where the operands do not vary over the same axes.
    """
    if tuple(name for name, _ in params) != prim.params:
        raise TypeError(f"{prim.name} takes the parameters {prim.params}, got {tuple(name for name, _ in params)}")
    check_params(prim, params)
    made = prim.infer(*in_types, **dict(params))
    outs = tuple(made) if prim.many else (made,)
    if prim.names_axis is not None or (prim.many and subgraphs(params)):
        return outs
    vary = joint(in_types)
    if any([t.vary != vary and not t.literal for t in in_types]):
        raise Unvaried([() if t.literal else tuple([a for a in vary if a not in t.vary]) for t in in_types])
    if prim.many or prim.weak == ():
        return tuple([_array_type(t.shape, t.dtype, t.weak, vary, False) for t in outs]) if vary else outs
    sources = in_types if prim.weak is None else [in_types[i] for i in prim.weak]
    weak = bool(sources) and all(t.weak for t in sources)
    return tuple([_array_type(t.shape, t.dtype, weak, vary, False) for t in outs])


class Graph:
    """A closed first-order program: `ins -> outs` through `eqns`, in order; an immutable value.

    Value `i` has type `types[i]`; the inputs are the values 0 to len(ins)-1 and results are numbered in order.
    `sources[k]` tells where `eqns[k]` comes from: a source of `trace` (a code object and an offset) in a traced graph,
    the index of an equation of its input graph in a derived one. Sources and names take no part in equality.
    """

    __slots__ = ("__weakref__", "_effects", "_hash", "_open", "eqns", "ins", "names", "outs", "sources", "types")

    def __init__(self, types, ins, eqns, outs, sources=(), names=()):
        self.types, self.ins, self.eqns, self.outs, self.sources, self.names = types, ins, eqns, outs, sources, names
        self._hash = hash((tuple([types[i] for i in ins]), eqns, outs))
        self._effects = self._open = None

    def sourced(self, sources: tuple) -> Graph:
        """The same program with other sources; what is known of it is known of this one."""
        made = object.__new__(Graph)
        made.types, made.ins, made.eqns, made.outs = self.types, self.ins, self.eqns, self.outs
        made.sources, made.names = sources, self.names
        made._hash, made._effects, made._open = self._hash, self._effects, self._open
        return made

    def __hash__(self):
        return self._hash

    def __eq__(self, other):
        return self is other or (
            type(other) is Graph
            and self._hash == other._hash
            and len(self.ins) == len(other.ins)
            and self.eqns == other.eqns
            and self.outs == other.outs
            and self.types == other.types
        )

    in_types = property(lambda self: [self.types[i] for i in self.ins])
    out_types = property(lambda self: [a.type if type(a) is Lit else self.types[a] for a in self.outs])

    @property
    def effects(self) -> tuple[str, ...]:
        """The kinds of effect of its equations, also of those inside nested graphs; sorted."""
        if self._effects is None:
            kinds = {kind for eqn in self.eqns if eqn.prim.many or eqn.prim.effects for kind in eqn_effects(eqn)}
            self._effects = tuple(sorted(kinds))
        return self._effects

    @property
    def open(self) -> bool:
        """Whether an equation, at any depth, holds a token: such a graph is not cached."""
        if self._open is None:
            self._open = any([open_params(eqn.params) for eqn in self.eqns if eqn.prim.many])
        return self._open

    def __str__(self) -> str:
        return print_graph(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_graph(self)

    def __reduce__(self):
        return Graph, (self.types, self.ins, self.eqns, self.outs, (None,) * len(self.eqns), self.names)


def subgraphs(params) -> list[Graph]:
    """The graphs among the parameters of an equation."""
    found = []
    for _, value in params:
        if type(value) is Graph:
            found.append(value)
        elif type(value) is tuple:
            found.extend(v for v in value if type(v) is Graph)
    return found


def is_open(eqn: Eqn) -> bool:
    """Whether an equation holds a token, or a graph that does."""
    if not eqn.prim.many:  # tokens and graphs are parameters of primitives with many results
        return False
    return open_params(eqn.params)


def eqn_effects(eqn: Eqn) -> tuple[str, ...]:
    """The effects of an equation and of the graphs it holds."""
    effects = eqn.prim.effects
    for graph in subgraphs(eqn.params):
        effects += graph.effects
    return effects


def intern(graph: Graph) -> Graph:
    """The one object of all graphs equal to `graph`; done before it enters an equation."""
    known = _graphs.get(graph)
    return known if known is not None else _graphs.put(_Key(graph), graph)


class _Key:
    """Stands for a graph in the table of interned graphs without keeping it alive."""

    __slots__ = ("hash", "ref")

    def __init__(self, graph):
        self.hash, self.ref = hash(graph), weakref.ref(graph)

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        mine = self.ref()
        theirs = other.ref() if type(other) is _Key else other
        return self is other or (mine is not None and mine == theirs)


def compact(types: Sequence, ins, eqns, outs, sources, names=()) -> Graph:
    """A graph of these equations with its values numbered densely in order, and the types of live values only."""
    number: dict[Any, Any] = {old: new for new, old in enumerate(ins)}
    named, new_eqn = number.get, tuple.__new__  # literals are not in the table and stay
    live, made, n, one = [types[i] for i in ins], [], len(ins), singles(len(types))
    for prim, operands, params, results in eqns:
        operands, start = tuple(map(named, operands, operands)), n
        for o in results:
            number[o] = n
            live.append(types[o])
            n += 1
        results = one[start] if n == start + 1 else tuple(range(start, n))
        made.append(new_eqn(Eqn, (prim, operands, params, results)))
    outs = tuple(map(named, outs, outs))
    return Graph(tuple(live), tuple(range(len(ins))), tuple(made), outs, tuple(sources), names)


def check(graph: Graph) -> Graph:
    """Re-derive every type; a malformed graph is a bug in a pass, so it asserts."""
    types = graph.types
    assert graph.ins == tuple(range(len(graph.ins))), f"inputs are not the first values in\n{graph}"
    assert len(graph.sources) == len(graph.eqns), f"{len(graph.sources)} sources for {len(graph.eqns)} equations"
    assert not graph.names or len(graph.names) == len(graph.ins), f"names {graph.names} in\n{graph}"
    known = len(graph.ins)
    for eqn in graph.eqns:
        assert type(eqn) is Eqn and type(eqn.ins) is tuple and type(eqn.outs) is tuple
        for a in eqn.ins:
            assert type(a) is Lit or (type(a) is int and 0 <= a < known), f"{eqn.prim} reads {a} too early in\n{graph}"
        want = inferred(eqn.prim, tuple([a.type if type(a) is Lit else types[a] for a in eqn.ins]), eqn.params)
        got = tuple([types[o] for o in eqn.outs])
        assert [t.strong() for t in want] == [t.strong() for t in got], f"{eqn.prim}: rule {want}, graph {got}\n{graph}"
        assert eqn.outs == tuple(range(known, known + len(got))), f"{eqn.prim} numbers its results {eqn.outs}"
        known += len(got)
        for inner in subgraphs(eqn.params):
            assert intern(inner) is inner, f"{eqn.prim} holds a graph that is not interned"
            _check_once(inner)
    assert len(types) == known, f"{len(types)} types for {known} values in\n{graph}"
    assert all(type(a) is int and 0 <= a < known for a in graph.outs), f"undefined output in\n{graph}"
    return graph


@functools.lru_cache(1024)
def _check_once(graph: Graph) -> None:
    check(graph)


# ---- printing ----


def letters(i: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    return (letters(i // 26 - 1) if i >= 26 else "") + chr(97 + i % 26)


def value_names(graph: Graph) -> list[str]:
    """A name per value: that of the argument where it is known, else the next free letters."""
    given = [*graph.names, *[None] * (len(graph.types) - len(graph.names))]
    count: dict[str, int] = {}
    for name in given:
        if name:
            count[name] = count.get(name, 0) + 1
    taken, names, k = set(count), [], 0
    for name in given:
        if name and count[name] == 1:
            names.append(name)
            continue
        while letters(k) in taken:
            k += 1
        names.append(letters(k))
        k += 1
    return names


def rows(graph: Graph, shown: dict[Graph, str] | None = None) -> list[tuple[str, str, str]]:
    """(results, operation, source) of every equation, as text; `shown` are the names of nested graphs."""
    names, made = value_names(graph), []
    shown = {g: f"graph{k}" for k, g in enumerate(nested(graph))} if shown is None else shown
    for k, (prim, ins, params, outs) in enumerate(graph.eqns):
        results = " ".join([f"{names[o]}:{graph.types[o]}" for o in outs])
        operands = [a.text if type(a) is Lit else names[a] for a in ins]
        said = [f"{name}={_param_text(v, shown)}" for name, v in params if v is not None]
        source = graph.sources[k] if k < len(graph.sources) else None
        made.append((results, " ".join([prim.name, *operands, *said]), "" if source is None else source_text(source)))
    return made


def nested(graph: Graph) -> list[Graph]:
    """The distinct graphs held by equations of `graph`, at any depth, in order of first use."""
    found: dict[Graph, None] = {}
    todo = [graph]
    while todo:
        for eqn in todo.pop().eqns:
            for inner in subgraphs(eqn.params):
                if inner not in found:
                    found[inner] = None
                    todo.append(inner)
    return list(found)


def _param_text(value, shown) -> str:
    if type(value) is Graph:
        return shown[value]
    if isinstance(value, np.dtype):
        return dtypes.short(value)
    if type(value) is tuple:
        inner = ",".join([_param_text(v, shown) for v in value])
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return str(value)


def source_text(source) -> str:
    """`model.py:12` of a source; a derived graph says the index of the equation it came from."""
    if type(source) is int:
        return f"<{source}>"
    return str(source)


def print_graph(graph: Graph) -> str:
    """One line per equation, types on results, source on the right; nested graphs after it, each once."""
    parts, shown = [], {g: f"graph{k}" for k, g in enumerate(nested(graph))}
    for title, g in [("graph", graph), *[(name, g) for g, name in shown.items()]]:
        names = value_names(g)
        lines = [f"{title}({', '.join([f'{names[i]}:{g.types[i]}' for i in g.ins])}):"]
        said = [(f"  {r} = {operation}" if r else f"  {operation}", source) for r, operation, source in rows(g, shown)]
        width = max([len(line) for line, source in said if source and len(line) <= 80], default=0)
        lines += [f"{line:<{width}}  # {source}" if source else line for line, source in said]
        lines.append(f"  return {', '.join([a.text if type(a) is Lit else names[a] for a in g.outs])}".rstrip())
        parts.append("\n".join(lines))
    return "\n".join(parts)


def html_graph(graph: Graph) -> str:
    """The same as a table, for notebooks."""
    escape = lambda text: text.replace("&", "&amp;").replace("<", "&lt;")
    names = value_names(graph)
    head = ", ".join([f"{names[i]}:{graph.types[i]}" for i in graph.ins])
    body = "".join(
        ["<tr>" + "".join([f"<td style='text-align:left'><code>{escape(c)}</code></td>" for c in row]) + "</tr>"
         for row in rows(graph)])  # fmt: skip
    last = ", ".join([a.text if type(a) is Lit else names[a] for a in graph.outs])
    return (f"<table><caption><code>graph({escape(head)}) → {escape(last)}</code></caption>"
            f"<tr><th>result</th><th>operation</th><th>source</th></tr>{body}</table>")  # fmt: skip


def table_sizes() -> dict[str, int]:
    """How many types, literals, interned graphs and inferred equations are held."""
    inferred = infer.cache_info().currsize
    return {"types": len(_types), "literals": len(_literals), "graphs": len(_graphs), "infer": inferred}
