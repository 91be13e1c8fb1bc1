"""The door: what counts as an array, and how the operands of one operation come to one dtype and one shape.

Python scalars stay Python scalars for as long as an array is beside them, so they become literals of the program and
never arrays that have to be broadcast.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.api.devices import device_put
from functorch_lite.array import Array, imported
from functorch_lite.config import config
from functorch_lite.errors import ConcretizationError, ShapeError
from functorch_lite.prims.elementwise import convert as convert_primitive
from functorch_lite.prims.shape import broadcast
from functorch_lite.trace import Tracer, at, executor, tracing, typeof

__all__ = ["array", "asarray"]

PYTHON_TYPES: tuple[Any, ...] = (bool, int, float, complex)
PYTHON = frozenset(PYTHON_TYPES)


# ---- one operand ----


def operand(name: str, x: Any):
    """`x` as operations take it: an Array, a tracer, a numpy array of a dtype of ours, or a Python scalar.

    Lists and whatever else numpy can read are converted. Raises TypeError for None, strings and objects.
    """
    kind = type(x)
    if kind in PYTHON or isinstance(x, Array):
        return x
    if kind is np.ndarray or isinstance(x, np.generic):
        return _native(name, np.asarray(x))
    if kind is list or kind is tuple:
        return _from_sequence(name, x)
    return _from_other(name, x)


def as_array(name: str, x: Any) -> Any:
    """`operand`, with a Python scalar made a weakly typed array of no dimensions."""
    x = operand(name, x)
    return _weak_scalar(x) if type(x) in PYTHON else x


def _weak_scalar(x):
    return lax.full((), x, dtypes.scalar_dtype(type(x)), weak=type(x) is not bool)


def _native(name: str, x: np.ndarray) -> np.ndarray:
    dtype = x.dtype
    if dtype.isnative and dtype in _dtypes_seen:
        return x
    known = _checked_dtype(name, dtype)
    if dtype.isnative and dtype == known:
        _dtypes_seen.add(dtype)
        return x
    return x.astype(known)


_dtypes_seen: set[np.dtype] = set()  # those of arrays that came in and need no conversion


def _checked_dtype(name, dtype):
    try:
        return dtypes.canonical(dtype)
    except TypeError:
        raise TypeError(
            f"{name}: takes arrays of numbers, got an array of dtype {dtype} at {at()}; convert it with numpy first"
        ) from None


def _from_other(name: str, x: Any):
    for python in PYTHON_TYPES:  # enumerations and other subclasses
        if isinstance(x, python):
            return python(x)
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: got a masked array at {at()}, and its mask would be lost; fill it, or use `where`")
    if isinstance(x, range):
        return _from_sequence(name, list(x))
    if hasattr(x, "__jax_array__"):  # what libraries of layers wrap arrays in
        return operand(name, x.__jax_array__())
    if _readable(x):
        try:
            return _native(name, np.array(x))
        except TypeError:  # of a dtype that NumPy does not have
            if not hasattr(x, "__dlpack__"):
                raise
    if hasattr(x, "__dlpack__"):
        return np.array(imported(x))
    got = "None" if x is None else f"a {type(x).__name__}"
    raise TypeError(f"{name}: takes arrays and numbers, got {got} at {at()}; convert it to an array")


def _readable(x) -> bool:
    if isinstance(x, (str, bytes)):
        return False
    if any(hasattr(type(x), protocol) for protocol in ("__array__", "__array_interface__")):
        return True
    try:
        memoryview(x).release()
    except (TypeError, BufferError):
        return False
    return True


# ---- lists ----


def _from_sequence(name: str, xs: Sequence):
    """An array of nested lists. Python scalars alone give the default dtypes; beside arrays they are weak."""
    kinds = _leaf_kinds(xs)
    if any(issubclass(kind, (Array, Tracer)) for kind in kinds):
        return _stack(name, xs)
    try:
        made = np.array(xs)
    except ValueError:
        raise ValueError(f"{name}: the lists at {at()} have different lengths; give rows of one length") from None
    except OverflowError:
        made = np.array(None)
    if made.dtype == object and kinds <= PYTHON:
        raise OverflowError(f"{name}: an integer at {at()} fits no integer dtype; give floats")
    made = _native(name, made)
    if kinds <= PYTHON:
        dtype = _default_of(made.dtype) if kinds else config.default_float
    elif kinds & PYTHON:
        dtype = _dtype_beside_scalars(xs)
    else:
        return made
    return _fitting(name, made, dtype)


def _leaf_kinds(xs) -> set[type]:
    """The types of the leaves of nested lists and tuples."""
    kinds, todo = set(), [xs]
    while todo:
        x = todo.pop()
        found = set(map(type, x))
        if list in found or tuple in found:
            todo.extend([y for y in x if type(y) is list or type(y) is tuple])
            found -= {list, tuple}
        kinds |= found
    return kinds


def _leaves(xs) -> list:
    return [leaf for x in xs for leaf in (_leaves(x) if type(x) in (list, tuple) else [x])]


def _default_of(dtype: np.dtype) -> np.dtype:
    return {"b": dtype, "i": config.default_int, "u": config.default_int, "f": config.default_float,
            "c": config.default_complex}[dtypes.kind(dtype)]  # fmt: skip


def _dtype_beside_scalars(xs) -> np.dtype:
    types = {typeof(x) for x in _leaves(xs)}
    return dtypes.promote(tuple([t.dtype for t in types]), tuple([t.weak for t in types]))[0]


def _fitting(name: str, x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`x` in `dtype`. Raises OverflowError for integers that it does not hold."""
    if x.dtype == dtype:
        return x
    with np.errstate(all="ignore"):
        made = x.astype(dtype)
    if dtypes.is_integer(dtype) and x.size and not np.array_equal(made, x):
        worst = x.max() if x.max() > dtypes.iinfo(dtype).max else x.min()
        raise OverflowError(f'{name}: {worst} does not fit {dtypes.short(dtype)} at {at()}; give dtype="int64"')
    return made


def _stack(name: str, xs: Sequence):
    rows = [_from_sequence(name, x) if type(x) in (list, tuple) else as_array(name, x) for x in xs]
    shapes = {typeof(x).shape for x in rows}
    if len(shapes) > 1:
        shown = " and ".join(sorted(map(str, {typeof(x) for x in rows})))
        raise ShapeError(f"{name}: a list at {at()} holds {shown}; give entries of one shape")
    if not tracing and all(type(x) is Array for x in rows) and len({x.dtype for x in rows}) == 1:
        return executor.asarray(np.stack([x._value for x in rows]))
    rows = promote_dtypes(name, *rows)
    (shape,) = shapes
    made = lax.concatenate([lax.reshape(x, (1, *shape)) for x in rows], 0)
    return lax.convert_element_type(made, typeof(made).dtype)  # a list of weak scalars is not weak


# ---- one dtype and one shape ----

AS_IS = "as is"  # the dtype in which the operands meet
NUMBER = "number"  # the same, with booleans made integers of the default dtype
INEXACT = "inexact"  # the same, with booleans and integers made floats of the default dtype


def result_dtype(rule: str, dtype: np.dtype, weak: bool) -> tuple[np.dtype, bool]:
    """The dtype in which an operation of this class computes, and whether it is weak."""
    kind = dtypes.kind(dtype)
    if rule is INEXACT and kind in "biu":
        return config.default_float, weak
    if rule is NUMBER and kind == "b":
        return config.default_int, weak
    return dtype, weak


@functools.lru_cache(8192)
def dtype_plan(rule: str, default: np.dtype, types: tuple) -> tuple[np.dtype, bool, tuple | None]:
    """The dtype in which operands of these types meet, whether it is weak, and per operand None or what to do.

    `types` holds Python types for scalars; `default` is the default float dtype, which is read here through `config`
    and so part of the key.
    """
    each = [(dtypes.scalar_dtype(t), t is not bool) if type(t) is type else (t.dtype, t.weak) for t in types]
    dtype, weak = dtypes.promote(tuple([d for d, _ in each]), tuple([w for _, w in each]))
    dtype, weak = result_dtype(rule, dtype, weak)
    python = {"b": bool, "i": int, "u": int, "f": float, "c": complex}[dtypes.kind(dtype)]
    steps = tuple([
        (None if t is python else python) if type(t) is type else (None if t.dtype == dtype else dtype) for t in types
    ])  # fmt: skip
    return dtype, weak, steps if any(steps) else None


@functools.lru_cache(8192)
def _shape_plan(shapes: tuple) -> tuple | None:
    """None where all shapes are equal or cannot meet, else (shape, per operand None or the axes it takes there)."""
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        return None
    n = len(shape)
    return shape, tuple([None if s == shape else tuple(range(n - len(s), n)) for s in shapes])


@functools.lru_cache(16384)
def nothing_to_do(rule: str, default: np.dtype, a, b) -> str:
    """The kind of dtype that operands of these types meet in, if none needs conversion or broadcasting, else "".

    A Python int beside floats needs none, as it becomes a literal of their dtype, unless it is huge.
    """
    arrays = [t for t in (a, b) if type(t) is not type]
    if not arrays or len({t.shape for t in arrays}) > 1:
        return ""
    try:
        dtype, _, steps = dtype_plan(rule, default, (a, b))
    except TypeError:
        return ""
    unready = [t for t, step in zip((a, b), steps or ()) if step is not None and not (t is int and step is float)]
    return "" if unready else dtypes.kind(dtype)


def key_of(x):
    """What the plans know an operand by: its type, or the Python type of a scalar; None before it is converted."""
    kind = type(x)
    if kind is Tracer or kind is Array:
        return x.type
    if kind in PYTHON:
        return kind
    return x.type if isinstance(x, Array) else None


def _key(x):
    return type(x) if type(x) in PYTHON else typeof(x)


def promote_dtypes(name: str, *xs, rule: str = AS_IS) -> list:
    """Operands in one dtype; Python scalars stay Python scalars, of the kind of that dtype."""
    xs = [operand(name, x) for x in xs]
    return in_dtype(name, rule, xs, tuple([_key(x) for x in xs]))


def in_dtype(name, rule, xs, types):
    try:
        dtype, weak, steps = dtype_plan(rule, config.default_float, types)
    except TypeError as error:
        raise TypeError(f"{name}: {error}, at {at()}") from None
    if steps is None:
        return xs
    made = []
    for x, step in zip(xs, steps):
        if type(step) is type:
            x = _python(name, step, x)
        elif step is not None:
            x = convert_primitive(x, dtype, weak)
        made.append(x)
    return made


def _python(name, step, x):
    try:
        return step(x)
    except OverflowError:
        raise OverflowError(f"{name}: an integer of {x.bit_length()} bits fits no float, at {at()}") from None


def promote_shapes(name: str, *xs) -> list:
    """Operands broadcast to one shape; Python scalars stay. Raises ValueError where the shapes do not meet."""
    arrays = [x for x in xs if type(x) not in PYTHON]
    shapes = [typeof(x).shape for x in arrays]
    if len(set(shapes)) < 2:
        return list(xs)
    plan = _shape_plan(tuple(shapes))
    if plan is None:
        raise ShapeError(f"{name}: cannot broadcast {' with '.join([str(typeof(x)) for x in arrays])} at {at()}; "
                         "reshape one of them")  # fmt: skip
    shape, steps = plan
    step = iter(steps)
    made = []
    for x in xs:
        axes = None if type(x) in PYTHON else next(step)
        made.append(x if axes is None else broadcast(x, shape, axes))
    return made


@functools.lru_cache(8192)
def _plan(rule: str, default: np.dtype, types: tuple) -> tuple | None:
    """(dtype, weak, shape, per operand its step and its axes), or None where the shapes do not meet."""
    dtype, weak, steps = dtype_plan(rule, default, types)
    shapes = [t.shape for t in types if type(t) is not type]
    axes = [None] * len(shapes)
    shape = shapes[0] if shapes else ()
    if len(set(shapes)) > 1:
        meeting = _shape_plan(tuple(shapes))
        if meeting is None:
            return None
        shape, axes = meeting
    place = iter(axes)
    steps = steps or (None,) * len(types)
    return dtype, weak, shape, tuple([(s, None if type(t) is type else next(place)) for s, t in zip(steps, types)])


def promote(name: str, rule: str, *xs) -> list:
    """Operands of one elementwise operation: one dtype, one shape; Python scalars stay beside an array."""
    types = tuple([key_of(x) for x in xs])
    if None in types:
        xs = [operand(name, x) for x in xs]
        types = tuple([_key(x) for x in xs])
    try:
        plan = _plan(rule, config.default_float, types)
    except TypeError as error:
        raise TypeError(f"{name}: {error}, at {at()}") from None
    if plan is None:
        return promote_shapes(name, *xs)  # which says that they do not meet
    dtype, weak, shape, actions = plan
    made = []
    for x, (step, axes) in zip(xs, actions):
        if step is not None:
            x = _python(name, step, x) if type(step) is type else convert_primitive(x, dtype, weak)
        made.append(x if axes is None else broadcast(x, shape, axes))
    return made


def convert(name: str, x, dtype: np.dtype):
    """`x` as an array of `dtype`, by the meaning XLA gives a conversion; complex to real keeps the real part."""
    x = as_array(name, x)
    t = typeof(x)
    if t.dtype == dtype and not t.weak:
        return x
    if t.dtype != dtype and dtypes.is_complex(t.dtype) and not dtypes.is_complex(dtype):
        x = lax.ne(x, 0) if dtypes.is_bool(dtype) else lax.real(x)
    return lax.convert_element_type(x, dtype)


def dtype_of(x) -> np.dtype:
    """The dtype of an operand; of a Python scalar, its default dtype."""
    return typeof(x).dtype


def user_dtype(name: str, dtype) -> np.dtype | None:
    """A dtype argument of the user, where None stands for none."""
    return None if dtype is None else given_dtype(name, dtype)


def given_dtype(name: str, dtype) -> np.dtype:
    """A dtype argument of the user. Raises TypeError for what is none."""
    try:
        return dtypes.canonical(dtype)
    except TypeError as error:
        raise TypeError(f"{name}: {error}, at {at()}") from None


# ---- integers and axes ----


def said(x) -> str:
    """An argument as a part of a message: the type of an array, of anything else its text on one short line."""
    if isinstance(x, Array):
        return str(typeof(x))
    text = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else " ".join(repr(x).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def one_integer(name: str, what: str, x) -> int:
    """An argument as a Python integer. Raises TypeError for what is none."""
    try:
        return operator.index(x)
    except TypeError as error:
        if isinstance(error, ConcretizationError):
            raise
        raise TypeError(f"{name}: {what} is an integer, got {said(x)} at {at()}") from None


def one_count(name: str, what: str, x) -> int:
    """An argument as a Python integer of at least 0. Raises TypeError or ValueError for what is none."""
    n = one_integer(name, what, x)
    if n < 0:
        raise ValueError(f"{name}: {what} is at least 0, got {n} at {at()}")
    return n


def canonical_axis(name: str, axis, ndim: int) -> int:
    """An axis as a number from 0. Raises AxisError out of range, TypeError for what is no integer."""
    i = one_integer(name, "an axis", axis)
    if not -ndim <= i < ndim:
        raise np.exceptions.AxisError(
            f"{name}: axis {i} is out of bounds for array of dimension {ndim} at {at()}; "
            + (f"use {-ndim} to {ndim - 1}" if ndim else "it has no axes"))
    return i + ndim if i < 0 else i


def canonical_axes(name: str, axis, ndim: int) -> tuple[int, ...]:
    """Axes as sorted numbers from 0; None means all. Raises ValueError for an axis given twice."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) not in (tuple, list):
        return (canonical_axis(name, axis, ndim),)
    axes = [canonical_axis(name, a, ndim) for a in axis]
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: duplicate axis in {tuple(axis)} at {at()}; give each axis once")
    return tuple(sorted(axes))


def canonical_shape(name: str, shape) -> tuple[int, ...]:
    """A shape as a tuple of Python integers. Raises TypeError or ValueError for what is none."""
    if isinstance(shape, np.ndarray) or not isinstance(shape, Sequence):
        shape = tuple(shape) if np.ndim(shape) else (shape,)
    try:
        shape = tuple([operator.index(n) for n in shape])
    except TypeError as error:
        if isinstance(error, ConcretizationError):
            raise
        raise TypeError(f"{name}: a shape is a tuple of integers, got {said(shape)} at {at()}") from None
    if any(n < 0 for n in shape):
        raise ValueError(f"{name}: negative size in the shape {shape} at {at()}; give sizes of at least 0")
    return shape


# ---- array and asarray ----


def asarray(a, dtype=None, order=None, *, copy=None, device=None):
    """An array of `a`: an array, a Python number, nested lists of these, or what numpy can read.

    a: anything of one shape -> an array of the same shape, in `dtype`; without it, arrays keep theirs and Python
    numbers get the defaults. copy: nothing to do, as arrays never change; but with False, raises ValueError for what
    is no array yet. Raises TypeError for objects and strings, OverflowError for integers that do not fit, ValueError
    for ragged lists.
    """
    made = _array("asarray", a, dtype, order)
    if copy is False and not (isinstance(a, Array) and typeof(a).dtype == typeof(made).dtype):
        raise ValueError(f"asarray: an array of the {type(a).__name__} at {at()} needs a copy; leave copy=False out")
    return placed(made, device)


def array(object, dtype=None, copy=True, order="K", ndmin=0, *, device=None):
    """An array of `object`, as `asarray`, with at least `ndmin` dimensions (new ones in front)."""
    made = placed(_array("array", object, dtype, order), device)
    ndim = typeof(made).ndim
    return made if ndim >= ndmin else lax.reshape(made, (*[1] * (ndmin - ndim), *typeof(made).shape))


def placed(x, device):
    """`x` on a device, where one is given."""
    return x if device is None else device_put(x, device)


def _array(name, x, dtype, order):
    if order not in (None, "K", "C", "A"):
        raise ValueError(f"{name}: order={said(order)} at {at()} is not kept, arrays are row-major; leave it out")
    if dtype is not None:
        dtype = user_dtype(name, dtype)
    made = _with_dtype(name, x, dtype)
    return made if isinstance(made, Array) else executor.asarray(made)


def _with_dtype(name, x, dtype):
    if dtype is None:
        return as_array(name, x)
    if type(x) in PYTHON:
        return _scalar_in(name, x, dtype)
    if type(x) in (list, tuple) and dtypes.is_integer(dtype) and _leaf_kinds(x) <= {int, bool}:
        return _integers(name, x, dtype)
    return convert(name, x if type(x) not in (list, tuple) else _untyped(name, x, dtype), dtype)


def _scalar_in(name, x, dtype):
    kind = dtypes.kind(dtype)
    if kind == "f" and type(x) is int:
        x = _python(name, float, x)
    elif kind == "b" or (kind != "c" and type(x) is complex) or (kind in "iu" and type(x) is float):
        return convert(name, x, dtype)
    return lax.full((), x, dtype)


def _integers(name, xs, dtype):
    try:
        made = np.array(xs, np.int64 if dtypes.kind(dtype) == "i" else np.uint64)
    except OverflowError as error:
        raise OverflowError(f"{name}: {error}, which {dtypes.short(dtype)} does not hold, at {at()}") from None
    except ValueError:
        raise ValueError(f"{name}: the lists at {at()} have different lengths; give rows of one length") from None
    return _fitting(name, made, dtype)


def _untyped(name, xs, dtype):
    """Nested lists with Python floats in full precision, as the dtype that they get is known."""
    kinds = _leaf_kinds(xs)
    wide = kinds <= PYTHON and dtypes.is_inexact(dtype)
    return _native(name, np.array(xs, np.complex128 if complex in kinds else np.float64)) if wide else xs
