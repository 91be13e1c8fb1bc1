"""Elementwise primitives: operands have one shape and one dtype; a scalar literal stands for any shape."""

from __future__ import annotations

from functorch_lite import dtypes
from functorch_lite.ir import Lit, Primitive, array_type
from functorch_lite.prims.linear import binary, is_linear, unary
from functorch_lite.prims.shape import batch, full_p, is_literal
from functorch_lite.trace import SCALARS, at, bind, typeof


def one_shape(name, types):
    """The shape shared by all operands that are no literals. Raises ValueError naming what came."""
    arrays = [t for t in types if not t.literal]
    if any(t.shape != arrays[0].shape for t in arrays):
        raise ValueError(f"{name}: cannot broadcast {' with '.join(map(str, arrays))} at {at()}; reshape one of them")
    return arrays[0].shape if arrays else ()


def one_dtype(name, types, admits):
    """The dtype shared by all operands. Raises TypeError if they differ or are of a kind the operation does not admit."""
    dtype = types[0].dtype
    if any(t.dtype != dtype for t in types):
        raise TypeError(f"{name}: dtypes differ, {' and '.join(map(str, types))}, at {at()}; convert one of them")
    if dtypes.kind(dtype) not in admits:
        raise TypeError(f"{name}: does not take {dtypes.short(dtype)} ({types[0]}), at {at()}; convert it")
    return dtype


def elementwise(name, *, admits="iufc", result=None, arity=None, **rules) -> Primitive:
    """An elementwise record: `admits` the kinds of dtype it takes, `result` the dtype of the result (default: same)."""

    def infer(*types):
        dtype = one_dtype(name, types, admits)
        return array_type(one_shape(name, types), dtype if result is None else result(dtype))

    def vmap(size, xs, batched):
        return bind(prim, *spread(xs, batched, size))

    own = rules.pop("simplify", None)

    def simplify(*operands):
        return fold_constants(prim, operands) or (own(*operands) if own is not None else None)

    n = len(rules["jvp"])
    prim = Primitive(name, **{"infer": infer, "vmap": vmap, "literals": tuple(range(n)), "simplify": simplify, **rules})
    return prim


def fold_constants(prim, operands, **params):
    """A constant operand becomes a literal, as long as another operand still gives the shape."""
    constant = [None if type(x) is Lit else x.made_by(full_p) for x in operands]
    where = [i for i in prim.literals if constant[i] is not None]
    if not where or all(type(x) is Lit or c is not None for x, c in zip(operands, constant, strict=True)):
        return None
    return prim, [constant[i]["value"] if i in where else x for i, x in enumerate(operands)], params


def spread(xs, batched, size):
    """Operands with the mapped axis in front; literals need none."""
    return [x if b or type(x) in SCALARS else batch(x, size) for x, b in zip(xs, batched, strict=True)]


# ---- arithmetic ----

add_p = elementwise(
    "add",
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: t),
    transpose=lambda ct, x, y: (ct if is_linear(x) else None, ct if is_linear(y) else None))

neg_p = elementwise("neg", jvp=(lambda t, y, x: neg(t),), transpose=lambda ct, x: (neg(ct),))

sub_p = elementwise(
    "sub",
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: neg(t)),
    transpose=lambda ct, x, y: (ct if is_linear(x) else None, neg(ct) if is_linear(y) else None))

mul_p = elementwise(
    "mul",
    jvp=(lambda t, z, x, y: mul(t, y), lambda t, z, x, y: mul(x, t)),
    transpose=lambda ct, x, y: (mul(ct, y), None) if is_linear(x) else (None, mul(x, ct)),
    simplify=lambda x, y: x if is_literal(y, 1) else y if is_literal(x, 1) else None)

div_p = elementwise(
    "div",
    jvp=(lambda t, z, x, y: div(t, y), lambda t, z, x, y: neg(mul(t, div(z, y)))),
    transpose=lambda ct, x, y: (div(ct, y), None),
    simplify=lambda x, y: x if is_literal(y, 1) else None)

sin_p = elementwise("sin", admits="fc", jvp=(lambda t, y, x: mul(t, cos(x)),))
cos_p = elementwise("cos", admits="fc", jvp=(lambda t, y, x: neg(mul(t, sin(x))),))
exp_p = elementwise("exp", admits="fc", jvp=(lambda t, y, x: mul(t, y),))
log_p = elementwise("log", admits="fc", jvp=(lambda t, y, x: div(t, x),))
tanh_p = elementwise("tanh", admits="fc", jvp=(lambda t, y, x: mul(t, sub(1, mul(y, y))),))

add, neg, sub, mul, div = binary(add_p), unary(neg_p), binary(sub_p), binary(mul_p), binary(div_p)
sin, cos, exp, log, tanh = map(unary, (sin_p, cos_p, exp_p, log_p, tanh_p))


# ---- dtypes ----


def _infer_convert(x, *, dtype, weak):
    return array_type(x.shape, dtype, weak, x.vary)


def _jvp_convert(t, y, x, *, dtype, weak):
    return convert(t, dtype) if dtypes.is_inexact(dtype) else None


def _transpose_convert(ct, x, *, dtype, weak):
    if dtypes.is_complex(dtype) and not dtypes.is_complex(x.dtype):
        raise AssertionError("real to complex is `complex_of`")
    return (convert(ct, x.dtype),)


convert_p = Primitive(
    "convert",
    params=("dtype", "weak"),
    infer=_infer_convert,
    jvp=(_jvp_convert,),
    transpose=_transpose_convert,
    vmap=lambda size, xs, batched, *, dtype, weak: bind(convert_p, xs[0], dtype=dtype, weak=weak),
    weak=(),
)


def convert(x, dtype, weak=False):
    """The elements of `x` in another dtype, as near as it can hold them."""
    type_ = typeof(x)
    if type_.dtype == dtype and type_.weak == weak:
        return x
    return bind(convert_p, x, dtype=dtype, weak=weak)
