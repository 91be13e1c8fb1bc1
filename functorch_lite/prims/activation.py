"""Functions of neural networks whose derivative is simpler than that of the formula that computes them."""

from __future__ import annotations

from functorch_lite.ir import Primitive, array_type
from functorch_lite.prims.elementwise import elementwise, gt, logistic, mul, select, sub
from functorch_lite.prims.linear import unary
from functorch_lite.prims.shape import broadcast, infer_reduce, kept, reduce_sum
from functorch_lite.trace import bind, typeof

relu_p = elementwise("relu", jvp=(lambda t, y, x: select(gt(y, 0), t, 0),), admits="iuf")  # the slope at 0 is 0
softplus_p = elementwise("softplus", admits="f", jvp=(lambda t, y, x: mul(t, logistic(x)),))
relu, softplus = unary(relu_p), unary(softplus_p)


def _infer_softmax(x, *, axes):
    infer_reduce("softmax", "f")(x, axes=axes)
    return array_type(x.shape, x.dtype)


def _jvp_softmax(t, y, x, *, axes):
    """y (t - <y, t>): two passes over the elements, where the derivative of exp(x) / sum(exp(x)) takes four."""
    type_ = typeof(y)
    mean = broadcast(reduce_sum(mul(t, y), axes), type_.shape, kept(type_.ndim, axes))
    return mul(sub(t, mean), y)


softmax_p = Primitive(
    "softmax",
    params=("axes",),
    infer=_infer_softmax,
    jvp=(_jvp_softmax,),
    vmap=lambda size, xs, batched, *, axes: softmax(xs[0], tuple([a + 1 for a in axes])),
)


def softmax(x, axes):
    """exp(x) / sum(exp(x)) along `axes`, without overflow."""
    return bind(softmax_p, x, axes=tuple(axes))
