"""What the loops of `lax` share: their arguments as operands, and carried values of types that the body keeps."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import name_of
from functorch_lite.array import Array, asarray
from functorch_lite.control.custom import erase
from functorch_lite.control.loops import running
from functorch_lite.ir import ArrayType, Graph, Lit, array_type, joint
from functorch_lite.prims.collective import vary
from functorch_lite.prims.elementwise import convert
from functorch_lite.trace import SCALARS, Traced, Tracer, at, current_frame, typeof


class Watched:
    """A body whose loop tells a display how far it is. handle: that of the display; total: how many turns to expect of
    a loop whose length is not known."""

    def __init__(self, body: Callable, handle: Any, total: int):
        self.body, self.handle, self.total = body, handle, total

    def __call__(self, *args, **kwargs):
        return self.body(*args, **kwargs)


def unwatched(fun: Any) -> tuple[Any, Watched | None]:
    """The body itself, and who watches it."""
    return (fun.body, fun) if isinstance(fun, Watched) else (fun, None)


class _Seen(weakref.WeakSet):
    """The functions that loops were called with, as long as they live."""

    def before(self, fun: Callable) -> bool:
        """Whether this function was seen before; of a method or a partial, the function behind it."""
        while isinstance(fun, functools.partial):
            fun = fun.func
        fun = getattr(fun, "__func__", fun)
        try:
            if fun in self:
                return True
            self.add(fun)
        except TypeError:  # nothing refers weakly to it, or it has no hash
            return True
        return False


_seen = _Seen()


@contextmanager
def run_of(fun: Callable):
    """While this runs, loops know whether their function is a new one."""
    before, running.fresh = running.fresh, not _seen.before(fun)
    try:
        yield
    finally:
        running.fresh = before


def without_rules(graph: Graph) -> Graph:
    """A traced body as it is run: where nothing is traced around it, no rule of a function in it will be asked for."""
    return erase(graph) if current_frame() is None else graph


def operand(x: Any, what: Callable[[], str]) -> Any:
    """A leaf as an Array or a tracer of the frame being traced. Raises TypeError that begins with `what()`."""
    if type(x) is Array or type(x) is Tracer:
        return x
    frame = current_frame()
    try:
        return asarray(x) if frame is None else Tracer(frame, frame.atom(x))
    except TypeError as error:
        raise TypeError(f"{what()} is no array: {error}") from None


def operands(value: Any, what: str) -> tuple[list, Any]:
    """The leaves of a tree as operands, and its structure."""
    leaves, structure = tree.flatten(value)
    if all(type(x) is Array for x in leaves):
        return leaves, structure
    return [operand(x, lambda i=i: f"{what}{path_of(value, i)}") for i, x in enumerate(leaves)], structure


def path_of(value: Any, i: int) -> str:
    """` at ['w'][1]` of a leaf; nothing where the tree is one leaf."""
    path = tree.keystr(tree.flatten_with_path(value)[0][i][0])
    return f" at {path}" if path else ""


def results(construct: str, fun: Callable, value: Any, what: str) -> tuple[list, Any]:
    """The leaves of what a body returned, and its structure. Raises TypeError where one is no array."""
    if inspect.isgenerator(value) or inspect.iscoroutine(value):
        raise TypeError(f"{construct}: `{name_of(fun)}` returned a {type(value).__name__}, at {at()}; return arrays")
    leaves, structure = tree.flatten(value)
    for i, x in enumerate(leaves):
        if not (type(x) in SCALARS or isinstance(x, (Array, Tracer, np.ndarray, np.generic))):
            raise TypeError(f"{construct}: `{name_of(fun)}` returned {type(x).__name__} {x!r:.60} as {what}"
                            f"{path_of(value, i)}, at {at()}; return arrays, numbers, or trees of them")  # fmt: skip
    return leaves, structure


# ---- types that the body keeps ----


class Carry:
    """What a loop starts from, and the types that its body keeps, found by tracing until they no longer change."""

    def __init__(self, construct: str, fun: Callable, value: Any, what: str = "the initial carry"):
        self.construct, self.fun, self.value = construct, fun, value
        self.leaves, self.structure = operands(value, f"{construct}: {what}")
        self.types = [x.type for x in self.leaves]

    def check_tree(self, structure: Any) -> None:
        """Raise TypeError unless the body returned the tree it was given."""
        if structure == self.structure:
            return
        found = tree.difference(self.structure, structure, self.value) or tree.difference(structure, self.structure)
        raise TypeError(f"{self.construct}: `{name_of(self.fun)}` must return the carry as the tree it was given; "
                        f"given and returned differ {found}, at {at()}")  # fmt: skip

    def returned(self, leaves: Sequence) -> list:
        """The carried results of a body, in the carried types as far as these can hold them."""
        made = []
        for x, t in zip(leaves, self.types, strict=True):
            got = typeof(x)
            fits = got.shape == t.shape and got.dtype != t.dtype and joined(t, got.varying(t.vary)) is t
            made.append(vary(convert(x, t.dtype) if fits else x, t.vary))
        return made

    def settle(self, attempt: Callable[[], Traced], captured_first: bool = True) -> Traced:
        """Trace by `attempt`, which reads `types`, until the first results have them. Raises TypeError with a table."""
        while True:
            traced = attempt()
            outs = traced.graph.out_types[: len(self.types)]
            wanted = [joined(t, got) for t, got in zip(self.types, outs, strict=True)]
            types = [t for t in wanted if t is not None]
            if len(types) < len(wanted):
                raise TypeError(self._table(traced.graph, wanted))
            if all(a is b for a, b in zip(types, self.types, strict=True)):
                return traced
            self.types = types

    def start(self) -> list:
        """What the loop starts from, in the carried types."""
        return [x if x.type is t else _as(x, t) for x, t in zip(self.leaves, self.types, strict=True)]

    def _table(self, graph: Graph, wanted: Sequence) -> str:
        paths = [tree.keystr(path) or "carry" for path, _ in tree.flatten_with_path(self.value)[0]]
        rows = [("carry", "given", "returned", "")]
        for k, (path, t) in enumerate(zip(paths, self.types, strict=True)):
            got = graph.out_types[k]
            remark = _remark(graph, k, t, got) if wanted[k] is None else ""
            rows.append((path, str(self.leaves[k].type), str(got), remark))
        widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:3]]
        lines = ["  " + "  ".join([*[c.ljust(w) for c, w in zip(row, widths)], row[3]]).rstrip() for row in rows]
        return (f"{self.construct}: `{name_of(self.fun)}` must return the carry in the types it was given, at {at()}:\n"
                + "\n".join(lines))  # fmt: skip


def _as(x: Any, type_: ArrayType) -> Any:
    return vary(convert(x, type_.dtype, type_.weak), type_.vary)


def _remark(graph: Graph, k: int, given: ArrayType, got: ArrayType) -> str:
    """What is wrong with carried result `k`, where it was made, and the way out."""
    a = graph.outs[k]
    made = [graph.sources[i] for i, eqn in enumerate(graph.eqns) if type(a) is not Lit and a in eqn.outs]
    where = f", made at {made[0]}" if made else ""
    if given.shape != got.shape:
        return f"<- another shape{where}"
    if dtypes.is_integer(given.dtype) and dtypes.is_inexact(got.dtype):
        return f"<- {dtypes.short(got.dtype)} cannot hold every {dtypes.short(given.dtype)}{where}; start from a float"
    if dtypes.is_bool(got.dtype):
        return f"<- a boolean where a number is carried{where}; return the number"
    return f"<- neither dtype holds the other{where}; convert one of them"


def joined(given: ArrayType, got: ArrayType) -> ArrayType | None:
    """The type that a carried value has which starts as one type and is returned as another; None if there is none.

    Weak types give way; of others, one has to hold all values of the other, or a third dtype those of both. Where a
    number is carried, a boolean is a mistake: what was meant is the number.
    """
    if given.shape != got.shape or (dtypes.is_bool(got.dtype) and not dtypes.is_bool(given.dtype)):
        return None
    dtype, weak = dtypes.promote((given.dtype, got.dtype), (given.weak, got.weak))
    for t in (given, got):
        if not (t.weak or holds(dtype, t.dtype)):
            return None
    return array_type(given.shape, dtype, weak, joint((given, got)))


@functools.lru_cache(None)
def holds(wide: np.dtype, narrow: np.dtype) -> bool:
    """Whether every value of one dtype is one of another."""
    if wide == narrow or dtypes.is_bool(narrow):
        return True
    if dtypes.is_complex(wide):
        return holds(dtypes.real_of(wide), dtypes.real_of(narrow) if dtypes.is_complex(narrow) else narrow)
    if dtypes.is_complex(narrow) or dtypes.is_bool(wide):
        return False
    if dtypes.is_integer(narrow):
        low, high = int(dtypes.iinfo(narrow).min), int(dtypes.iinfo(narrow).max)
        if dtypes.is_integer(wide):
            return int(dtypes.iinfo(wide).min) <= low and high <= int(dtypes.iinfo(wide).max)
        return high < 2 ** (dtypes.finfo(wide).nmant + 1) and float(high) <= float(dtypes.finfo(wide).max)
    if dtypes.is_integer(wide):
        return False
    a, b = dtypes.finfo(wide), dtypes.finfo(narrow)
    least = lambda info: float(info.smallest_subnormal)
    return a.nmant >= b.nmant and float(a.max) >= float(b.max) and least(a) <= least(b)
