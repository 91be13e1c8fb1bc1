"""Comparisons, logic, and choosing between arrays, with the masks that choosing leaves on cotangents."""

from __future__ import annotations

from typing import Any, NamedTuple

from functorch_lite import dtypes
from functorch_lite.errors import ShapeError
from functorch_lite.ir import Lit, Primitive, array_type
from functorch_lite.prims.linear import is_linear, shape_of, unary
from functorch_lite.prims.pointwise import (
    BOOL,
    binary,
    elementwise,
    one_dtype,
    one_shape,
    spread_scalars,
)
from functorch_lite.prims.shape import broadcast, full, full_p, is_literal
from functorch_lite.trace import SCALARS, Tracer, at, bind, current_frame, typeof

# ---- comparisons ----


def _comparison(name) -> Primitive:
    return elementwise(name, admits="biufc", result=lambda dtype: BOOL, weak=(), jvp=(None, None))


eq_p, ne_p = _comparison("eq"), _comparison("ne")
# complex numbers are ordered by their real, then by their imaginary part
lt_p, le_p, gt_p, ge_p = _comparison("lt"), _comparison("le"), _comparison("gt"), _comparison("ge")
eq, ne, lt, le, gt, ge = map(binary, (eq_p, ne_p, lt_p, le_p, gt_p, ge_p))

# ---- logic, on every bit of integers ----


def same(x, y) -> bool:
    """Whether two operands seen by a `simplify` rule are one value."""
    return type(x) is not Lit and type(y) is not Lit and x.number == y.number


def _is_all_ones(x) -> bool:
    return type(x) is Lit and (x.value is True or (dtypes.kind(x.dtype) == "i" and x.value == -1))


def _simplify_and(x, y):
    if same(x, y) or _is_all_ones(y) or is_literal(x, 0):
        return x
    return y if _is_all_ones(x) or is_literal(y, 0) else None


def _simplify_or(x, y):
    if same(x, y) or is_literal(y, 0):
        return x
    return y if is_literal(x, 0) else None


and_p = elementwise("and", admits="biu", jvp=(None, None), simplify=_simplify_and)
or_p = elementwise("or", admits="biu", jvp=(None, None), simplify=_simplify_or)
xor_p = elementwise("xor", admits="biu", jvp=(None, None))
not_p = elementwise(
    "not", admits="biu", jvp=(None,), simplify=lambda x: x.operands()[0] if x.made_by(not_p) is not None else None,
    tells=True)

and_, or_, xor, not_ = binary(and_p), binary(or_p), binary(xor_p), unary(not_p)

# ---- masks of cotangents ----
# Reverse mode multiplies the zero cotangent of a branch that was not taken by the derivative of that branch, which may
# be infinite: 0 * inf is NaN. So a cotangent that comes out of a `select` remembers its mask while it is in the frame
# that transposes, and what is linear element by element is computed inside of the mask: not `mul(select(p, ct, 0), g)`
# but `select(p, mul(ct, g), 0)`. The select moves outward, so that no operation is added.
#
# Not covered: the mask does not pass through what is not elementwise (reshapes, reductions, products of matrices), nor
# into graphs inside equations (calls, branches, loops).


class Mask(NamedTuple):
    """Says that a cotangent is `inside` where `pred` is `keep`, and zero elsewhere."""

    pred: Any
    keep: bool
    inside: Any


def mask_of(ct) -> Mask | None:
    """The mask of a cotangent in the frame being traced."""
    if type(ct) is Tracer and ct.frame.memo and ct.frame is current_frame():
        return ct.frame.memo.get((Mask, ct.number))
    return None


def _remember(ct, mask: Mask):
    ct.frame.memo[Mask, ct.number] = mask
    return ct


def _masked(pred, keep, inside):
    ct = select(pred, inside, 0) if keep else select(pred, 0, inside)
    return _remember(ct, Mask(pred, keep, inside))


def linear(fun, ct):
    """`fun(ct)` for a function that is linear element by element, computed inside of the mask of `ct`."""
    mask = mask_of(ct)
    return fun(ct) if mask is None else _masked(mask.pred, mask.keep, fun(mask.inside))


def _one_pred(p, q) -> bool:
    return p is q or (type(p) is Tracer and type(q) is Tracer and p.frame is q.frame and p.number == q.number)


def _both(p: Mask, q: Mask):
    """(pred, keep): where both masks keep. One operation, however they are negated."""
    a, b = _shaped_alike(p.pred, q.pred)
    if p.keep and q.keep:
        return and_(a, b), True
    if not p.keep and not q.keep:
        return or_(a, b), False
    return gt(a, b) if p.keep else gt(b, a), True


def _either(p: Mask, q: Mask):
    """(pred, keep): where one of the masks keeps."""
    pred, keep = _both(p._replace(keep=not p.keep), q._replace(keep=not q.keep))
    return pred, not keep


def _shaped_alike(p, q):
    a, b = typeof(p).shape, typeof(q).shape
    return (broadcast(p, b), q) if len(a) < len(b) else (p, broadcast(q, a)) if len(b) < len(a) else (p, q)


def _branch(ct, pred, keep):
    """The cotangent of the branch that `select` takes where `pred` is `keep`; None if that is nowhere."""
    old = mask_of(ct)
    if old is None:
        return _masked(pred, keep, ct)
    if _one_pred(old.pred, pred):
        return ct if old.keep == keep else None
    return _masked(*_both(old, Mask(pred, keep, None)), old.inside)


def add_cotangents(x, y):
    """The sum of two cotangents of one value; masks of both become one."""
    p, q = mask_of(x), mask_of(y)
    if p is None or q is None:
        return add(x, y)
    if not _one_pred(p.pred, q.pred):
        total = add(x, y)
        return _remember(total, Mask(*_either(p, q), total))
    if p.keep == q.keep:
        return _masked(p.pred, p.keep, add(p.inside, q.inside))
    return select(p.pred, *((p.inside, q.inside) if p.keep else (q.inside, p.inside)))


# addition is here, as the sums of cotangents need it
add_p = elementwise(
    "add",
    jvp=(lambda t, z, x, y: t, lambda t, z, x, y: t),
    transpose=lambda ct, x, y: (ct if is_linear(x) else None, ct if is_linear(y) else None),
    simplify=lambda x, y: x if _is_no_summand(y) else y if _is_no_summand(x) else None)

add = binary(add_p)


def _is_no_summand(x) -> bool:
    """0 of integers; of floats only -0.0, as 0.0 changes the sign of a negative zero."""
    return type(x) is Lit and (x.value == 0 if dtypes.is_integer(x.dtype) else x.text == "-0.0")


# ---- choosing ----


def _infer_select(pred, x, y):
    dtype = one_dtype("select", (x, y), "biufc")
    if pred.dtype != BOOL:
        raise TypeError(f"select: the predicate is {pred}, not boolean, at {at()}; compare it with something")
    shape = one_shape("select", (x, y))
    if pred.shape not in ((), shape):
        raise ShapeError(f"select: the predicate {pred} does not fit {x if not x.literal else y} at {at()}; "
                         "broadcast one of them")  # fmt: skip
    return array_type(shape, dtype)


def _simplify_select(pred, x, y):
    if same(x, y):
        return x
    constant = pred.made_by(full_p)
    if constant is not None:
        return x if constant["value"].value else y
    inner = pred.made_by(not_p)
    if inner is not None:
        return select_p, [*pred.operands(), y, x], {}
    if type(x) is Lit or type(y) is Lit:  # one branch has to tell the dtype
        return None
    for i, branch in enumerate((x, y)):
        constant = branch.made_by(full_p)
        if constant is not None:
            value = constant["value"]
            return select_p, [pred, value, y] if i == 0 else [pred, x, value], {}
    return None


select_p = Primitive(
    "select",
    infer=_infer_select,
    jvp=(None, lambda t, z, p, x, y: select(p, t, 0), lambda t, z, p, x, y: select(p, 0, t)),
    transpose=lambda ct, p, x, y: (
        None, _branch(ct, p, True) if is_linear(x) else None, _branch(ct, p, False) if is_linear(y) else None),
    vmap=lambda size, xs, batched: select(*spread_scalars(xs, batched, size, widest(xs, batched), (0,))),
    literals=(1, 2),
    weak=(1, 2),
    simplify=_simplify_select)


def widest(xs, batched):
    """The shape, without the mapped axis, of the operands that have axes at all."""
    return max([shape_of(x)[1:] if b else shape_of(x) for x, b in zip(xs, batched, strict=True)], key=len)


def select(pred, on_true, on_false):
    """`on_true` where `pred` holds, else `on_false`; `pred` may have no axes.

    In derivatives the branch that is not taken counts as zero even where its own derivative is infinite, as long as
    elementwise operations alone lie between; see the masks of cotangents above for what is not covered.
    """
    if type(on_true) in SCALARS and type(on_false) in SCALARS:
        kind = type(on_true) if type(on_true) is type(on_false) else type(on_true + on_false)
        on_true = full(shape_of(pred), kind(on_true), weak=True)
    return bind(select_p, pred, on_true, on_false)
