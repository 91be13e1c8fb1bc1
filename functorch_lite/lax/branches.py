"""`lax`: one of several functions, chosen by a value: `cond` and `switch`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, describe, name_of
from functorch_lite.array import asarray
from functorch_lite.control import cond as control
from functorch_lite.control.rows import I32
from functorch_lite.control.together import together
from functorch_lite.control.varied import all_varying, check_local, everywhere
from functorch_lite.ir import ArrayType, Graph, joint
from functorch_lite.lax.carry import operands as operand_leaves
from functorch_lite.lax.carry import results
from functorch_lite.prims.collective import vary
from functorch_lite.prims.elementwise import clamp, convert, min_, ne
from functorch_lite.trace import SCALARS, Traced, Tracer, at, current_frame, inline, is_typed, trace, typeof
from functorch_lite.transforms.common import rebuild

__all__ = ["cond", "switch"]

_NONE = object()
_NAMES = ("false_fun", "true_fun")


def cond(pred: Any, true_fun: Callable, false_fun: Callable, *operands: Any, operand: Any = _NONE) -> Any:
    """true_fun(*operands) if `pred` holds, else false_fun(*operands); only that one is computed.

    pred: one boolean (or number, which holds if it is not 0). operands: trees of arrays. Both functions return the same
    tree of the same shapes and dtypes. Where `pred` is known, outside of `jit` and of mapped values, the function is
    simply called, and the other one is traced once, for the types of its result only. Under `vmap` a function is
    computed if a row takes it, and acts for the rows that take it.
    The form cond(pred, true_operand, true_fun, false_operand, false_fun) serves too.
    Raises TypeError if the results differ or `pred` is no boolean.
    """
    if len(operands) == 2 and not callable(true_fun) and callable(false_fun) and callable(operands[1]):
        x, fun, (y, other) = true_fun, false_fun, operands
        return _choose("cond", _predicate(pred), [lambda a, b: other(b), lambda a, b: fun(a)], (x, y), _NAMES)
    if operand is not _NONE:
        operands = (*operands, operand)
    for fun in (true_fun, false_fun):
        check_callable("cond", fun)
    return _choose("cond", _predicate(pred), [false_fun, true_fun], operands, _NAMES)


def switch(index: Any, branches: Sequence[Callable], *operands: Any, operand: Any = _NONE) -> Any:
    """branches[index](*operands), with `index` clamped to the positions there are; only that one is computed.

    index: one integer. branches: functions that return the same tree of the same shapes and dtypes. See `cond`.
    Raises ValueError without branches, TypeError if the results differ or `index` is no integer.
    """
    branches = list(branches)
    if not branches:
        raise ValueError(f"switch: got no branches, at {at()}; give at least one function")
    for fun in branches:
        check_callable("switch", fun)
    if operand is not _NONE:
        operands = (*operands, operand)
    names = [f"branch {k}" for k in range(len(branches))]
    return _choose("switch", _position(index, len(branches)), branches, operands, names)


# ---- what chooses ----


def _scalar(what: str, x: Any, kinds: str, words: str) -> Any:
    """A scalar from the user as an array or tracer of one of these kinds of dtype."""
    try:
        x = x if type(x) in SCALARS or isinstance(x, Tracer) else asarray(x)
        t = typeof(x)
    except TypeError:
        raise TypeError(f"{what} must be {words}, got {describe(x)}, at {at()}") from None
    if t.shape or dtypes.kind(t.dtype) not in kinds:
        raise TypeError(f"{what} must be {words}, got {t}, at {at()}")
    return x


def _known(x: Any) -> Any:
    """The value of a scalar, where Python may look at it; else None."""
    if type(x) in SCALARS:
        return x
    frame = current_frame()
    if frame is None:
        return asarray(x)._value
    if not frame.concrete:
        return None
    value = frame.value(frame.atom(x))
    return None if value is None else value._value


def _predicate(pred: Any) -> Any:
    """0 or 1: as an int where it is known, else an int32 that is traced."""
    pred = bool(pred) if isinstance(pred, np.bool_) else pred
    pred = _scalar("cond: the predicate", pred, "biufc", "one boolean")
    known = _known(pred)
    if known is not None:
        return int(bool(known))
    return convert(pred if dtypes.is_bool(typeof(pred).dtype) else ne(pred, 0), I32)


def _position(index: Any, count: int) -> Any:
    """The clamped index: as an int where it is known, else an int32 that is traced."""
    index = int(index) if isinstance(index, np.integer) else index
    index = _scalar("switch: the index", index, "iu", "one integer")
    known = _known(index)
    if known is not None:
        return max(0, min(int(known), count - 1))
    dtype = typeof(index).dtype
    if dtype.itemsize < 4:
        return clamp(0, convert(index, I32), count - 1)
    return convert(clamp(0, index, count - 1) if dtypes.kind(dtype) == "i" else min_(index, count - 1), I32)


# ---- the branches ----


def _choose(what: str, index: Any, funs: Sequence[Callable], operands: tuple, names: Sequence[str]) -> Any:
    if type(index) is int:
        leaves, structure = results(what, funs[index], funs[index](*operands), "the result")
        _compare(what, index, funs, operands, names, (leaves, structure))
        return structure.unflatten([x if is_typed(x) else asarray(x) for x in leaves])
    leaves, structure = operand_leaves(operands, f"{what}: the operand")
    types = [typeof(x) for x in leaves]
    made = [_traced(what, fun, structure, types) for fun in funs]
    trees = [out for _, out in made]
    _check_trees(what, trees, names)
    graphs, captured = together([traced for traced, _ in made])
    axes = typeof(index).vary
    for name, graph in zip(names, graphs, strict=True):
        check_local(what, [graph], axes, name)
    graphs = _alike(what, [everywhere(g, axes) for g in graphs], trees[0], names)
    return trees[0].unflatten(control.switch(index, graphs, all_varying([*captured, *leaves], axes)))


_compared: set = set()  # branches that were compared: their code, and the types of the operands


def _compare(
    what: str, index: int, funs: Sequence[Callable], operands: tuple, names: Sequence[str], taken: tuple[list, Any]
) -> None:
    """Raise TypeError if the branches that are not taken return something else, where that is known without values.

    They are traced once per code and types of operands, so that a loop of eager conds does not pay for it.
    """
    leaves, structure = tree.flatten(operands)
    try:
        types = [typeof(x) for x in leaves]
        key = (tuple([getattr(fun, "__code__", type(fun)) for fun in funs]), index, structure, *types)
        if key in _compared:
            return
        if len(_compared) >= 4096:
            _compared.clear()
        _compared.add(key)
        made = [_types_of(what, fun, structure, types) for k, fun in enumerate(funs) if k != index]
    except Exception:  # a branch that cannot be traced, or asks for values: nobody wants its result here
        return
    made.insert(index, ([typeof(y) for y in taken[0]], taken[1]))
    try:
        _check_trees(what, [out for _, out in made], names)
        _common(what, [types for types, _ in made], taken[1], names)
    except TypeError:
        _compared.discard(key)  # it is as wrong the next time
        raise


def _types_of(what: str, fun: Callable, structure: Any, types: Sequence) -> tuple[Sequence[ArrayType], Any]:
    """The types that a branch returns, and their tree."""
    traced, out = _traced(what, fun, structure, types)
    return traced.graph.out_types, out


def _traced(what: str, fun: Callable, structure: Any, types: Sequence) -> tuple[Traced, Any]:
    """The graph of a branch, and the tree that it returns."""
    trees = []

    def flat(*tracers):
        leaves, out = results(what, fun, fun(*structure.unflatten(tracers)), "the result")
        trees.append(out)
        return leaves

    return trace(flat, types, transform=what, name=name_of(fun)), trees[-1]


def _check_trees(what: str, trees: Sequence, names: Sequence[str]) -> None:
    for name, other in zip(names, trees, strict=True):
        if other != trees[0]:
            found = tree.difference(trees[0], other) or tree.difference(other, trees[0])
            raise TypeError(f"{what}: the branches must return the same tree; {names[0]} and {name} differ {found}, at "
                            f"{at()}")  # fmt: skip


def _alike(what: str, graphs: Sequence[Graph], structure: Any, names: Sequence[str]) -> list[Graph]:
    """The graphs with equal types of results."""
    wanted = _common(what, [g.out_types for g in graphs], structure, names)
    return [_converted(g, wanted) for g in graphs]


def _common(what: str, outs: Sequence[Sequence[ArrayType]], structure: Any, names: Sequence[str]) -> list[ArrayType]:
    """The types that the results of all branches have: what came from Python numbers takes the dtype of the others.

    Raises TypeError with a table of the results that differ.
    """
    wanted, bad = [], []
    for k, types in enumerate(zip(*outs, strict=True)):
        dtype, weak = dtypes.promote(tuple([t.dtype for t in types]), tuple([t.weak for t in types]))
        wanted.append(types[0].with_dtype(dtype, weak).varying(joint(types)))
        if len({t.shape for t in types}) > 1 or any(t.dtype != dtype and not t.weak for t in types):
            bad.append(k)
    if bad:
        leaves = tree.flatten_with_path(structure.unflatten(range(len(wanted))))[0]
        rows = [("result", *names)]
        rows += [(tree.keystr(leaves[k][0]) or "all", *[str(types[k]) for types in outs]) for k in bad]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  " + "  ".join([c.ljust(w) for c, w in zip(row, widths, strict=True)]).rstrip() for row in rows]
        raise TypeError(f"{what}: the branches must return the same shapes and dtypes, at {at()}; they differ in\n"
                        + "\n".join(lines))  # fmt: skip
    return wanted


def _converted(graph: Graph, types: Sequence) -> Graph:
    if all(a is b for a, b in zip(graph.out_types, types, strict=True)):
        return graph

    def body(*xs):
        return [vary(convert(y, t.dtype, t.weak), t.vary) for y, t in zip(inline(graph, xs), types, strict=True)]

    return rebuild(body, graph.in_types, "cond")
