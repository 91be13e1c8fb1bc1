"""dtypes as a user names them: `float32`, `bfloat16`, ..., and questions about them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import Array
from functorch_lite.config import config
from functorch_lite.dtypes import issubdtype
from functorch_lite.numpy.promote import PYTHON, asarray, operand, user_dtype
from functorch_lite.trace import at, typeof

__all__ = ["can_cast", "finfo", "iinfo", "isdtype", "issubdtype", "promote_types", "result_type"]


class ScalarType:
    """Stands for a dtype: call it to make an array of it, or give it wherever a dtype is asked for."""

    __slots__ = ("__name__", "_dtype")

    def __init__(self, name: str, dtype: str | None = None):
        self.__name__ = name
        self._dtype = dtypes.canonical(name if dtype is None else dtype)

    @property
    def dtype(self) -> np.dtype:
        return self._dtype

    def __call__(self, x: Any = 0):
        return asarray(x, self.dtype)

    def __eq__(self, other):
        if isinstance(other, (ScalarType, np.dtype)):
            return self.dtype == (other.dtype if isinstance(other, ScalarType) else other)
        return self.dtype.type is other

    def __hash__(self):
        return hash(self.dtype.type)

    def __repr__(self) -> str:
        return f"functorch_lite.numpy.{self.__name__}"

    def __reduce__(self):
        return self.__name__  # pickled as the name in this module


class DefaultType(ScalarType):
    """The dtype that Python numbers of one kind get: it follows `config.default_dtype`."""

    __slots__ = ()

    @property
    def dtype(self) -> np.dtype:
        if self.__name__ == "uint":
            return np.dtype(f"u{config.default_int}")
        return {"f": config.default_float, "i": config.default_int, "c": config.default_complex}[self.__name__[0]]


bool_ = ScalarType("bool_", "bool")
int2 = ScalarType("int2")
int4 = ScalarType("int4")
int8 = ScalarType("int8")
int16 = ScalarType("int16")
int32 = ScalarType("int32")
int64 = ScalarType("int64")
uint2 = ScalarType("uint2")
uint4 = ScalarType("uint4")
uint8 = ScalarType("uint8")
uint16 = ScalarType("uint16")
uint32 = ScalarType("uint32")
uint64 = ScalarType("uint64")
float16 = ScalarType("float16")
float32 = ScalarType("float32")
float64 = ScalarType("float64")
bfloat16 = ScalarType("bfloat16")
float4_e2m1fn = ScalarType("float4_e2m1fn")
float8_e3m4 = ScalarType("float8_e3m4")
float8_e4m3 = ScalarType("float8_e4m3")
float8_e4m3b11fnuz = ScalarType("float8_e4m3b11fnuz")
float8_e4m3fn = ScalarType("float8_e4m3fn")
float8_e4m3fnuz = ScalarType("float8_e4m3fnuz")
float8_e5m2 = ScalarType("float8_e5m2")
float8_e5m2fnuz = ScalarType("float8_e5m2fnuz")
float8_e8m0fnu = ScalarType("float8_e8m0fnu")
complex64 = ScalarType("complex64")
complex128 = ScalarType("complex128")
half, single, double = float16, float32, float64
csingle, cdouble = complex64, complex128
float_, int_, complex_ = [DefaultType(name, "float32") for name in ("float_", "int_", "complex_")]
uint = DefaultType("uint", "uint32")


def _told(limits):
    @functools.wraps(limits)
    def told(dtype):
        try:
            return limits(dtype)
        except TypeError as error:
            raise TypeError(f"{error}, at {at()}") from None

    return told


finfo, iinfo = _told(dtypes.finfo), _told(dtypes.iinfo)


def promote_types(a, b) -> np.dtype:
    """The dtype in which two dtypes meet; the Python types `int`, `float`, `complex` are weak."""
    pair = [_typed("promote_types", t) for t in (a, b)]
    return _meet("promote_types", pair)


def result_type(*args) -> np.dtype:
    """The dtype in which arrays, Python numbers and dtypes meet."""
    if not args:
        raise ValueError(f"result_type: needs at least one array or dtype, got none at {at()}")
    return _meet("result_type", [_typed("result_type", x) for x in args])


def _typed(name, x) -> tuple[np.dtype, bool]:
    """(dtype, whether it is weak) of an array, a number or what names a dtype."""
    if type(x) in PYTHON or isinstance(x, (Array, np.ndarray, np.generic)):
        t = typeof(operand(name, x))
        return t.dtype, t.weak and not dtypes.is_bool(t.dtype)
    dtype: Any = user_dtype(name, float if x is None else x)
    return dtype, x in (int, float, complex) if isinstance(x, type) else False


def _meet(name, pairs):
    try:
        return dtypes.promote(tuple([d for d, _ in pairs]), tuple([w for _, w in pairs]))[0]
    except TypeError as error:
        raise TypeError(f"{name}: {error}, at {at()}") from None


def can_cast(from_, to, casting="safe") -> bool:
    """Whether a conversion is allowed by NumPy's rule `casting`: "no", "equiv", "safe", "same_kind" or "unsafe"."""
    given: Any = [*[user_dtype("can_cast", t) for t in (from_, to)], casting]
    return bool(np.can_cast(*given))


kinds = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def isdtype(dtype, kind) -> bool:
    """Whether `dtype` is of a kind of the array API standard, or a given dtype, or one of several of these.

    kind: "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric".
    """
    dtype = user_dtype("isdtype", dtype)
    asked = kind if isinstance(kind, tuple) else (kind,)
    return any([_is(dtype, k) for k in asked])  # a list: every kind is looked at, so that a wrong one is refused


def _is(dtype, kind) -> bool:
    if isinstance(kind, str) and kind in kinds:
        return dtypes.kind(dtype) in kinds[kind]
    try:
        return user_dtype("isdtype", kind) == dtype
    except TypeError as error:
        if isinstance(kind, str):
            raise ValueError(f"{error}, or one of {', '.join(map(repr, kinds))}") from None
        raise
