"""How an elementwise function is made: a fast path of one NumPy call, and a slow path that promotes and binds.

The fast path computes first and looks at the dtype after. NumPy promotes as we do for equal dtypes and for Python
scalars that fit; where it does not (`int32 + 1.5`, `sin` of integers) the result has another dtype than the operand,
and what NumPy refuses it raises for: exactly those cases go on to the slow path, which gives the answer or the error.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.array import Array, WeakArray, of_value
from functorch_lite.config import config
from functorch_lite.numpy.promote import (
    AS_IS,
    PYTHON,
    as_array,
    dtype_plan,
    key_of,
    nothing_to_do,
    operand,
    promote,
    promote_shapes,
)
from functorch_lite.trace import Tracer, tracing, typeof

BOOL = np.dtype(bool)
NUMBERS = frozenset((int, float))  # bool and complex are left to the slow path
# A kernel may refuse (shapes, integers out of range), and another thread may be inside `quietly`.
REFUSED = (ValueError, TypeError, OverflowError, RuntimeError)


def _silent_context() -> contextvars.Context:
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


# NumPy keeps its floating point warnings in a context variable. Entering a context in which they are off costs 25 ns,
# `np.errstate` 1000 ns. A context admits one thread at a time, and raises RuntimeError for the second.
quietly = _silent_context().run


def _named(op, name, doc):
    op.__name__ = op.__qualname__ = name
    op.__doc__ = doc
    op.__module__ = "functorch_lite.numpy"
    return op


# ---- whole functions on the host ----

_STATIC = frozenset((int, float, bool, str, type(None)))


def by_numpy(kernel: Callable, *args: Any):
    """A function that NumPy has under the same name and with equal meaning, on Arrays of float32 or of float64.

    None where something else came, NumPy refuses, or its result has another dtype: the caller goes on by operations.
    """
    if tracing:
        return None
    dtype, values = None, []
    for x in args:
        if type(x) is Array:
            value = x._value
            if dtype is None:
                dtype = value.dtype
            elif value.dtype is not dtype:
                return None
            values.append(value)
        elif type(x) in _STATIC:
            values.append(x)
        else:
            return None
    if dtype is None or dtype.char not in "fd":
        return None
    try:
        result = quietly(kernel, *values)
    except (*REFUSED, IndexError):
        return None
    if isinstance(result, (np.ndarray, np.generic)) and (result.dtype is dtype or result.dtype is BOOL):
        return of_value(result)
    return of_value(np.bool_(result)) if type(result) is bool else None


# ---- mixed operands on the host ----

_HOST = frozenset((Array, WeakArray))
_PLAIN = frozenset("?bhilqBHILQefdFD")  # type characters of NumPy's own dtypes
_HUGE = 1 << 53  # beyond it, an int need not be a float


def on_host(kernel: Callable, rule: str, *xs: Any):
    """One NumPy call for operands of several dtypes, or weak ones: they are converted first. None if it refuses."""
    kinds = [type(x) if type(x) in PYTHON else x.type if type(x) in _HOST else None for x in xs]
    if None in kinds:
        return None
    try:
        dtype, weak, _ = dtype_plan(rule, config.default_float, tuple(kinds))
        if dtype.char not in _PLAIN:
            return None
        result = quietly(kernel, *[_host_value(x, dtype) for x in xs])
    except REFUSED:
        return None
    if result.dtype is BOOL and dtype is not BOOL:
        return of_value(result)
    if result.dtype is not dtype:
        return None
    return _of_weak(result) if weak else of_value(result)


def _of_weak(value) -> WeakArray:
    """The same as `of_value`; the type is found when somebody asks, as making one costs 5 us."""
    self = _new(WeakArray)
    self._value = value
    return self


_new = object.__new__


def _host_value(x, dtype):
    if type(x) in PYTHON:
        return np.asarray(x, dtype)[()]
    value = x._value
    return value if value.dtype is dtype else value.astype(dtype)


# ---- one operand ----


def unary(name: str, lower: Callable, kernel: Callable | None, doc: str, rule: str = AS_IS) -> Callable:
    """A function of one array whose result has the dtype in which it computes.

    lower: operand -> result by operations of `lax`; kernel: the NumPy function of equal meaning where there is one.
    """

    def slow(x):
        if type(x) is Tracer and (rule is AS_IS or dtypes.is_inexact(x.type.dtype)):
            return lower(x)
        (x,) = promote(name, rule, x)
        return lower(x)

    if kernel is None:
        return _named(lambda x, /: slow(x), name, doc)

    def op(x, /):
        if type(x) is Array and not tracing:
            value = x._value
            try:
                result = quietly(kernel, value)
                if result.dtype is value.dtype:
                    return of_value(result)
            except REFUSED:
                pass
        if not tracing:
            result = on_host(kernel, rule, x)
            if result is not None:
                return result
        return slow(x)

    return _named(op, name, doc)


def predicate(name: str, lower: Callable, kernel: Callable | None, doc: str) -> Callable:
    """A function of one array whose result is boolean."""

    def op(x, /):
        if kernel is not None and type(x) is Array and not tracing:
            try:
                result = quietly(kernel, x._value)
                if result.dtype is BOOL:
                    return of_value(result)
            except REFUSED:
                pass
        return lower(as_array(name, x))

    return _named(op, name, doc)


# ---- two operands ----


def binary(
    name: str,
    lower: Callable,
    kernel: Callable | None,
    doc: str,
    rule: str = AS_IS,
    on_bool: Callable | None = None,
    arrays: bool = False,
) -> Callable:
    """A function of two arrays whose result has the dtype in which they meet.

    on_bool: what it means for booleans, where that is another operation. arrays: `lower` takes no Python scalars.
    """
    on_bool = on_bool or lower

    def slow(x, y):
        a, b = key_of(x), key_of(y)
        if a is not None and b is not None and not arrays:
            ready = nothing_to_do(rule, config.default_float, a, b)
            if ready and (type(x) is not int or -_HUGE <= x <= _HUGE) and (type(y) is not int or -_HUGE <= y <= _HUGE):
                return (on_bool if ready == "b" else lower)(x, y)
        x, y = promote(name, rule, x, y)
        if arrays:
            x, y = filled(x, y)
        kind = dtypes.kind(typeof(x if type(x) not in PYTHON else y).dtype)
        return (on_bool if kind == "b" else lower)(x, y)

    if kernel is None:
        return _named(lambda x, y, /: slow(x, y), name, doc)

    def op(x, y, /):
        if tracing:
            return slow(x, y)
        kind_x, kind_y = type(x), type(y)
        if kind_x is Array:
            a = x._value
            dtype = a.dtype
            if kind_y is Array:
                b = y._value
                if b.dtype is not dtype:
                    return mixed(x, y)
            elif kind_y in NUMBERS:
                b = y
            else:
                return mixed(x, y)
        elif kind_y is Array and kind_x in NUMBERS:
            a, b = x, y._value
            dtype = b.dtype
        else:
            return mixed(x, y)
        try:
            result = quietly(kernel, a, b)
            if result.dtype is dtype:
                return of_value(result)
        except REFUSED:
            pass
        return mixed(x, y)

    def mixed(x, y):
        result = on_host(kernel, rule, x, y)
        return result if result is not None else slow(x, y)

    return _named(op, name, doc)


def filled(*xs) -> list:
    """Operands of one shape and dtype, with Python scalars among them made arrays."""
    arrays = [typeof(x) for x in xs if type(x) not in PYTHON]
    if len(arrays) == len(xs):
        return list(xs)
    if not arrays:
        return [lax.full((), x, weak=True) for x in xs]
    t = arrays[0]
    return [lax.full(t.shape, x, t.dtype, weak=True) if type(x) in PYTHON else x for x in xs]


_ORDER_KINDS = {float: "fc", int: "iufc"}  # scalars that NumPy compares in the dtype of the array, or exactly


def comparison(name: str, lower: Callable, kernel: Callable, doc: str, beyond: Callable[[bool], bool]) -> Callable:
    """A comparison of two arrays. `beyond(above)` answers it for an integer beyond the range of the array's dtype."""

    def slow(x, y):
        a, b = key_of(x), key_of(y)
        ready = a is not None and b is not None and a is not int and b is not int
        if not ready or not nothing_to_do(AS_IS, config.default_float, a, b):
            x, y = operand(name, x), operand(name, y)
            if type(x) is int or type(y) is int:
                answer = _out_of_range(x, y, beyond)
                if answer is not None:
                    return answer
            x, y = promote(name, AS_IS, x, y)
        return lower(x, y)

    def op(x, y, /):
        if type(x) is Array and not tracing:
            value, kind = x._value, type(y)
            if kind is Array:
                other = y._value
                if other.dtype is not value.dtype:
                    return mixed(x, y)
            elif kind in NUMBERS and value.dtype.kind in _ORDER_KINDS[kind]:
                other = y
            else:
                return mixed(x, y)
            try:
                result = quietly(kernel, value, other)
                if result.dtype is BOOL:
                    return of_value(result)
            except REFUSED:
                pass
        return mixed(x, y)

    def mixed(x, y):
        if not tracing and type(x) is not int and type(y) is not int:
            result = on_host(kernel, AS_IS, x, y)
            if result is not None:
                return result
        return slow(x, y)

    return _named(op, name, doc)


def _out_of_range(x, y, beyond):
    """What a comparison of an integer array with an integer says that its dtype does not hold; None if it does."""
    scalar, array, swapped = (x, y, True) if type(x) is int else (y, x, False)
    if type(array) in PYTHON:
        return None
    t = typeof(array)
    if not dtypes.is_integer(t.dtype):
        return None
    info = dtypes.iinfo(t.dtype)
    if info.min <= scalar <= info.max:
        return None
    return lax.full(t.shape, beyond((scalar > info.max) != swapped), BOOL)


def logical(name: str, lower: Callable, kernel: Callable, doc: str) -> Callable:
    """A boolean operation of two arrays, each taken as `x != 0`."""

    def op(x, y, /):
        if type(x) is Array and type(y) is Array and not tracing:
            try:
                result = quietly(kernel, x._value, y._value)
                if result.dtype is BOOL:
                    return of_value(result)
            except REFUSED:
                pass
        return lower(*promote_shapes(name, truth(name, x), truth(name, y)))

    return _named(op, name, doc)


def truth(name: str, x: Any):
    """`x != 0`, as a boolean operand."""
    x = operand(name, x)
    if type(x) in PYTHON:
        return bool(x)
    return x if dtypes.is_bool(typeof(x).dtype) else lax.ne(x, 0)
