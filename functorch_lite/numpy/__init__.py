"""NumPy for arrays that can be differentiated, mapped and compiled: names and arguments are those of `jax.numpy`."""

# ruff: noqa: I001, RUF022  names are packed, which sorters of names do not do
# fmt: off
from numpy import (
    complexfloating, dtype, e, euler_gamma, floating, generic, get_printoptions, inexact, inf, integer, nan, newaxis,
    number, pi, printoptions, set_printoptions, signedinteger, unsignedinteger,
)

from functorch_lite.array import Array as ndarray
from functorch_lite.numpy import fft, linalg, methods
from functorch_lite.numpy.arithmetic import (
    angle, copysign, divmod, float_power, floor_divide, fmod, frexp, gcd, heaviside, hypot, iscomplex, isreal, lcm,
    ldexp, logaddexp, logaddexp2, mod, modf, pow, power, remainder, sinc, spacing,
)
from functorch_lite.numpy.calculus import (
    convolve, correlate, cross, diff, ediff1d, gradient, interp, trapezoid, unwrap,
)
from functorch_lite.numpy.contract import (
    dot, einsum, einsum_path, inner, kron, matmul, matvec, outer, tensordot, vdot, vecdot, vecmat,
)
from functorch_lite.numpy.creation import (
    arange, bartlett, blackman, empty, empty_like, from_dlpack, frombuffer, fromfunction, fromiter, fromstring, full,
    full_like, geomspace, hamming, hanning, indices, kaiser, linspace, logspace, meshgrid, ones, ones_like, zeros,
    zeros_like,
)
from functorch_lite.numpy.cumulative import (
    cumprod, cumsum, cumulative_prod, cumulative_sum, nanargmax, nanargmin, nancumprod, nancumsum, nanmax, nanmean,
    nanmin, nanprod, nanstd, nansum, nanvar,
)
from functorch_lite.numpy.diagonals import (
    diag, diag_indices, diag_indices_from, diagflat, diagonal, eye, identity, trace, tri, tril, tril_indices,
    tril_indices_from, triu, triu_indices, triu_indices_from, vander,
)
from functorch_lite.numpy.editing import append, delete, insert
from functorch_lite.numpy.files import load, save, savez
from functorch_lite.numpy.histograms import bincount, histogram, histogram2d, histogram_bin_edges, histogramdd
from functorch_lite.numpy.inspection import __array_api_version__, __array_namespace_info__
from functorch_lite.numpy.joining import (
    array_split, block, column_stack, concat, concatenate, dsplit, dstack, hsplit, hstack, repeat, split, stack, tile,
    unstack, vsplit, vstack,
)
from functorch_lite.numpy.mapping import apply_along_axis, apply_over_axes, piecewise, vectorize
from functorch_lite.numpy.names import (
    bfloat16, can_cast, cdouble, complex128, complex64, complex_, csingle, double, finfo, float16, float32,
    float4_e2m1fn, float64, float8_e3m4, float8_e4m3, float8_e4m3b11fnuz, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2,
    float8_e5m2fnuz, float8_e8m0fnu, float_, half, iinfo, int16, int2, int32, int4, int64, int8, int_, isdtype,
    issubdtype, promote_types, result_type, single, uint, uint16, uint2, uint32, uint4, uint64, uint8, bool_, bool_ as
    bool,
)
from functorch_lite.numpy.packing import packbits, unpackbits
from functorch_lite.numpy.padding import pad
from functorch_lite.numpy.placing import choose, fill_diagonal, place, put, put_along_axis, take_along_axis
from functorch_lite.numpy.polynomials import poly, polyadd, polyder, polydiv, polyint, polymul, polysub, polyval
from functorch_lite.numpy.positions import (
    c_, index_exp, ix_, mask_indices, mgrid, ogrid, r_, ravel_multi_index, s_, unravel_index,
)
from functorch_lite.numpy.promote import array, asarray
from functorch_lite.numpy.reductions import (
    all, amax, amin, any, argmax, argmin, average, count_nonzero, max, mean, min, prod, ptp, std, sum, var,
)
from functorch_lite.numpy.rounding import allclose, around, array_equal, array_equiv, clip, isclose, nan_to_num, round
from functorch_lite.numpy.selecting import argwhere, compress, extract, flatnonzero, nonzero, select, take, where
from functorch_lite.numpy.sets import (
    in1d, intersect1d, isin, setdiff1d, setxor1d, union1d, unique, unique_all, unique_counts, unique_inverse,
    unique_values,
)
from functorch_lite.numpy.shape import (
    astype, atleast_1d, atleast_2d, atleast_3d, broadcast_arrays, broadcast_shapes, broadcast_to, copy, expand_dims,
    flip, fliplr, flipud, iscomplexobj, isrealobj, isscalar, iterable, matrix_transpose, moveaxis, ndim, permute_dims,
    ravel, reshape, resize, roll, rollaxis, rot90, shape, size, squeeze, swapaxes, transpose, trim_zeros,
)
from functorch_lite.numpy.sorting import (
    argpartition, argsort, digitize, lexsort, partition, searchsorted, sort, sort_complex,
)
from functorch_lite.numpy.statistics import (
    corrcoef, cov, median, nanmedian, nanpercentile, nanquantile, percentile, quantile,
)
from functorch_lite.numpy.ufuncs import (
    abs, absolute, acos, acosh, add, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, asin, asinh, atan,
    atan2, atanh, bitwise_and, bitwise_count, bitwise_invert, bitwise_left_shift, bitwise_not, bitwise_or,
    bitwise_right_shift, bitwise_xor, cbrt, ceil, conj, conjugate, cos, cosh, deg2rad, degrees, divide, equal, exp,
    exp2, expm1, fabs, floor, fmax, fmin, greater, greater_equal, imag, invert, isfinite, isinf, isnan, isneginf,
    isposinf, left_shift, less, less_equal, log, log10, log1p, log2, logical_and, logical_not, logical_or,
    logical_xor, maximum, minimum, multiply, negative, nextafter, not_equal, positive, rad2deg, radians, real,
    reciprocal, right_shift, rint, sign, signbit, sin, sinh, sqrt, square, subtract, tan, tanh, true_divide, trunc,
)

methods.install()

__all__ = [
    "__array_api_version__", "__array_namespace_info__",
    "abs", "absolute", "acos", "acosh", "add", "all", "allclose", "amax", "amin", "angle", "any", "append",
    "apply_along_axis", "apply_over_axes", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2",
    "arctanh", "argmax", "argmin", "argpartition", "argsort", "argwhere", "around", "array", "array_equal",
    "array_equiv", "array_split", "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh", "atleast_1d",
    "atleast_2d", "atleast_3d", "average", "bartlett", "bfloat16", "bincount", "bitwise_and", "bitwise_count",
    "bitwise_invert", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "blackman", "block", "bool", "bool_", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "c_", "can_cast",
    "cbrt", "cdouble", "ceil", "choose", "clip", "column_stack", "complex128", "complex64", "complex_",
    "complexfloating", "compress", "concat", "concatenate", "conj", "conjugate", "convolve", "copy", "copysign",
    "corrcoef", "correlate", "cos", "cosh", "count_nonzero", "cov", "cross", "csingle", "cumprod", "cumsum",
    "cumulative_prod", "cumulative_sum", "deg2rad", "degrees", "delete", "diag", "diag_indices",
    "diag_indices_from", "diagflat", "diagonal", "diff", "digitize", "divide", "divmod", "dot", "double", "dsplit",
    "dstack", "dtype", "e", "ediff1d", "einsum", "einsum_path", "empty", "empty_like", "equal", "euler_gamma",
    "exp", "exp2", "expand_dims", "expm1", "extract", "eye", "fabs", "fft", "fill_diagonal", "finfo", "flatnonzero",
    "flip", "fliplr", "flipud", "float16", "float32", "float4_e2m1fn", "float64", "float8_e3m4", "float8_e4m3",
    "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
    "float_", "float_power", "floating", "floor", "floor_divide", "fmax", "fmin", "fmod", "frexp", "from_dlpack",
    "frombuffer", "fromfunction", "fromiter", "fromstring", "full", "full_like", "gcd", "generic", "geomspace",
    "get_printoptions", "gradient", "greater", "greater_equal", "half", "hamming", "hanning", "heaviside",
    "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "hsplit", "hstack", "hypot", "identity",
    "iinfo", "imag", "in1d", "index_exp", "indices", "inexact", "inf", "inner", "insert", "int16", "int2", "int32",
    "int4", "int64", "int8", "int_", "integer", "interp", "intersect1d", "invert", "isclose", "iscomplex",
    "iscomplexobj", "isdtype", "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "isrealobj",
    "isscalar", "issubdtype", "iterable", "ix_", "kaiser", "kron", "lcm", "ldexp", "left_shift", "less",
    "less_equal", "lexsort", "linalg", "linspace", "load", "log", "log10", "log1p", "log2", "logaddexp",
    "logaddexp2", "logical_and", "logical_not", "logical_or", "logical_xor", "logspace", "mask_indices", "matmul",
    "matrix_transpose", "matvec", "max", "maximum", "mean", "median", "meshgrid", "mgrid", "min", "minimum", "mod",
    "modf", "moveaxis", "multiply", "nan", "nan_to_num", "nanargmax", "nanargmin", "nancumprod", "nancumsum",
    "nanmax", "nanmean", "nanmedian", "nanmin", "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum",
    "nanvar", "ndarray", "ndim", "negative", "newaxis", "nextafter", "nonzero", "not_equal", "number", "ogrid",
    "ones", "ones_like", "outer", "packbits", "pad", "partition", "percentile", "permute_dims", "pi", "piecewise",
    "place", "poly", "polyadd", "polyder", "polydiv", "polyint", "polymul", "polysub", "polyval", "positive",
    "pow", "power", "printoptions", "prod", "promote_types", "ptp", "put", "put_along_axis", "quantile", "r_",
    "rad2deg", "radians", "ravel", "ravel_multi_index", "real", "reciprocal", "remainder", "repeat", "reshape",
    "resize", "result_type", "right_shift", "rint", "roll", "rollaxis", "rot90", "round", "s_", "save", "savez",
    "searchsorted", "select", "set_printoptions", "setdiff1d", "setxor1d", "shape", "sign", "signbit",
    "signedinteger", "sin", "sinc", "single", "sinh", "size", "sort", "sort_complex", "spacing", "split", "sqrt",
    "square", "squeeze", "stack", "std", "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh",
    "tensordot", "tile", "trace", "transpose", "trapezoid", "tri", "tril", "tril_indices", "tril_indices_from",
    "trim_zeros", "triu", "triu_indices", "triu_indices_from", "true_divide", "trunc", "uint", "uint16", "uint2",
    "uint32", "uint4", "uint64", "uint8", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse",
    "unique_values", "unpackbits", "unravel_index", "unsignedinteger", "unstack", "unwrap", "vander", "var",
    "vdot", "vecdot", "vecmat", "vectorize", "vsplit", "vstack", "where", "zeros", "zeros_like",
]
