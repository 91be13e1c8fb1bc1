"""How the primitives of `prims/special.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import binary, example, unary

unary("sinh", "fnp.sinh({0})", inside=(-3.0, 3.0))
unary("cosh", "fnp.cosh({0})", inside=(-3.0, 3.0))
unary("asin", "fnp.arcsin({0})", inside=(-0.8, 0.8))
unary("acos", "fnp.arccos({0})", inside=(-0.8, 0.8))
unary("atan", "fnp.arctan({0})")
unary("asinh", "fnp.arcsinh({0})")
unary("acosh", "fnp.arccosh({0})", inside=(1.3, 6.0))
unary("atanh", "fnp.arctanh({0})", inside=(-0.8, 0.8))
unary("expm1", "fnp.expm1({0})", inside=(-2.0, 2.0))
unary("log1p", "fnp.log1p({0})", inside=(-0.6, 6.0))
unary("exp2", "fnp.exp2({0})", inside=(-3.0, 3.0))
unary("cbrt", "fnp.cbrt({0})", inside=(0.2, 8.0))
unary("erf", "lax.erf({0})")
unary("erfc", "lax.erfc({0})", inside=(-3.0, 3.0))
unary("erf_inv", "lax.erf_inv({0})", inside=(-0.8, 0.8))
unary("lgamma", "lax.lgamma({0})", inside=(0.4, 6.0))
unary("digamma", "lax.digamma({0})", inside=(0.4, 6.0))
binary("atan2", "fnp.arctan2({0}, {1})", insides=((0.3, 4.0), (-4.0, 4.0)))


@example("polygamma")
def polygamma(b):
    x = b.into(b.operand("f"), 0.6, 5.0)
    b.emit("polygamma", f'lax.polygamma(fnp.full({x.shape}, {b.among(1.0, 2.0)}, "{b.plan.dtype}"), {{0}})', x)


@example("zeta", jax=False)
def zeta(b):
    x = b.into(b.operand("f"), 0.6, 5.0)
    b.emit("zeta", f"lax.zeta(fnp.full({x.shape}, {b.among(2.0, 3.0)}, '{b.plan.dtype}'), {{0}})", x)
