"""Data types: their names, their kinds and how they promote. A dtype is always a native `np.dtype`.

Promotion is JAX's lattice with 64-bit types always on (https://docs.jax.dev/en/latest/type_promotion.html). Python
scalars are *weak*: they take the dtype of what they meet and only decide whether the result is an integer, a float
or a complex number.
"""

from collections import namedtuple
from functools import lru_cache, reduce

import ml_dtypes
import numpy as np

from functorch_lite.config import config

float0 = np.dtype([("float0", np.void, 0)])
"""The dtype of the tangent of an integer or a boolean: it holds no bytes."""

_NUMPY = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64 complex128"
_NARROW_FLOATS = (
    "float4_e2m1fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fn float8_e4m3fnuz "
    "float8_e5m2 float8_e5m2fnuz float8_e8m0fnu"
)
_BY_NAME = {name: np.dtype(name) for name in _NUMPY.split()} | {
    name: np.dtype(getattr(ml_dtypes, name)) for name in f"bfloat16 int2 int4 uint2 uint4 {_NARROW_FLOATS}".split()
}
_NAME = {dtype: name for name, dtype in _BY_NAME.items()}
_SHORT_STEMS = (("bfloat", "bf"), ("float", "f"), ("complex", "c"), ("uint", "u"), ("int", "i"))


def _short(name: str) -> str:
    for stem, letters in _SHORT_STEMS:
        if name.startswith(stem):
            return letters + name.removeprefix(stem)
    return name


def _kind(name: str) -> str:
    return {"c": "c", "u": "u", "i": "i"}.get(name[0], "b" if name == "bool" else "f")


_SHORT = {dtype: _short(name) for name, dtype in _BY_NAME.items()} | {float0: "float0"}
_FROM_SHORT = {text: dtype for dtype, text in _SHORT.items()}
_KIND = {dtype: _kind(name) for name, dtype in _BY_NAME.items()} | {float0: "V"}

# The spellings met most; `_resolve` finds the others.
_CANONICAL = (
    {dtype: dtype for dtype in _BY_NAME.values()} | {dtype.type: dtype for dtype in _BY_NAME.values()} | _BY_NAME
)

_ABSTRACT = {
    "b": (np.generic, np.bool_),
    "i": (np.generic, np.number, np.integer, np.signedinteger),
    "u": (np.generic, np.number, np.integer, np.unsignedinteger),
    "f": (np.generic, np.number, np.inexact, np.floating),
    "c": (np.generic, np.number, np.inexact, np.complexfloating),
}
_ABSTRACT_TYPES = (*{t for types in _ABSTRACT.values() for t in types if t is not np.bool_}, np.flexible, np.character)


def canonical(dtype) -> np.dtype:
    """The native `np.dtype` for anything that names one: a dtype, a scalar type, a name, `float`, `int`, `complex`.

    The Python types give the defaults of `config`. Raises TypeError for objects, strings, dates, structures and None.
    """
    try:
        found = _CANONICAL.get(dtype)
    except TypeError:  # not hashable: a structure spelled as a list, or no dtype at all
        found = None
    if found is not None:
        return found
    if dtype is float or dtype is int or dtype is complex or dtype is bool:
        return scalar_dtype(dtype)
    return _resolve(dtype)


def _resolve(dtype) -> np.dtype:
    if dtype is not None and not any(dtype is abstract for abstract in _ABSTRACT_TYPES):
        try:
            given = np.dtype(dtype)
        except Exception:  # numpy raises whatever the object's own `dtype` attribute raises
            given = None
        # `.type` forgets the byte order and the metadata
        found = None if given is None else _CANONICAL.get(np.dtype(given.type))
        if found is not None:
            return found
    raise TypeError(f"{_spell(dtype)} is no dtype of an array; use a boolean, integer, float or complex dtype")


def _spell(dtype) -> str:
    if isinstance(dtype, np.dtype):
        return f"dtype {dtype}"
    return dtype.__name__ if isinstance(dtype, type) else repr(dtype)


_SCALARS = {
    bool: lambda: _BY_NAME["bool"],
    int: lambda: config.default_int,
    float: lambda: config.default_float,
    complex: lambda: config.default_complex,
}


def scalar_dtype(python_type: type) -> np.dtype:
    """The default dtype of `bool`, `int`, `float` or `complex`, as `config` has it now."""
    return _SCALARS[python_type]()


def short(dtype) -> str:
    """The short name that types print with: "f32", "bf16", "i64", "u8", "c64", "bool", "f8_e4m3fn", "i4"."""
    found = _SHORT.get(dtype)
    return _SHORT[canonical(dtype)] if found is None else found


def from_short(text: str) -> np.dtype:
    """The dtype with this short name: the inverse of `short`. Raises TypeError for other text."""
    found = _FROM_SHORT.get(text)
    if found is None:
        raise TypeError(f"{text!r} is no short dtype name; use one like 'f32', 'bf16', 'i64' or 'bool'")
    return found


def kind(dtype) -> str:
    """'b', 'i', 'u', 'f' or 'c', for the narrow types of ml_dtypes too ('V' for float0)."""
    found = _KIND.get(dtype)
    return _KIND[canonical(dtype)] if found is None else found


def is_bool(dtype) -> bool:
    return kind(dtype) == "b"


def is_integer(dtype) -> bool:
    """Signed or unsigned; a boolean is none."""
    return kind(dtype) in "iu"


def is_float(dtype) -> bool:
    return kind(dtype) == "f"


def is_complex(dtype) -> bool:
    return kind(dtype) == "c"


def is_inexact(dtype) -> bool:
    """Float or complex: what has derivatives."""
    return kind(dtype) in "fc"


_REAL_OF = {_BY_NAME["complex64"]: _BY_NAME["float32"], _BY_NAME["complex128"]: _BY_NAME["float64"]}
_WIDE = {_BY_NAME["float64"], _BY_NAME["complex128"]}


def real_of(dtype) -> np.dtype:
    """The dtype of the real part: complex64 -> float32, complex128 -> float64, any other dtype itself."""
    dtype = canonical(dtype)
    return _REAL_OF.get(dtype, dtype)


def complex_of(dtype) -> np.dtype:
    """complex128 for float64 and complex128, complex64 for every other dtype."""
    return _BY_NAME["complex128" if canonical(dtype) in _WIDE else "complex64"]


def issubdtype(a, b) -> bool:
    """`np.issubdtype`, with the floats and integers of ml_dtypes in their places below `np.floating` and `np.integer`.

    `a` and `b` are dtypes or abstract scalar types (`np.inexact`, ...); a concrete `b` contains itself only.
    """
    a, b = _scalar_type(a), _scalar_type(b)
    ours = _CANONICAL.get(a)
    if ours is None:
        return issubclass(a, b)
    return a is b or b in _ABSTRACT[_KIND[ours]]


def _scalar_type(dtype) -> type:
    """An abstract scalar type itself, else the scalar type of the dtype; equal dtypes have one scalar type."""
    if any(dtype is abstract for abstract in _ABSTRACT_TYPES):
        return dtype
    given = np.dtype(_BY_NAME.get(dtype, dtype) if isinstance(dtype, str) else dtype)
    return _CANONICAL.get(given, given).type


FloatInfo = namedtuple(
    "finfo", "bits dtype eps max min smallest_normal smallest_subnormal tiny epsneg resolution precision "
    "iexp machep maxexp minexp negep nexp nmant"
)  # fmt: skip


def finfo(dtype) -> FloatInfo:
    """The limits of a float dtype: `eps`, `max`, `min`, `tiny`, `bits`, ...; of a complex one, those of its parts.

    They are Python numbers, so that one beside an array leaves its dtype. Raises TypeError for integers and booleans.
    """
    dtype = canonical(dtype)
    if not is_inexact(dtype):
        raise TypeError(f"finfo: {short(dtype)} is no float dtype; use iinfo for integers")
    return _finfo(real_of(dtype))


@lru_cache(None)
def _finfo(dtype):
    known = [getattr(ml_dtypes.finfo(dtype), name) for name in FloatInfo._fields]
    return FloatInfo(*[x if isinstance(x, (int, np.dtype)) else float(x) for x in known])


def iinfo(dtype):
    """The limits of an integer dtype: `min`, `max`, `bits`. Raises TypeError for other dtypes."""
    dtype = canonical(dtype)
    if not is_integer(dtype):
        raise TypeError(f"iinfo: {short(dtype)} is no integer dtype; use finfo for floats")
    return ml_dtypes.iinfo(dtype)


# The lattice: each node and those right above it. Weak scalars are the nodes with a star.
_COVERS = {
    "bool": "int*",
    "int*": "int2 int4 int8 uint2 uint4 uint8",
    "uint8": "uint16 int16",
    "uint16": "uint32 int32",
    "uint32": "uint64 int64",
    "uint64": "float*",
    "int8": "int16",
    "int16": "int32",
    "int32": "int64",
    "int64": "float*",
    "float*": f"complex* bfloat16 float16 {_NARROW_FLOATS}",
    "bfloat16": "float32",
    "float16": "float32",
    "float32": "float64 complex64",
    "float64": "complex128",
    "complex*": "complex64",
    "complex64": "complex128",
}


@lru_cache(None)
def _above(node: str) -> frozenset:
    """`node` and everything above it."""
    return frozenset({node}).union(*(_above(upper) for upper in _COVERS.get(node, "").split()))


@lru_cache(None)
def _join(a: str, b: str) -> str:
    common = _above(a) & _above(b)
    least = [node for node in common if _above(node) == common]
    if not least:
        raise TypeError(
            f"{a.rstrip('*')} and {b.rstrip('*')} have no implicit promotion; convert one of them with astype"
        )
    return least[0]


_STAR = {"b": "bool", "i": "int*", "u": "int*", "f": "float*", "c": "complex*"}
_STAR_DTYPE = {"float*": "float64"}  # what uint64 and int64 give; no other strong dtypes meet in a star


@lru_cache(4096)
def promote(dtypes: tuple, weaks: tuple) -> tuple[np.dtype, bool]:
    """The dtype that operands meet in, and whether it is weak still.

    dtypes: one or more dtypes as `canonical` gives them; weaks: for each, whether it is a Python scalar's. A result
    that is weak has the widest dtype among the weak operands. Raises TypeError where two dtypes do not promote.
    """
    names = [_NAME[dtype] for dtype in dtypes]
    if all(weaks) or len(set(names)) == 1:
        name = reduce(_join, names)
        return _BY_NAME[_STAR_DTYPE.get(name, name)], (name in _STAR_DTYPE or all(weaks)) and name != "bool"
    strong = reduce(_join, (name for name, weak in zip(names, weaks, strict=True) if not weak))
    node = reduce(_join, (_STAR[_KIND[d]] for d, weak in zip(dtypes, weaks, strict=True) if weak), strong)
    if not node.endswith("*"):
        return _BY_NAME[node], False
    floor = [_STAR_DTYPE[strong]] if strong in _STAR_DTYPE else []
    name = reduce(_join, [name for name, weak in zip(names, weaks, strict=True) if weak] + floor)
    return _BY_NAME[_STAR_DTYPE.get(name, name)], True
