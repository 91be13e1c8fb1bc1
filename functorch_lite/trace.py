"""From Python functions to graphs, and back: `trace`, `inline` and `execute`.

Dispatch is by context: the innermost open frame of this thread records; with no frame, operations compute at once. A
tracer of an outer frame is, to the inner one, just another captured value, which is all there is to nesting.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from functorch_lite import dtypes
from functorch_lite.axes import Axis
from functorch_lite.bulk import Paused, origins, renumbered
from functorch_lite.errors import (
    ConcretizationError,
    LeakedTracerError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    way_out,
)
from functorch_lite.ir import (
    PRIMITIVES,
    ArrayType,
    Eqn,
    Graph,
    Lit,
    Primitive,
    Unvaried,
    array_type,
    check_params,
    compact,
    eqn_effects,
    infer,
    inferred,
    literal,
)
from functorch_lite.snapshot import Snapshot
from functorch_lite.source import at, caller, one_line
from functorch_lite.stack import alone, executor, tracing
from functorch_lite.stack import thread as _thread
from functorch_lite.values import act, value_of

SCALARS = (bool, int, float, complex)
_IS_SCALAR = frozenset(SCALARS).__contains__
_tuple_new, _new = tuple.__new__, object.__new__  # what named tuples and classes do after checks that need no repeating

# ---- frames ----


class Frame:
    """A graph under construction. Inputs may carry values; the rest is computed on demand."""

    acted: frozenset[int] = frozenset()  # the equations that had effects, and have acted
    stand_ins: dict[tuple[int, int], Tracer] = {}  # noqa: RUF012  # for values of frames that are closed

    def __init__(self, transform: str, name: str, concrete: bool, later: bool = False):
        below = _thread.frames[-1] if _thread.frames else None
        self.transform, self.name, self.open = transform, name, True
        self.concrete = concrete and (below is None or below.concrete)  # else nothing here has a value
        self.thread = threading.get_ident()
        self.source: Any = None  # of the equations being recorded; None: the caller
        self.started = caller()
        self.types: list[ArrayType] = []
        self.eqns: list[Eqn] = []
        self.sources: list[Any] = []
        self.definition: list[int] = []  # per value, the index of its equation; -1: an input
        self.captured: dict[Any, tuple[Any, int]] = {}  # key -> (value, number)
        self.known: dict[int, Any] = {}  # number -> array, or the outer tracer to ask
        self.memo: dict[Any, Any] = {}  # what may live as long as this frame: traces that captured its tracers
        self.below = below  # until this one is closed
        # an effect waits, here or below, until the graph is run; the later ones wait behind it
        self.waits = self.concrete and below is not None and below.waits
        self.pinned = self.waits or (later and self.concrete and below is not None)
        self.arguments = 0  # how many of the first values are arguments of the traced function
        self.rows: Callable | None = None  # how to show all rows of a mapped value
        self.axes: dict[str, Axis] = below.axes if below else {}  # the named axes in scope
        self.outs: tuple = ()  # the results, once they are known

    def new(self, type_: ArrayType) -> int:
        self.types.append(type_)
        self.definition.append(-1)
        return len(self.types) - 1

    def atom(self, x: Any) -> int:
        """The number of an operand that is no tracer of this frame and no scalar literal."""
        kind = type(x)
        if kind is Tracer:
            if x.frame is self:
                return x.number
            if not x.frame.open:
                return self.atom(stand_in(x))
            if x.frame.thread != self.thread:
                raise LeakedTracerError(
                    f"{x} belongs to another thread and was used at {at()}; pass values between threads, not tracers")
            key: Any = (id(x.frame), x.number)
        elif _IS_SCALAR(kind):
            return self.scalar(x)
        elif kind is np.ndarray:
            return self.ndarray(x)
        else:
            if not is_typed(x):
                x = executor.asarray(x)
            key = id(x)
        entry = self.captured.get(key)
        if entry is None:
            number = self.new(x.type)
            entry = self.captured[key] = (x, number)
            if self.concrete:
                self.known[number] = x
        return entry[1]

    def ndarray(self, x: np.ndarray) -> int:
        """A writeable array is snapshot when it is captured; met again and changed, it is another input."""
        entry = self.captured.get(id(x))
        if entry is not None and entry[0].holds(x):
            return entry[1]
        snapshot = Snapshot(executor.asarray(x), x)
        number = self.new(snapshot.array.type)
        if entry is not None:
            self.captured[object()] = entry
        self.captured[id(x)] = (snapshot, number)
        if self.concrete:
            self.known[number] = snapshot.array
        return number

    def scalar(self, x: Any) -> int:
        """A Python scalar as a value of its own: a weakly typed constant."""
        dtype = dtypes.scalar_dtype(type(x))
        params = (("shape", ()), ("value", literal(x, dtype)), ("weak", True))
        return self.record(PRIMITIVES["full"], (), params)[0]

    def literals(self, prim: Primitive, args: Sequence, ins: list, in_types: list) -> None:
        """Fill in the Python scalars among operands: literals where the primitive takes them, else constants."""
        where, dtype = prim.literals or (), None
        for i in where:
            if in_types[i] is not None:
                dtype = in_types[i].dtype
                break
        for i, x in enumerate(args):
            if in_types[i] is not None:
                continue
            if dtype is None or i not in where:
                ins[i] = self.scalar(x)
                in_types[i] = self.types[ins[i]]
                if i in where:
                    dtype = in_types[i].dtype
                continue
            try:
                ins[i] = made = literal(x, dtype)
            except (TypeError, OverflowError) as error:
                raise type(error)(f"{prim.name}: {error}, at {at()}") from None
            in_types[i] = made.type

    def record(self, prim: Primitive, ins: tuple, params: tuple) -> range:
        """Append one equation; returns the numbers of its results."""
        types = self.types
        try:
            made = inferred(prim, tuple([types[a] if type(a) is int else a.type for a in ins]), params)
        except Unvaried as apart:
            return self.record(prim, self.varied(ins, apart), params)
        start = len(types)
        types.extend(made)
        outs = range(start, len(types))
        self.definition.extend([len(self.eqns)] * len(made))
        self.eqns.append(Eqn(prim, ins, params, tuple(outs)))
        self.sources.append(self.source if self.source is not None else caller())
        return outs

    def varied(self, ins: Sequence, apart: Unvaried) -> tuple:
        """The operands, each varying over the axes it was found to miss."""
        return tuple([self.vary(a, axes) if axes else a for a, axes in zip(ins, apart.missing, strict=True)])

    def vary(self, a: int, axes: tuple[str, ...]) -> int:
        """Before it is repeated, so that what its cotangents are summed from over the axes is small."""
        k = self.definition[a]
        if k >= 0 and self.eqns[k].prim.name == "broadcast" and type(self.eqns[k].ins[0]) is int:
            return self.record(self.eqns[k].prim, (self.vary(self.eqns[k].ins[0], axes),), self.eqns[k].params)[0]
        return self.record(PRIMITIVES["vary"], (a,), (("axes", axes),))[0]

    def value(self, number: int):
        """The array behind `number`, computing only its ancestors; None if it has no value."""
        return value_of(self, number) if self.concrete else None

    def close(self) -> None:
        """Keep what a leak message needs, free the rest."""
        self.open, self.below = False, None
        self.known, self.memo, self.captured, self.eqns, self.sources = {}, {}, {}, [], []


def stand_in(x: Tracer) -> Tracer:
    """What is there for a value of a closed frame while the rule of a function that captured it is traced."""
    for frame in reversed(_thread.frames):
        if (found := frame.stand_ins.get((id(x.frame), x.number))) is not None:
            return found
    raise leaked(x)


def leaked(x: Tracer) -> LeakedTracerError:
    frame = x.frame
    return LeakedTracerError(
        f"{x} was used at {at()}, but it escaped from `{frame.transform}` of `{frame.name}` (started at "
        f"{frame.started}), which has returned; return it from that function instead of storing it")


# ---- tracers ----


class Tracer:
    """Stands for one value of a frame. Arithmetic and methods are installed by `functorch_lite.numpy`."""

    __slots__ = ("__weakref__", "frame", "number", "type")
    __array_priority__ = 1000  # ndarray * tracer defers to the tracer

    def __init__(self, frame: Frame, number: int):
        self.frame, self.number, self.type = frame, number, frame.types[number]

    shape = property(lambda self: self.type.shape)
    dtype = property(lambda self: self.type.dtype)
    ndim = property(lambda self: self.type.ndim)
    size = property(lambda self: self.type.size)
    aval = property(lambda self: self.type)
    weak_type = property(lambda self: self.type.weak)

    def __repr__(self) -> str:
        frame = self.frame
        if frame.open and frame.thread == threading.get_ident():
            value = frame.value(self.number)
            if value is not None:
                return f"Tracer<{self.type} in {frame.transform}, {one_line(value)}>"
            if frame.rows is not None:
                rows = frame.rows(frame, self.number)
                if rows is not None:
                    return f"Tracer<{self.type} in {frame.transform}, rows {one_line(rows)}>"
        return f"Tracer<{self.type} in {frame.transform}>"

    def concrete(self, error: type[ConcretizationError] = ConcretizationError, what: str = "the value"):
        """The array behind the tracer. Raises ConcretizationError if the transform traces with types only."""
        frame = self.frame
        if not frame.open:
            raise leaked(self)
        value = frame.value(self.number)
        if value is None:
            blame = next((f for f in _thread.frames if not f.concrete), frame)
            raise error(
                f"{what} of {self.type} is needed at {at()}, but `{blame.transform}` of `{blame.name}` traces with "
                f"types only; {way_out(error, blame.transform)}")
        return value

    def __bool__(self):
        return bool(self.concrete(TracerBoolConversionError, "the truth value"))

    def __float__(self):
        return float(self.concrete())

    def __int__(self):
        return int(self.concrete(TracerIntegerConversionError))

    def __complex__(self):
        return complex(self.concrete())

    def __index__(self):
        return operator.index(self.concrete(TracerIntegerConversionError, "the integer value"))

    def __array__(self, dtype=None, copy=None):
        return self.concrete(TracerArrayConversionError, "the NumPy array").__array__(dtype)

    def __format__(self, spec: str) -> str:
        return format(self.concrete(), spec) if spec else repr(self)

    def __hash__(self):
        raise TypeError(f"{self.type} of `{self.frame.transform}` cannot be hashed, as its value may not be known; "
                        "use its shape or dtype, or mark the argument static")  # fmt: skip

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        raise TypeError(
            f"{self.type} of `{self.frame.transform}` cannot be pickled at {at()}; return it from the function")


# ---- the stack ----


def current_frame() -> Frame | None:
    frames = _thread.frames
    return frames[-1] if frames else None


def axes_in_scope() -> tuple:
    """The named axes in scope and their sizes, as a part of keys of traces."""
    frames = _thread.frames
    return tuple([(name, a.names, a.sizes) for name, a in frames[-1].axes.items()]) if frames else ()


def this_frame() -> Frame:
    """The frame that records, for what runs only while one does."""
    return _thread.frames[-1]


def pop(frames: list[Frame], depth: int) -> None:
    """Restore the length of the stack, whatever an interrupted trace left on it."""
    for left in frames[depth:]:
        left.close()
        if left in tracing:
            tracing.remove(left)
    del frames[depth:]


# ---- executing ----


def is_typed(x: Any) -> bool:
    """Whether `x` is an Array or a tracer; what other libraries call `type` is something else."""
    return type(getattr(x, "type", None)) is ArrayType


def typeof(x: Any) -> ArrayType:
    """The type of an array, a tracer, a NumPy array or scalar, or a Python scalar (weak)."""
    try:
        found = x.type
        if type(found) is ArrayType:
            return found
    except AttributeError:
        pass
    kind = type(x)
    if _IS_SCALAR(kind):
        return array_type((), dtypes.scalar_dtype(kind), True)
    if isinstance(x, (np.ndarray, np.generic)):
        return array_type(x.shape, dtypes.canonical(x.dtype))
    return executor.asarray(x).type


def bind(prim: Primitive, *args: Any, **params: Any) -> Any:
    """Apply `prim`: record it in the frame being traced, or compute now if there is none."""
    frames = _thread.frames
    if not frames:
        return executor.bind(prim, args, params)
    frame = frames[-1]
    if not frame.open:
        purge(frames)
        return bind(prim, *args, **params)
    ins: list[Any] = []
    in_types: list[Any] = []
    scalars = False
    for x in args:
        kind = type(x)
        if kind is Tracer and x.frame is frame:
            ins.append(x.number)
            in_types.append(x.type)
        elif _IS_SCALAR(kind):
            ins.append(None)
            in_types.append(None)
            scalars = True
        else:
            number = frame.atom(x)
            ins.append(number)
            in_types.append(frame.types[number])
    if scalars:
        frame.literals(prim, args, ins, in_types)
    if prim.effects and frame.concrete and (not frame.pinned or params.get("out_types")):
        if frame.waits:  # the program goes on with its results
            act(frame)
        values = [a.value if type(a) is Lit else frame.value(a) for a in ins]
        if not any(v is None for v in values):  # it happens now, once, and its results are like captured values
            with alone(caller()):
                return executor.bind(prim, values, params)
    frozen = tuple(params.items()) if params else ()
    try:
        made = inferred(prim, tuple(in_types), frozen) if prim.many else infer(prim, tuple(in_types), frozen)
    except TypeError:
        check_params(prim, frozen)
        raise
    except Unvaried as apart:
        outs = frame.record(prim, frame.varied(ins, apart), frozen)
        return [Tracer(frame, i) for i in outs] if prim.many else Tracer(frame, outs[0])
    types, eqns = frame.types, frame.eqns
    source = frame.source
    frame.sources.append(source if source is not None else caller())
    if prim.many:
        start, k = len(types), len(eqns)
        types.extend(made)
        outs = tuple(range(start, len(types)))
        frame.definition.extend([k] * len(outs))
        eqns.append(Eqn(prim, tuple(ins), frozen, outs))
        if eqn_effects(eqns[-1]):
            frame.pinned = frame.waits = True
        return [Tracer(frame, i) for i in outs]
    number = len(types)
    types.append(made[0])
    frame.definition.append(len(eqns))
    eqns.append(_tuple_new(Eqn, (prim, tuple(ins), frozen, (number,))))
    result = _new(Tracer)
    result.frame, result.number, result.type = frame, number, made[0]
    return result


def repeat(eqn: Eqn, types: Sequence[ArrayType], env) -> Any:
    """Record an equation once more on operands that mostly have the types it had, which spares the inference."""
    frame = _thread.frames[-1]
    prim, operands, params, outs = eqn
    ins: list[Any] = []
    for a in operands:
        if type(a) is not Lit:
            x = env[a]
            if type(x) is not Tracer or x.frame is not frame or x.type is not types[a]:
                return bind(prim, *[a.value if type(a) is Lit else env[a] for a in operands], **dict(params))
            a = x.number
        ins.append(a)
    start, k = len(frame.types), len(frame.eqns)
    for o in outs:
        frame.types.append(types[o])
        frame.definition.append(k)
    made = [Tracer(frame, start + i) for i in range(len(outs))]
    frame.eqns.append(_tuple_new(Eqn, (prim, tuple(ins), params, tuple([y.number for y in made]))))
    frame.sources.append(frame.source if frame.source is not None else caller())
    return made if prim.many else made[0]


def purge(frames: list[Frame]) -> None:
    """Drop frames that an interrupted trace left behind."""
    while frames and not frames[-1].open:
        pop(frames, len(frames) - 1)


class Traced(NamedTuple):
    """What `trace` returns: the captured values are the leading inputs of the graph."""

    graph: Graph
    captured: list


def trace(
    fun: Callable,
    types: Sequence[ArrayType],
    values: Sequence | None = None,
    *,
    transform: str,
    name: str = "fun",
    concrete: bool = False,
    later: bool = False,
    names: Sequence[str | None] = (),
    prepare: Callable | None = None,
    axes: dict[str, Axis] | None = None,
) -> Traced:
    """Trace `fun(*tracers) -> list of values`; returns its graph and the values it captured.

    With `concrete`, Python control flow may look at what follows from captured values and from arguments whose entry
    of `values` is not None; effects happen at once then, but with `later`, and where others wait, when the graph is
    run. `prepare(frame)` may rewrite the recorded equations while the frame is still open. `axes` come into scope.
    """
    frames = _thread.frames
    purge(frames)
    depth = len(frames)
    try:  # an interrupt while the inner `finally` runs is caught by this one
        frame = Frame(transform, name, concrete, later)
        if axes:
            frame.axes = {**frame.axes, **axes}
        return _trace(frame, depth, fun, types, values, names, prepare)
    except RecursionError as error:
        if depth or "maximum recursion depth" not in str(error):
            raise
        raise RecursionError(
            f"{transform} of `{name}` recursed too deeply while tracing, started at {caller()}; a recursion that ends "
            "by the value of an array never ends in a trace: use `lax.while_loop`, or a static argument") from None
    finally:
        pop(frames, depth)


def _trace(frame: Frame, depth: int, fun, types, values, names, prepare) -> Traced:
    frames = _thread.frames
    try:
        frames.append(frame)
        tracing.append(frame)
        for t in types:
            frame.new(t)
        frame.arguments = len(types)
        if frame.concrete and values is not None:
            frame.known.update([(i, v) for i, v in enumerate(values) if v is not None])
        results = fun(*[Tracer(frame, i) for i in range(len(types))])
        outs = tuple([frame.atom(x) for x in results])
        if prepare is not None:
            frame.outs = outs
            prepare(frame)
        captured = list(frame.captured.values())
        graph = _graph_of(frame, len(types), captured, outs, names)
        return Traced(graph, [x.array if type(x) is Snapshot else x for x, _ in captured])
    finally:
        pop(frames, depth)


def _graph_of(frame: Frame, arguments: int, captured, outs, names) -> Graph:
    ins = (*[number for _, number in captured], *range(arguments))
    names = (*[None] * len(captured), *names) if names else ()
    if captured:
        return compact(frame.types, ins, frame.eqns, outs, frame.sources, names)
    return Graph(tuple(frame.types), ins, tuple(frame.eqns), outs, tuple(frame.sources), names)


def inline(graph: Graph, args: Sequence, sources: Sequence | None = None) -> list:
    """Record `graph` in the frame being traced; `sources` are those of the caller where the graph is derived."""
    frame = _thread.frames[-1]
    number: list[Any] = [x.number if type(x) is Tracer and x.frame is frame else frame.atom(x) for x in args]
    made, types, n = origins(graph, sources, frame.source), frame.types, len(graph.ins)
    if any(types[a] is not graph.types[i] for a, i in zip(number, graph.ins, strict=True)):
        _record(frame, graph, number, made)
    else:
        with Paused():
            shift, first = len(types) - n, len(frame.eqns)
            same = shift == 0 and number == list(range(n))  # the equations are those of the graph, number by number
            number.extend(range(len(types), shift + len(graph.types)))
            frame.eqns.extend(graph.eqns if same else renumbered(graph.eqns, number, shift))
            types.extend(graph.types[n:])
            frame.definition.extend([k for k, eqn in enumerate(graph.eqns, first) for _ in eqn.outs])
            frame.sources.extend(made)
    if frame.concrete and graph.effects:
        frame.pinned = frame.waits = True
    return [Tracer(frame, number[o]) for o in graph.outs]


def _record(frame: Frame, graph: Graph, number: list, sources: Sequence) -> None:
    """Infer the types of a graph anew, for operands of other types."""
    outer = frame.source
    try:
        for (prim, ins, params, _), frame.source in zip(graph.eqns, sources, strict=True):
            number.extend(frame.record(prim, tuple([a if type(a) is Lit else number[a] for a in ins]), params))
    finally:
        frame.source = outer


def execute(graph: Graph, args: Sequence, sources: Sequence | None = None) -> list:
    """Compute `graph` now; this thread's frames are put aside meanwhile."""
    with alone():
        return executor.execute(graph, args, sources)


def run(graph: Graph, args: Sequence, sources: Sequence | None = None) -> list:
    """`inline` where a frame is being traced, else `execute`: what a public transform does with its graph."""
    if _thread.frames:
        return inline(graph, args, sources)
    return executor.execute(graph, args, sources)

