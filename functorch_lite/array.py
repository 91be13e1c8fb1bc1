"""Array: an immutable array with a host or a device buffer behind it.

What makes eager operations cheap: `type(x) is Array` means strongly typed and on the host; whatever is rare (weakly
typed, on an accelerator, sharded) is a subclass and misses that test. Slots fill on demand: `_value` (NumPy) from
`_buffer` (XLA) and back, without a copy where that is possible, so wrapping a result stores one slot and waits for
nothing.
"""

from __future__ import annotations

import importlib
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.errors import DonatedError
from functorch_lite.ir import ArrayType, array_type
from functorch_lite.trace import SCALARS, Tracer, at, executor, leaked, tracing

_new = object.__new__


class Backend:
    """The hook to floor `xla`, which is imported when the first device buffer is needed."""

    devices: Any  # (platform or None) -> devices
    put: Any  # (NumPy array, ArrayType) -> buffer on the default device
    to_numpy: Any  # buffer -> NumPy array
    run_values: Any  # (Graph, NumPy arrays) -> NumPy arrays, compiled
    executable: Any  # (Graph, name, donated, device) -> what runs it on buffers
    module: Any  # (Graph, name, donated) -> StableHLO module
    hlo_text: Any  # StableHLO text -> HLO text
    gathered: Any  # (buffer on several devices, its sharding, ArrayType) -> NumPy array
    shards_of: Any  # ShardedArray -> its parts
    cut_along: Any  # (devices, number of axes, the axis that is cut or None) -> Sharding
    spread_over: Any  # (NumPy array, devices, the axis that is cut or None) -> ShardedArray
    several: Any  # (Graph, name, donated, shardings of the operands) -> what runs it on several devices
    exported: Any  # buffer -> DLPack capsule
    imported: Any  # exporter of DLPack -> NumPy array
    widened: Any  # buffer of a packed narrow type -> buffer of a type that NumPy can read


class _LazyBackend(Backend):
    def __getattr__(self, name):
        importlib.import_module("functorch_lite.xla.compile")  # fills this object in; it costs 100 ms, so it waits
        return self.__dict__[name]


backend = _LazyBackend()


class _ArrayMeta(type):
    def __instancecheck__(cls, x):
        return type.__instancecheck__(cls, x) or (cls is Array and isinstance(x, Tracer))


class Array(metaclass=_ArrayMeta):
    """An immutable array. One of `_value` (host) and `_buffer` (XLA) is filled at birth.

    Make one with `functorch_lite.numpy.array`. Operators and methods are installed by `functorch_lite.numpy`.
    """

    __slots__ = ("__weakref__", "_buffer", "_value", "type")
    __array_priority__ = 1000  # ndarray * Array defers to Array

    if TYPE_CHECKING:  # what `functorch_lite.numpy` installs and type checkers must see on the class
        __getitem__: Any
        __iter__: Any
        __add__: Any
        __mul__: Any

    def __new__(cls, *args, **kwargs):
        raise TypeError(f"Array cannot be called, at {at()}; use `functorch_lite.numpy.array(...)`")

    def __getattr__(self, name) -> Any:  # only reached while the slot `name` is empty, or there is no such attribute
        if name == "_value":
            filled = self._find_value()
        elif name == "_buffer":
            try:
                value = _VALUE(self)
            except AttributeError:
                raise AttributeError("this Array holds nothing yet") from None
            filled = backend.put(np.asarray(value), self.type)
        elif name == "type":
            filled = self._find_type()
        else:
            raise AttributeError(f"Array has no attribute `{name}`")
        setattr(self, name, filled)
        return filled

    def _find_value(self) -> np.ndarray:
        buffer = _BUFFER(self)
        if buffer.is_deleted():
            raise DonatedError(f"{buffer.aval} was used at {at()} after its memory had been donated or deleted; use "
                               "the result of the call that took it instead")  # fmt: skip
        return backend.to_numpy(buffer)

    def _find_type(self) -> ArrayType:
        try:
            known = _VALUE(self)
        except AttributeError:
            return _BUFFER(self).aval
        return array_type(known.shape, known.dtype)

    sharding = property(lambda self: backend.cut_along(backend.devices(None)[:1], self.ndim, None),
                        doc="How the array lies on devices.")  # fmt: skip

    @property
    def addressable_shards(self) -> list:
        """The parts, one per device: each has `device`, `index`, `replica_id` and `data`."""
        return backend.shards_of(self)

    @property
    def device(self) -> Any:
        """Where the memory is, or would be; of several devices, how the array lies on them."""
        where = self.sharding.devices
        return where[0] if len(where) == 1 else self.sharding

    def devices(self) -> set:
        """The devices on which the memory is, or would be."""
        return set(self.sharding.devices)

    shape = property(lambda self: self.type.shape)
    dtype = property(lambda self: self.type.dtype)
    ndim = property(lambda self: self.type.ndim)
    size = property(lambda self: self.type.size)
    aval = property(lambda self: self.type)
    weak_type = property(lambda self: self.type.weak)
    nbytes = property(lambda self: self.type.size * self.type.dtype.itemsize)

    def __repr__(self) -> str:
        return _repr(self)

    def __str__(self) -> str:
        return str(np.asarray(self._value))

    def __format__(self, spec: str) -> str:
        if spec and self.ndim:
            raise TypeError(f"{self.type} takes no format {spec!r}, at {at()}; format its elements, or round it")
        return format(np.asarray(self._value)[()], spec) if spec else str(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"len() of an array without axes, {self.type}, at {at()}")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth value of {self.type} is ambiguous, at {at()}; use `.any()` or `.all()`")
        return bool(np.asarray(self._value).reshape(()))

    def __float__(self) -> float:
        return float(_scalar(self, "float"))

    def __int__(self) -> int:
        return int(_scalar(self, "int"))

    def __complex__(self) -> complex:
        return complex(_scalar(self, "complex"))

    def __index__(self) -> int:
        if dtypes.kind(self.dtype) not in "iu" or self.ndim:
            raise TypeError(f"{self.type} is no index, at {at()}; only integers without axes are")
        return operator.index(int(np.asarray(self._value)))

    def __hash__(self):
        raise TypeError(f"an Array is compared by its elements, so it has no hash, at {at()}; hash `x.tobytes()`, "
                        "or mark another argument static")  # fmt: skip

    def __array__(self, dtype=None, copy=None):
        frozen = np.asarray(self._value).view()
        frozen.flags.writeable = False
        if dtype is None or dtype == frozen.dtype:
            return frozen.copy() if copy else frozen
        if copy is False:
            raise ValueError(f"a {np.dtype(dtype)} view of {self.type} needs a copy, at {at()}")
        return frozen.astype(dtype)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if dl_device is not None and tuple(dl_device) != _CPU:
            raise BufferError(f"{self.type} is exported in the memory of the CPU, device {_CPU}, got "
                              f"dl_device={tuple(dl_device)} at {at()}")  # fmt: skip
        value = np.array(self._value) if copy else np.asarray(self._value)
        if value.dtype.isbuiltin != 1:
            return backend.exported(backend.put(value, self.type) if copy else on_one_device(self)._buffer)
        if max_version is None or max_version < (1, 0):
            # the older protocol knows no read-only memory, as that of XLA is
            return (value if value.flags.writeable else value.copy()).__dlpack__()
        shared = value.view()
        shared.flags.writeable = bool(copy)
        return shared.__dlpack__(max_version=max_version)

    def __dlpack_device__(self):
        return _CPU

    def block_until_ready(self):
        """Wait until the value has been computed; returns the array itself."""
        try:
            buffer = _BUFFER(self)  # asked first: who waits, waits for a result of XLA
        except AttributeError:
            return self
        buffer.block_until_ready()
        return self

    def is_ready(self) -> bool:
        """Whether the value has been computed already."""
        try:
            _VALUE(self)
        except AttributeError:
            return _BUFFER(self).is_ready()
        return True

    def copy_to_host_async(self) -> None:
        """Start to copy the value to the host, without waiting for it: there is nothing to copy from a CPU."""

    def delete(self) -> None:
        """Free the memory now; the array cannot be used afterwards."""
        self._donate()
        self._buffer.delete()

    def is_deleted(self) -> bool:
        """Whether the memory was given away by donation, or deleted."""
        try:
            _VALUE(self)
        except AttributeError:
            return _BUFFER(self).is_deleted()
        return False

    def _donate(self) -> None:
        """Give the memory away: the host view goes, the buffer is about to."""
        self._buffer  # noqa: B018  filled before the view is dropped
        try:
            del self._value
        except AttributeError:
            pass

    def __reduce__(self):
        return from_numpy, (np.asarray(self._value), self.type.weak)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


_CPU = (1, 0)  # in the numbers of DLPack
_VALUE, _BUFFER = Array._value.__get__, Array._buffer.__get__  # the slots themselves, without the fallback


class WeakArray(Array):
    """An Array that came from Python scalars only: it yields in promotion."""

    __slots__ = ()

    def _find_type(self) -> ArrayType:
        strong = super()._find_type()
        return array_type(strong.shape, strong.dtype, True)


class ShardedArray(Array):
    """An Array whose parts lie on several devices; they are gathered when the host asks for the value."""

    __slots__ = ("_shards", "sharding")

    def __getattr__(self, name) -> Any:
        if name == "_buffer":  # what would use it runs on one device
            raise AttributeError("this Array lies on several devices")
        return super().__getattr__(name)

    def _find_value(self) -> np.ndarray:
        if self._shards.is_deleted():
            raise DonatedError(f"{self.type} was used at {at()} after its memory had been donated or deleted; use the "
                               "result of the call that took it instead")  # fmt: skip
        return backend.gathered(self._shards, self.sharding, self.type)

    def block_until_ready(self):
        self._shards.block_until_ready()
        return self

    def is_ready(self) -> bool:
        return self._shards.is_ready()

    def is_deleted(self) -> bool:
        return self._shards.is_deleted()

    def delete(self) -> None:
        self._donate()
        self._shards.delete()

    def _donate(self) -> None:
        try:
            del self._value
        except AttributeError:
            pass


def of_shards(buffer, sharding, type_: ArrayType) -> ShardedArray:
    """Wrap a buffer that lies on several devices."""
    self = _new(ShardedArray)
    self._shards, self.sharding, self.type = buffer, sharding, type_
    return self


def on_one_device(x: Any) -> Any:
    """What lies on several devices, gathered; everything else as it is."""
    return of_typed(x._value, x.type) if type(x) is ShardedArray else x


def _scalar(x: Array, what: str):
    if x.ndim:
        raise TypeError(f"only arrays without axes convert to {what}, got {x.type} at {at()}; use `.item()`")
    if what != "complex" and dtypes.is_complex(x.dtype):
        raise TypeError(f"{x.type} does not convert to {what}, at {at()}; take its `.real` part or its absolute value")
    return np.asarray(x._value)[()]


def _repr(x: Array) -> str:
    value = np.asarray(x._value)
    if value.dtype.kind == "V":  # the narrow types of ml_dtypes print through wider ones
        value = value.astype(np.int8 if dtypes.is_integer(x.type.dtype) else np.float32)
    body = np.array2string(value, separator=", ", prefix="Array(")
    weak = ", weak_type=True" if x.type.weak else ""
    if not value.size and value.shape != (0,):
        body = f"{body}, shape={value.shape}"
    return f"Array({body}, dtype={x.type.dtype.name}{weak})"


def of_value(value) -> Array:
    """Wrap a fresh NumPy array or scalar, without a copy; nobody may write to it afterwards."""
    self = _new(Array)
    self._value = value
    return self


def of_typed(value, type_: ArrayType) -> Array:
    """The same where the type is known already."""
    self = _new(WeakArray if type_.weak else Array)
    self._value, self.type = value, type_
    return self


def of_buffer(buffer) -> Array:
    """Wrap a result of XLA, without waiting for it."""
    self = _new(WeakArray if buffer.aval.weak else Array)
    self._buffer = buffer
    return self


def from_numpy(value: np.ndarray, weak: bool = False) -> Array:
    """Copy a NumPy array in."""
    value = np.array(value)
    return of_typed(value, array_type(value.shape, dtypes.canonical(value.dtype), weak))


def asarray(x: Any) -> Array:
    """The Array of an array-like that is no list: an Array as it is, NumPy arrays by copy, Python scalars weak.

    Raises TypeError for object arrays, strings and everything that is no array.
    """
    kind = type(x)
    if isinstance(x, Tracer):
        raise leaked(x)
    if type.__instancecheck__(Array, x):
        return x
    if kind in SCALARS:
        dtype = dtypes.scalar_dtype(kind)
        return of_typed(scalar(x, dtype), array_type((), dtype, True))
    if kind is not np.ndarray and not isinstance(x, np.generic):
        x = _foreign(x)
    try:
        dtype = dtypes.canonical(x.dtype)
    except TypeError:
        raise TypeError(f"expected an array of numbers, got a NumPy array of dtype {x.dtype} at {at()}") from None
    return of_value(x if isinstance(x, np.generic) and x.dtype is dtype else np.array(x, dtype, order="C"))


def scalar(x: Any, dtype: np.dtype) -> Any:
    """A Python scalar as a NumPy scalar of a dtype. Raises OverflowError where an integer does not fit."""
    kind = dtypes.kind(dtype)
    if kind in "iu" and not isinstance(x, bool):
        info = dtypes.iinfo(dtype)
        if not info.min <= x <= info.max:
            raise OverflowError(f"{x} does not fit {dtypes.short(dtype)} at {at()}; give a wider dtype")
    return np.asarray(x, dtype)[()] if dtype.kind != "V" else np.asarray(x).astype(dtype)[()]


def _foreign(x: Any) -> np.ndarray:
    """What other libraries call an array; masked arrays are refused, as their mask would be lost."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"got a masked array at {at()}; fill it first: `x.filled(0)`")
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    if hasattr(x, "__array__"):
        return np.asarray(x)
    if hasattr(x, "__dlpack__"):
        return imported(x)
    raise TypeError(f"expected an array or a number, got {type(x).__name__} at {at()}{_hint(x)}")


def imported(x: Any) -> np.ndarray:
    """What another library exports by DLPack, in the memory of its owner where NumPy can read that."""
    try:
        return np.from_dlpack(x)
    except (RuntimeError, BufferError):  # a dtype that NumPy does not have, or memory elsewhere
        pass
    try:
        return backend.imported(x)
    except (RuntimeError, ValueError, NotImplementedError):
        raise BufferError(f"the {type(x).__name__} at {at()} exports memory that cannot be read here; move it to the "
                          "CPU, in a dtype that arrays have") from None  # fmt: skip


def _hint(x) -> str:
    if isinstance(x, (list, tuple)):
        return "; make it an array with `functorch_lite.numpy.array`"
    return "; None is no array" if x is None else ""


executor.asarray = asarray

__all__ = ["Array", "WeakArray", "asarray", "backend", "from_numpy", "of_buffer", "of_typed", "of_value", "tracing"]
