"""How the primitives of `prims/select.py` stand in drawn programs."""

from functorch_lite.testing.examples.record import binary, example, unary


def apart(x, y):
    """How far operands are from the place where their comparison jumps; integers do not move."""
    return x - y if x.dtype.kind == "f" else 1 + 0 * x


binary("add", "{0} + {1}", "fic")
for _name, _sign in [("lt", "<"), ("gt", ">"), ("le", "<="), ("ge", ">="), ("eq", "=="), ("ne", "!=")]:
    binary(_name, f"{{0}} {_sign} {{1}}", "fi", kinds="b", away=apart)
binary("and", "{0} & {1}", "bi", kinds="b")
binary("or", "{0} | {1}", "bi", kinds="b")
binary("xor", "{0} ^ {1}", "bi", kinds="b")
unary("not", "~{0}", "bi", kinds="b")


@example("select", kinds="b")
def where(b):
    x = b.operand("fic")
    other = b.beside(x)
    shaped = [x] if isinstance(other, str) else [x, other]
    which = b.operand("b", lambda v: b.fits(v, *shaped))
    b.emit("select", "fnp.where({0}, {1}, {2})", which, x, other)


@example("select")
def larger(b):
    """The select of a comparison with a scalar, which needs no booleans to be there."""
    x = b.operand("f")
    edge = b.scalar()
    check = b.check(lambda x: x - float(edge))
    b.emit("select", f"fnp.where({{0}} > {edge}, {{0}}, {b.scalar()} * {{0}})", x, check=check)
