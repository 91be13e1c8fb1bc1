"""Operators, methods and properties of arrays and tracers: functions of this package under the names NumPy gives them.

Both classes live on lower floors and know no functions; importing this module installs them.
"""

from __future__ import annotations

import sys
from typing import Literal

import numpy as np

from functorch_lite import dtypes, lax
from functorch_lite.api.devices import device_put, devices
from functorch_lite.array import Array, of_value
from functorch_lite.numpy import (
    arithmetic,
    contract,
    cumulative,
    diagonals,
    joining,
    placing,
    reductions,
    rounding,
    selecting,
    shape,
    sorting,
    ufuncs,
)
from functorch_lite.numpy.at import At
from functorch_lite.numpy.dispatch import REFUSED
from functorch_lite.numpy.indexing import getitem, lax_reshape
from functorch_lite.numpy.inspection import VERSIONS
from functorch_lite.numpy.namesakes import array_function, array_ufunc
from functorch_lite.numpy.pieces import host_index
from functorch_lite.numpy.promote import PYTHON, user_dtype
from functorch_lite.prims.bits import width
from functorch_lite.trace import Tracer, at, tracing, typeof

# ---- operators ----

_OPERANDS = frozenset((Array, Tracer, np.ndarray, *PYTHON))
_NO_OPERANDS = (list, tuple, dict, set, frozenset)
_NO_NUMBERS = (type(None), str, bytes)


def _other(sign, self, other, strict):
    """Whether `other` may be an operand; False leaves the answer to `other`. Raises TypeError where nobody has one."""
    if isinstance(other, (Array, np.ndarray, np.generic, *PYTHON)) or hasattr(other, "__jax_array__"):
        return True
    if sign == "*" and isinstance(other, (str, bytes)) and not self.ndim and dtypes.is_integer(self.dtype):
        return False  # a text repeated so often
    if isinstance(other, _NO_OPERANDS) or (strict and isinstance(other, _NO_NUMBERS)):
        got = "None" if other is None else f"a {type(other).__name__}"
        raise TypeError(
            f"{typeof(self)} {sign} {got}, at {at()}: an operand is an array or a number; convert it with `array`"
        )
    return hasattr(type(other), "__array__") and not hasattr(type(other), f"__r{_REFLECTED.get(sign)}__")


_BINARY = {
    "add": ("+", ufuncs.add),
    "sub": ("-", ufuncs.subtract),
    "mul": ("*", ufuncs.multiply),
    "truediv": ("/", ufuncs.true_divide),
    "floordiv": ("//", arithmetic.floor_divide),
    "mod": ("%", arithmetic.remainder),
    "divmod": ("divmod", arithmetic.divmod),
    "matmul": ("@", contract.matmul),
    "and": ("&", ufuncs.bitwise_and),
    "or": ("|", ufuncs.bitwise_or),
    "xor": ("^", ufuncs.bitwise_xor),
    "lshift": ("<<", ufuncs.left_shift),
    "rshift": (">>", ufuncs.right_shift),
}
_COMPARISONS = {
    "eq": ("==", ufuncs.equal),
    "ne": ("!=", ufuncs.not_equal),
    "lt": ("<", ufuncs.less),
    "le": ("<=", ufuncs.less_equal),
    "gt": (">", ufuncs.greater),
    "ge": (">=", ufuncs.greater_equal),
}
_REFLECTED = {sign: name for name, (sign, _) in _BINARY.items()} | {"**": "pow"}


def _binary(sign, fun, strict=True):
    def op(self, other):
        if type(other) in _OPERANDS or _other(sign, self, other, strict):
            return fun(self, other)
        return NotImplemented

    def reflected(self, other):
        if type(other) in _OPERANDS or _other(sign, self, other, strict):
            return fun(other, self)
        return NotImplemented

    return op, reflected


def _pow(self, other, modulus=None):
    if modulus is not None:
        raise TypeError(f"pow() of {typeof(self)} takes no third argument, at {at()}; use `x ** y % z`")
    if type(other) in _OPERANDS or _other("**", self, other, True):
        return arithmetic.power(self, other)
    return NotImplemented


def _getitem(self, index):
    if type(self) is Array and not tracing:
        kind = type(index)
        try:
            if kind is int or kind is slice:
                return of_value(self._value[index])  # a view; NumPy knows the bounds
            index_on_host = host_index(index)
            if index_on_host is not None:
                return of_value(self._value[index_on_host])
        except (IndexError, *REFUSED):
            pass  # the general way raises our error
    return getitem(self, index)


def _setitem(self, index, value):
    raise TypeError(f"{typeof(self)} never changes, at {at()}; use `x = x.at[index].set(value)`")


def _delitem(self, index):
    raise TypeError(f"{typeof(self)} never changes, at {at()}; use `x = delete(x, index)`")


def _iter(self):
    if not self.ndim:
        raise TypeError(f"iteration over an array without axes, {typeof(self)}, at {at()}")
    return (self[k] for k in range(self.shape[0]))


def _len(self):
    if not self.ndim:
        raise TypeError(f"len() of an array without axes, {typeof(self)}, at {at()}")
    return self.shape[0]


def _contains(self, value):
    return bool(reductions.any(ufuncs.equal(self, value)))


def _round(self, ndigits=None):
    if ndigits is not None or not dtypes.is_float(self.dtype):
        return rounding.round(self, ndigits or 0)
    return shape.astype(rounding.round(self), int)  # as Python's round makes integers of floats


def _array_namespace(self, *, api_version=None):
    if api_version not in (None, *VERSIONS):
        raise ValueError(f"__array_namespace__: api_version={api_version!r} at {at()}; there are {', '.join(VERSIONS)}")
    return sys.modules["functorch_lite.numpy"]


_OPERATORS = {
    "__abs__": ufuncs.absolute,
    "__invert__": ufuncs.invert,
    "__neg__": ufuncs.negative,
    "__pos__": ufuncs.positive,
    "__round__": _round,
    "__pow__": _pow,
    "__rpow__": _binary("**", arithmetic.power)[1],
    "__getitem__": _getitem,
    "__setitem__": _setitem,
    "__delitem__": _delitem,
    "__iter__": _iter,
    "__len__": _len,
    "__contains__": _contains,
    "__array_namespace__": _array_namespace,
}
for _name, (_sign, _fun) in _BINARY.items():
    _OPERATORS[f"__{_name}__"], _OPERATORS[f"__r{_name}__"] = _binary(_sign, _fun)
for _name, (_sign, _fun) in _COMPARISONS.items():
    _OPERATORS[f"__{_name}__"] = _binary(_sign, _fun, strict=_name not in ("eq", "ne"))[0]


# ---- methods ----


def reshape(self, *shape, order="C", copy=None, out_sharding=None):
    """The elements in another shape, given as a tuple or as integers; see `numpy.reshape`."""
    return shape_of(self, shape[0] if len(shape) == 1 else shape, order)


shape_of = shape.reshape


def transpose(self, *axes):
    """The axes in another order, given as a tuple or as integers; reversed if none are given."""
    if not axes:
        return shape.transpose(self)
    return shape.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


def flatten(self, order="C"):
    """The elements as one axis."""
    return shape.ravel(self, order)


def _values(self) -> np.ndarray:
    return np.asarray(self.concrete() if isinstance(self, Tracer) else self)


def item(self, *index):
    """The only element, or the one at `index`, as a Python number."""
    if index:
        where = index if len(index) > 1 else next(iter(index))
        return item((self if isinstance(where, tuple) or self.ndim == 1 else shape.ravel(self))[where])
    if self.size != 1:
        raise ValueError(f"item() takes an array of one element, got {typeof(self)} at {at()}; give its index")
    return _values(self).item()


def tolist(self):
    """The elements as nested lists of Python numbers."""
    return _values(self).tolist()


def view(self, dtype=None, type=None):
    """The same bytes read as another dtype; where the element sizes differ, the last axis grows or shrinks."""
    if type is not None:
        raise TypeError(f"view: there are no other classes of arrays, got type={type!r} at {at()}; leave it out")
    new = user_dtype("view", dtype)
    if new is None or new == self.dtype:
        return self
    old = self.dtype
    if dtypes.is_bool(old):
        return view(lax.convert_element_type(self, np.dtype(np.uint8)), new)
    if dtypes.is_bool(new):
        return lax.ne(view(self, np.uint8), 0)
    if dtypes.is_complex(old):
        pair = [lax.reshape(part, (*self.shape, 1)) for part in (lax.real(self), lax.imag(self))]
        return view(_last_axes_joined(lax.concatenate(pair, self.ndim)), new)
    if dtypes.is_complex(new):
        parts = _last_axis_split(view(self, dtypes.real_of(new)), 2, new)
        return lax.complex(parts[..., 0], parts[..., 1])
    return _view_bits(self, width(old), new)


def _view_bits(self, size, new):
    if size == width(new):
        return lax.bitcast_convert_type(self, new)
    if not self.ndim:
        raise ValueError(
            f"view: {typeof(self)} has no axis to grow or shrink for {dtypes.short(new)}, at {at()}; reshape it"
        )
    if size > width(new):
        return _last_axes_joined(lax.bitcast_convert_type(self, new))
    return lax.bitcast_convert_type(_last_axis_split(self, width(new) // size, new), new)


def _last_axes_joined(x):
    return lax_reshape(x, (*x.shape[:-2], x.shape[-2] * x.shape[-1])) if x.ndim > 1 else x


def _last_axis_split(x, n, new):
    if not x.ndim or x.shape[-1] % n:
        raise ValueError(
            f"view: the last axis of {typeof(x)} does not divide into elements of {dtypes.short(new)}, at {at()}"
        )
    return lax_reshape(x, (*x.shape[:-1], x.shape[-1] // n, n))


def to_device(self, device, *, stream=None):
    """The array with its memory on `device`, one of `devices()`."""
    return device_put(self, device)


def choose(self, choices, out=None, mode="raise"):
    """`numpy.choose`."""
    return placing.choose(self, choices, out, mode)


def compress(self, condition, axis=None, *, size=None, fill_value=0, out=None):
    """`numpy.compress(condition, self, axis)`."""
    return selecting.compress(condition, self, axis, size=size, fill_value=fill_value, out=out)


def tobytes(self, order: Literal["C", "F"] = "C") -> bytes:
    """The bytes of the elements in row-major order, or by columns with "F"."""
    return _values(self).tobytes(order)


_METHODS = {
    "choose": choose, "compress": compress, "flatten": flatten, "item": item, "reshape": reshape,
    "to_device": to_device,
    "tobytes": tobytes, "tolist": tolist, "transpose": transpose, "view": view,
    "clip": rounding.clip, "round": rounding.round, "conj": ufuncs.conj, "conjugate": ufuncs.conj,
    "cumsum": cumulative.cumsum, "cumprod": cumulative.cumprod, "diagonal": diagonals.diagonal,
    "dot": contract.dot, "trace": diagonals.trace, "repeat": joining.repeat,
    **{name: getattr(reductions, name)
       for name in ("all", "any", "argmax", "argmin", "max", "mean", "min", "prod", "ptp", "std", "sum", "var")},
    **{name: getattr(shape, name) for name in ("astype", "copy", "ravel", "squeeze", "swapaxes")},
    **{name: getattr(sorting, name) for name in ("argpartition", "argsort", "searchsorted", "sort")},
    **{name: getattr(selecting, name) for name in ("nonzero", "take")},
}  # fmt: skip

_PROPERTIES = {
    "T": (shape.transpose, "The axes reversed."),
    "mT": (shape.matrix_transpose, "The last two axes swapped."),
    "at": (At, "Functional updates: `x.at[index].set(value)`, `.add`, `.multiply`, `.min`, `.max`, `.get`, ..."),
    "real": (ufuncs.real, "The real part."),
    "imag": (ufuncs.imag, "The imaginary part."),
    "flat": (shape.ravel, "The elements as one axis."),
    "itemsize": (lambda self: self.dtype.itemsize, "Bytes per element."),
    "nbytes": (lambda self: self.size * self.dtype.itemsize, "Bytes of all elements."),
}


def install() -> None:
    """Put operators, methods and properties on both classes."""
    Tracer.device = property(lambda self: devices()[0], doc="Where what is made of it without a device lies.")
    Tracer.__array_ufunc__, Tracer.__array_function__ = array_ufunc, array_function
    for cls in (Array, Tracer):
        for name, fun in {**_OPERATORS, **_METHODS}.items():
            setattr(cls, name, fun)
        for name, (fun, doc) in _PROPERTIES.items():
            setattr(cls, name, property(fun, doc=doc))
