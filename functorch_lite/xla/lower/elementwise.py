"""Lowerings of `prims.elementwise`."""

from __future__ import annotations

from jaxlib.mlir import ir

from functorch_lite import dtypes
from functorch_lite.ir import Primitive
from functorch_lite.prims import elementwise as p
from functorch_lite.prims.pointwise import BOOL
from functorch_lite.xla.module import NAMES, lowering

FLOAT32 = dtypes.canonical("float32")


def widened(low, compute, xs, out_type):
    """`compute(operands, type)`; floats of 16 bits or fewer are computed in float32 and rounded once."""
    if out_type.dtype.itemsize >= 4 or not dtypes.is_float(out_type.dtype):
        return compute(xs, out_type)
    wide = out_type.with_dtype(FLOAT32)
    return low.op("convert", out_type, [compute([low.op("convert", wide, [x]) for x in xs], wide)])


def simple(prim: Primitive, name: str, narrow: bool = True) -> None:
    """One operation without attributes, of StableHLO where no dialect is named. `narrow`: XLA computes it well in 16
    and in 8 bits, where it rounds once; what it puts together from other operations is rounded, or overflows, in each.
    """
    if narrow:
        NAMES[prim] = name if "." in name else f"stablehlo.{name}"

    @lowering(prim)
    def rule(low, xs, in_types, out_types):
        compute = lambda ys, type_: low.op(name, type_, ys)
        return compute(xs, out_types[0]) if narrow else widened(low, compute, xs, out_types[0])


for _prim, _name in [
    (p.neg_p, "negate"),
    (p.sub_p, "subtract"),
    (p.mul_p, "multiply"),
    (p.floor_p, "floor"),
    (p.ceil_p, "ceil"),
    (p.is_finite_p, "is_finite"),
    (p.pow_p, "power"),
    (p.exp_p, "exponential"),
    (p.log_p, "log"),
    (p.sin_p, "sine"),
    (p.cos_p, "cosine"),
    (p.tan_p, "tan"),
    (p.tanh_p, "tanh"),
    (p.sqrt_p, "sqrt"),
    (p.rsqrt_p, "rsqrt"),
    (p.complex_p, "complex"),
    (p.real_p, "real"),
    (p.imag_p, "imag"),
    (p.clamp_p, "clamp"),
]:
    simple(_prim, _name)

simple(p.logistic_p, "logistic", narrow=False)


def compare(low, direction: str, x, y, type_):
    """A boolean array; complex numbers admit EQ and NE only."""
    attributes = low.memo(("compare", direction), lambda: {
        "comparison_direction": low.d.parsed[f"#stablehlo<comparison_direction {direction}>"]})  # fmt: skip
    return low.op("compare", type_.with_dtype(BOOL), [x, y], attributes)


def after(low, x, y, type_, or_equal=False):
    """x > y of complex numbers: in order of their real, then of their imaginary parts."""
    part, bools = type_.with_dtype(dtypes.real_of(type_.dtype)), type_.with_dtype(BOOL)
    (a, b), (c, d) = [[low.op(name, part, [z]) for z in (x, y)] for name in ("real", "imag")]
    second = compare(low, "GE" if or_equal else "GT", c, d, part)
    tie = low.op("and", bools, [compare(low, "EQ", a, b, part), second])
    return low.op("or", bools, [compare(low, "GT", a, b, part), tie])


def _extremum(prim: Primitive, name: str, swap: bool) -> None:
    @lowering(prim)
    def rule(low, xs, in_types, out_types):
        type_ = out_types[0]
        if not dtypes.is_complex(type_.dtype):
            return low.op(name, type_, xs)
        x, y = xs
        bools = type_.with_dtype(BOOL)
        first = after(low, *((y, x) if swap else (x, y)), type_)
        first = low.op("or", bools, [first, compare(low, "NE", x, x, type_)])  # NaN wins
        return low.op("select", type_, [first, x, y])


def _division(prim: Primitive, name: str, of_zero) -> None:
    """Integers never meet the divisor 0: what is constant XLA divides itself as it compiles, which ends the process."""

    @lowering(prim)
    def rule(low, xs, in_types, out_types):
        (x, y), type_ = xs, out_types[0]
        if not dtypes.is_integer(type_.dtype) or _nonzero(y):
            return low.op(name, type_, xs)
        zero = compare(low, "EQ", y, low.constant(0, type_), type_)
        safe = low.op("select", type_, [zero, low.constant(1, type_), y])
        safe = low.op("optimization_barrier", type_, [safe])  # XLA simplifies two selects in circles
        return low.op("select", type_, [zero, of_zero(low, x, type_), low.op(name, type_, [x, safe])])


def _nonzero(y) -> bool:
    """Whether a value is a number other than 0 repeated over its shape."""
    made = y.owner
    if isinstance(made, ir.Block) or made.name != "stablehlo.constant":
        return False
    value = made.attributes["value"]
    return value.is_splat and int(value.get_splat_value().value) != 0


def _all_bits(low, x, type_):
    signed = dtypes.kind(type_.dtype) == "i"
    return low.constant(-1 if signed else int(dtypes.iinfo(type_.dtype).max), type_)


_division(p.div_p, "divide", _all_bits)
_division(p.rem_p, "remainder", lambda low, x, type_: x)
_extremum(p.max_p, "maximum", False)
_extremum(p.min_p, "minimum", True)


@lowering(p.abs_p)
def _abs(low, xs, in_types, out_types):
    return xs[0] if dtypes.kind(in_types[0].dtype) == "u" else low.op("abs", out_types[0], xs)


@lowering(p.sign_p)
def _sign(low, xs, in_types, out_types):
    if dtypes.kind(in_types[0].dtype) == "u":
        return low.op("minimum", out_types[0], [xs[0], low.constant(1, in_types[0])])
    return low.op("sign", out_types[0], xs)


@lowering(p.square_p)
def _square(low, xs, in_types, out_types):
    return low.op("multiply", out_types[0], [xs[0], xs[0]])


@lowering(p.round_p)
def _round(low, xs, in_types, out_types, *, to_even):
    return low.op("round_nearest_even" if to_even else "round_nearest_afz", out_types[0], xs)


@lowering(p.integer_pow_p)
def _integer_pow(low, xs, in_types, out_types, *, y):
    def power(xs, type_):
        one, times = lambda: low.constant(1, type_), lambda a, b: low.op("multiply", type_, [a, b])
        return p.repeated(xs[0], y, times, one, lambda a: low.op("divide", type_, [one(), a]))

    return widened(low, power, xs, out_types[0])


@lowering(p.conj_p)
def _conj(low, xs, in_types, out_types):
    part = out_types[0].with_dtype(dtypes.real_of(out_types[0].dtype))
    imag = low.op("negate", part, [low.op("imag", part, xs)])
    return low.op("complex", out_types[0], [low.op("real", part, xs), imag])


@lowering(p.stop_gradient_p)
def _stop_gradient(low, xs, in_types, out_types):
    return xs[0]


@lowering(p.convert_p)
def _convert(low, xs, in_types, out_types, *, dtype, weak):
    x, source = xs[0], in_types[0]
    if source.dtype == dtype:
        return x
    if dtypes.is_complex(source.dtype) and not dtypes.is_complex(dtype):
        source = source.with_dtype(dtypes.real_of(source.dtype))
        x = low.op("real", source, [x])
        if source.dtype == dtype:
            return x
    if source.dtype.itemsize == 1 and dtypes.is_float(source.dtype) and dtypes.is_integer(dtype):
        x = low.op("convert", source.with_dtype(FLOAT32), [x])  # XLA bounds the result in a dtype that lacks the bounds
    return low.op("convert", out_types[0], [x])
