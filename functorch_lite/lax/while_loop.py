"""`lax`: loops that run until a predicate fails, or from one number to another: `while_loop` and `fori_loop`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, tree
from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.control.counted import counted, counted_while
from functorch_lite.control.scan import Loop
from functorch_lite.control.scan import scan as run_scan
from functorch_lite.control.schedule import I32, LEAST
from functorch_lite.control.together import together
from functorch_lite.control.turns import While
from functorch_lite.control.turns import while_loop as run_while
from functorch_lite.control.varied import all_varying, check_local, everywhere
from functorch_lite.lax.carry import Carry, Watched, operand, results, unwatched
from functorch_lite.prims.elementwise import add, convert, lt, sub
from functorch_lite.prims.shape import full
from functorch_lite.trace import Traced, at, trace, typeof

__all__ = ["fori_loop", "while_loop"]

_LEAF = tree.structure(0)


def while_loop(cond_fun: Callable, body_fun: Callable, init_val: Any, *, checkpoints: int | None = None) -> Any:
    """val = init_val; while cond_fun(val): val = body_fun(val); returns val.

    cond_fun: returns one boolean. init_val: a tree; body_fun must return the same tree with the same shapes. Its dtypes
    are promoted to what body_fun returns where nothing is lost by that. Both are traced, with types only.
    Reverse mode needs no bound on the number of turns. It keeps `checkpoints` states of the loop at a time and computes
    the others once more; None: as many as take 1 MB, but at least 32 and at most 1280. Up to about checkpoints**2 / 6
    turns, each is computed twice more; up to checkpoints**3 / 60, three times.
    Under `vmap` every row stops for itself. Raises TypeError where the value changes its tree or types.
    """
    body_fun, watched = unwatched(body_fun)
    check_callable("while_loop", cond_fun)
    check_callable("while_loop", body_fun)
    carry = Carry("while_loop", body_fun, init_val, "init_val")

    def turn(*tracers):
        return _carried("while_loop", carry, body_fun(carry.structure.unflatten(tracers)))

    def test(*tracers):
        return [_predicate(cond_fun, cond_fun(carry.structure.unflatten(tracers)))]

    body = carry.settle(lambda: trace(turn, carry.types, transform="while_loop", name=name_of(body_fun)))
    cond = trace(test, carry.types, transform="while_loop", name=name_of(cond_fun))
    slots = _slots("while_loop", checkpoints)
    made = _run("while_loop", cond, body, carry.start(), slots, watched, watched.total if watched else 0)
    return carry.structure.unflatten(made)


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable,
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoints: int | None = None,
) -> Any:
    """val = init_val; for i in range(lower, upper): val = body_fun(i, val); returns val.

    lower, upper: integers. Python ints make a `scan`, of which reverse mode keeps what each turn needs; arrays, or
    `checkpoints`, a `while_loop`, of which it keeps so many states. init_val: as in `while_loop`. unroll: with Python
    ints, how many turns are compiled as one; True: all.
    Raises TypeError where the value changes its tree or types, or a bound is no integer.
    """
    body_fun, watched = unwatched(body_fun)
    check_callable("fori_loop", body_fun)
    slots, static = _slots("fori_loop", checkpoints), _static(lower, upper)
    start, stop, integer = _bounds(lower, upper)
    carry = Carry("fori_loop", body_fun, init_val, "init_val")

    def turn(i, *tracers):
        made = _carried("fori_loop", carry, body_fun(i, carry.structure.unflatten(tracers)))
        return [*made, add(i, 1)]

    def attempt():
        # the counter is carried last, so that the carried values of the user are the first results
        rotated = lambda *xs: turn(xs[-1], *xs[:-1])
        return trace(rotated, [*carry.types, integer], transform="fori_loop", name=name_of(body_fun))

    body = carry.settle(attempt)
    if static is not None and checkpoints is None:
        loop = Loop(body.graph, len(body.captured), len(carry.types) + 1, static, False, _unroll(unroll, static), False)
        given, first = [*body.captured, *carry.start(), start], 0
        if watched is not None:
            (loop, given), first = counted(loop, given, watched.handle), 1
        made = run_scan(loop, given, loop.graph.sources)[first:]
    elif unroll not in (None, 1, False):
        raise ValueError(f"fori_loop: unroll={unroll!r} needs Python ints as bounds, and no checkpoints, at {at()}")
    else:
        cond = trace(lambda *xs: [lt(xs[-1], stop)], [*carry.types, integer], transform="fori_loop")
        total = sub(stop, start) if watched else 0
        made = _run("fori_loop", cond, body, [*carry.start(), start], slots, watched, total)
    return carry.structure.unflatten(made[:-1])


# ---- what both share ----


def _run(
    what: str, cond: Traced, body: Traced, start: Sequence, slots: int | None, watched: Watched | None, total: Any
) -> list:
    (test, turn), captured = together([cond, body])
    given = [*captured, *start]
    while axes := test.out_types[0].vary:  # all that is carried varies then, and the predicate perhaps over more axes
        check_local(what, [test, turn], axes, "the body")
        test, turn, given = everywhere(test, axes), everywhere(turn, axes), all_varying(given, axes)
        if test.out_types[0].vary == axes:
            break
    loop = While(test, turn, len(captured), slots)
    if watched is None:
        return run_while(loop, given)
    expected = full((), total, I32) if isinstance(total, int) else convert(total, I32)
    return run_while(*counted_while(loop, given, watched.handle, expected))[1:]


def _carried(construct: str, carry: Carry, value: Any) -> list:
    """What a body returned, as the leaves that are carried on."""
    leaves, structure = results(construct, carry.fun, value, "the carry")
    carry.check_tree(structure)
    return carry.returned(leaves)


def _predicate(fun: Callable, value: Any) -> Any:
    """What the predicate returned. Raises TypeError unless it is one boolean."""
    leaves, structure = results("while_loop", fun, value, "the predicate")
    types = [typeof(x) for x in leaves]
    if structure != _LEAF or types[0].shape or not dtypes.is_bool(types[0].dtype):
        got = str(types[0]) if structure == _LEAF else f"the tree {structure}"
        raise TypeError(f"while_loop: `{name_of(fun)}` must return one boolean, got {got}, at {at()}; compare, and "
                        "reduce with `all` or `any`")  # fmt: skip
    return leaves[0]


def _slots(construct: str, checkpoints: Any) -> int | None:
    if checkpoints is None:
        return None
    try:
        slots = operator.index(checkpoints)
    except TypeError:
        kind = type(checkpoints).__name__
        raise TypeError(f"{construct}: checkpoints must be an int, got {kind}, at {at()}") from None
    if slots < LEAST:
        raise ValueError(f"{construct}: checkpoints is {slots}, at {at()}; give at least {LEAST}")
    return slots


def _static(lower: Any, upper: Any) -> int | None:
    """The number of turns, where both bounds are ints of Python or NumPy."""
    if all(isinstance(x, (int, np.integer)) and not isinstance(x, bool) for x in (lower, upper)):
        return max(int(upper) - int(lower), 0)
    return None


def _bounds(lower: Any, upper: Any) -> tuple[Any, Any, Any]:
    """Both bounds as operands of one type, and that type."""
    xs = []
    for what, x in (("lower", lower), ("upper", upper)):
        x = operand(x, lambda what=what: f"fori_loop: {what}")
        t = typeof(x)
        if t.shape or not dtypes.is_integer(t.dtype):
            raise TypeError(f"fori_loop: {what} must be one integer, got {t}, at {at()}")
        xs.append(x)
    types = [typeof(x) for x in xs]
    dtype, weak = dtypes.promote(tuple([t.dtype for t in types]), tuple([t.weak for t in types]))
    if not dtypes.is_integer(dtype):
        raise TypeError(f"fori_loop: no integer dtype holds both bounds, {types[0]} and {types[1]}, at {at()}; "
                        "convert one of them")  # fmt: skip
    start, stop = [convert(x, dtype, weak) for x in xs]
    return start, stop, typeof(start)


def _unroll(unroll: Any, length: int) -> int:
    if unroll is None or isinstance(unroll, bool):
        return max(length, 1) if unroll else 1
    try:
        turns = operator.index(unroll)
    except TypeError:
        raise TypeError(f"fori_loop: unroll must be an int or a bool, got {type(unroll).__name__}, at {at()}") from None
    if turns < 1:
        raise ValueError(f"fori_loop: unroll is {turns}, at {at()}; give a positive int, or True for all turns")
    return min(turns, max(length, 1))
