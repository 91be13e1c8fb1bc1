"""How the primitives of `prims/bits.py` stand in drawn programs; those of floats only where jumps are admitted."""

from functorch_lite.testing.examples.record import binary, example, unary

unary("population_count", "lax.population_count({0})", "i", kinds="i")
unary("clz", "lax.clz({0})", "i", kinds="i")
for _name in ("shift_left", "shift_right_logical", "shift_right_arithmetic"):
    unary(_name, f"lax.{_name}({{0}}, fnp.full_like({{0}}, 1))", "i", kinds="i")
unary("reduce_precision", "lax.reduce_precision({0}, 8, 10)", smooth=False)
binary("nextafter", "fnp.nextafter({0}, {1})", smooth=False)


@example("bitcast", kinds="i", smooth=False)
def bitcast(b):
    x = b.operand("f")
    bits = f"int{8 * x.dtype.itemsize}"
    b.emit("bitcast", f"(lax.bitcast_convert_type({{0}}, '{bits}') % 7).astype('int32')", x)
