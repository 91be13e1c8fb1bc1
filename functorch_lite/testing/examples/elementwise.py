"""How the primitives of `prims/elementwise.py` stand in drawn programs."""

import numpy as np

from functorch_lite.testing.examples.record import binary, example, unary

# The simplest first: programs shrink towards it.
unary("sin", "fnp.sin({0})", "fc")
unary("neg", "-{0}", "fic")
unary("cos", "fnp.cos({0})", "fc")
unary("tanh", "fnp.tanh({0})", "f")
unary("square", "fnp.square({0})", "fic")
unary("exp", "fnp.exp({0})", "fc", inside=(-2.0, 2.0))
unary("log", "fnp.log({0})", inside=(0.2, 6.0))
unary("sqrt", "fnp.sqrt({0})", inside=(0.2, 6.0))
unary("rsqrt", "lax.rsqrt({0})", inside=(0.2, 6.0))
unary("tan", "fnp.tan({0})", inside=(-1.2, 1.2))
unary("logistic", "lax.logistic({0})")
unary("abs", "fnp.abs({0})", "fi", away=lambda x: x)
unary("sign", "fnp.sign({0})", "fi", away=lambda x: x)
unary("floor", "fnp.floor({0})", away=lambda x: x - np.round(x))
unary("ceil", "fnp.ceil({0})", away=lambda x: x - np.round(x))
unary("round", "fnp.round({0})", away=lambda x: x - np.floor(x) - 0.5)
unary("stop_gradient", "lax.stop_gradient({0})", "fic", smooth=False)  # its derivative is not that of its values
unary("is_finite", "fnp.isfinite({0})", kinds="b")
unary("real", "fnp.real({0})", "c", kinds="c")
unary("imag", "fnp.imag({0})", "c", kinds="c")
unary("conj", "fnp.conj({0})", "c", kinds="c")

binary("mul", "{0} * {1}", "fic")
binary("sub", "{0} - {1}", "fic")
binary("div", "{0} / {1}", "f", insides=((-8.0, 8.0), (0.4, 8.0)))
binary("max", "fnp.maximum({0}, {1})", "fi", away=lambda x, y: x - y)
binary("min", "fnp.minimum({0}, {1})", "fi", away=lambda x, y: x - y)
binary("pow", "{0} ** {1}", "f", insides=((0.3, 4.0), (-2.0, 2.0)))
binary("rem", "lax.rem({0}, {1})", strict=True, insides=((-8.0, 8.0), (0.7, 3.0)),
       away=lambda x, y: x / y - np.round(x / y))  # fmt: skip
binary("complex", "lax.complex({0}, {1})", kinds="c", strict=True)


@example("integer_pow")
def integer_pow(b):
    n = (2, 3, 4, 1, 0, -1, -2)[b.choices.integer(6)]
    x = b.operand("f")
    b.emit("integer_pow", f"{{0}} ** {n}", b.into(x, 0.4, 4.0) if n < 0 else b.into(x, -4.0, 4.0))


@example("clamp")
def clamp(b):
    x = b.operand("f")
    low, high = b.among("-1.0", "-0.5", "0.1"), b.among("1.0", "0.5", "2.0")
    away = lambda x: np.minimum(np.abs(x - float(low)), np.abs(x - float(high)))
    b.emit("clamp", f"lax.clamp({low}, {{0}}, {high})", x, check=b.check(away))


@example("convert", kinds="i")
def convert_to_integers(b):
    x = b.operand("f")
    b.emit("convert", "{0}.astype('int32')", x, check=b.check(lambda x: x - np.round(x)))


@example("convert", kinds="i")
def convert_to_floats(b):
    b.emit("convert", f"{{0}}.astype({b.plan.dtype!r})", b.operand("ib"))
