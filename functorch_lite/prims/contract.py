"""Products that sum over shared axes: one primitive, spelled as an einsum of two operands."""

from __future__ import annotations

import string

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims.elementwise import convert
from functorch_lite.prims.linear import is_linear
from functorch_lite.prims.shape import transpose_p
from functorch_lite.trace import at, bind, typeof


def split(spec: str) -> tuple[str, str, str]:
    """The two operands and the result of a spec."""
    ins, out = spec.split("->")
    a, b = ins.split(",")
    return a, b, out


def _result_dtype(x, y, preferred):
    """The dtype of the product, which is as wide as the operands or wider. Raises TypeError."""
    if x.dtype != y.dtype:
        raise TypeError(f"dot: dtypes differ, {x} and {y}, at {at()}; convert one of them")
    if preferred is None:
        return x.dtype
    group = {"b": "i", "u": "i"}
    old, new = [group.get(dtypes.kind(d), dtypes.kind(d)) for d in (x.dtype, preferred)]
    if old != new or preferred.itemsize < x.dtype.itemsize or (dtypes.is_bool(preferred) and x.dtype != preferred):
        raise TypeError(f"dot: {x} and {y} cannot be summed as {dtypes.short(preferred)}, at {at()}; prefer a dtype "
                        "of their kind that is as wide, or convert them")  # fmt: skip
    return preferred


def _infer_dot(x, y, *, spec, precision, preferred):
    a, b, out = split(spec)
    if any(len(set(term)) != len(term) for term in (a, b, out)):
        raise ValueError(f"dot {spec!r}: a letter is repeated in one term, at {at()}; take the diagonal first")
    if any((c in a) + (c in b) + (c in out) < 2 for c in {*a, *b, *out}):
        raise ValueError(f"dot {spec!r}: every letter must be in two of the three terms, at {at()}; reduce it first")
    if (len(a), len(b)) != (x.ndim, y.ndim):
        raise ShapeError(f"dot {spec!r}: the operands have {x.ndim} and {y.ndim} axes, {x} and {y}, at {at()}")
    size = dict(zip(a + b, x.shape + y.shape, strict=True))
    if [size[c] for c in a + b] != [*x.shape, *y.shape]:
        raise ShapeError(f"dot {spec!r}: sizes disagree between {x} and {y}, at {at()}")
    return array_type(tuple([size[c] for c in out]), _result_dtype(x, y, preferred))


def _jvp_left(t, z, x, y, **params):
    return bind(dot_p, t, y, **params)


def _jvp_right(t, z, x, y, **params):
    return bind(dot_p, x, t, **params)


def _transpose_dot(ct, x, y, *, spec, precision, preferred):
    a, b, out = split(spec)
    wanted = x if is_linear(x) else y
    other = convert(y if is_linear(x) else x, typeof(ct).dtype)
    if is_linear(x):
        return convert(dot(ct, other, f"{out},{b}->{a}", precision), wanted.dtype), None
    return None, convert(dot(other, ct, f"{a},{out}->{b}", precision), wanted.dtype)


def _vmap_dot(size, xs, batched, *, spec, precision, preferred):
    a, b, out = split(spec)
    new = next((c for c in string.ascii_letters if c not in a + b), None)
    if new is None:
        raise ValueError(f"dot {spec!r}: no letter is left for the mapped axis, at {at()}; join axes by a reshape")
    x, y = xs
    return dot(x, y, f"{new * batched[0]}{a},{new * batched[1]}{b}->{new}{out}", precision, preferred)


def _simplify_dot(x, y, *, spec, precision, preferred):
    """A transposed operand is the operand itself with its letters in another order."""
    a, b, out = split(spec)
    (x, a), (y, b) = [_untransposed(*pair) for pair in ((x, a), (y, b))]
    made = f"{a},{b}->{out}"
    return None if made == spec else (dot_p, (x, y), {"spec": made, "precision": precision, "preferred": preferred})


def _untransposed(x, term):
    moved = x.made_by(transpose_p)
    if moved is None:
        return x, term
    return x.operands()[0], "".join([term[moved["axes"].index(i)] for i in range(len(term))])


dot_p = Primitive(
    "dot",  # every letter is in at least two of the three terms, and at most once in each
    params=("spec", "precision", "preferred"),
    infer=_infer_dot,
    jvp=(_jvp_left, _jvp_right),
    transpose=_transpose_dot,
    vmap=_vmap_dot,
    simplify=_simplify_dot,
)


def dot(x, y, spec, precision=None, preferred=None):
    """The einsum `spec` of two operands of one dtype.

    `precision`: None, "default", "high" or "highest" (or a pair); `preferred`: the dtype in which to sum and return.
    """
    preferred = None if preferred is None else dtypes.canonical(preferred)
    return bind(dot_p, x, y, spec=spec, precision=precision, preferred=preferred)


_ORDER = "biufc"  # a sum may be returned in a dtype of its kind, or of a later one


def dot_as(x, y, spec, precision=None, preferred=None):
    """`dot`, which may be returned in a narrower dtype, or integers as floats and floats as complex numbers."""
    old, new = typeof(x).dtype, None if preferred is None else dtypes.canonical(preferred)
    if new is None or old != typeof(y).dtype or dtypes.is_bool(new):
        return dot(x, y, spec, precision, new)
    kinds = [_ORDER.index(dtypes.kind(d)) for d in (old, new)]
    if kinds[0] == kinds[1] and new.itemsize < old.itemsize:
        return convert(dot(x, y, spec, precision), new)
    if kinds[1] > max(kinds[0], _ORDER.index("u")):
        x, y = convert(x, new), convert(y, new)
    return dot(x, y, spec, precision, new)
