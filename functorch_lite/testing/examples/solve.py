"""How solves with derivatives of their own stand in drawn programs: of systems that are well conditioned."""

from functorch_lite.testing.examples.record import example


@example("linear_solve")
def linear_solve(b):
    """A diagonal system that depends on the operand."""
    x = b.operand("f")
    y = b.alike(x)
    a = b.emit("mul", "2.0 + fnp.tanh({0})", x)
    text = "lax.custom_linear_solve(lambda of: {0} * of, {1}, lambda _, of: of / {0}, symmetric=True)"
    b.emit("linear_solve", text, a, y)


@example("root")
def root(b):
    """The cube root of what is positive."""
    x = b.into(b.operand("f"), 0.5, 6.0)
    find, tangent = "lambda _, of: {0} ** (1 / 3)", "lambda by, of: of / by(fnp.ones_like(of))"
    b.emit("root", f"lax.custom_root(lambda of: of ** 3 - {{0}}, fnp.ones_like({{0}}), {find}, {tangent})", x)


@example("linear_call", jax=False)
def linear_call(b):
    """Linear in the second operand; the first, a constant, decides the map."""
    y = b.operand("f")
    x = b.constant(y.shape)
    b.emit("linear_call", "fl.linear_call(lambda by, of: by * of, lambda by, of: by * of, {0}, {1})", x, y)
