"""How samplers read their arguments, and how they run.

The formula of a sampler is a function of the words of a key and of parameters. In a trace it is recorded as it is;
with no trace going on it is traced once per shapes and dtypes, and its graph is run, which saves most of what an
operation by itself costs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.array import backend, of_typed
from functorch_lite.config import config
from functorch_lite.errors import DtypeError
from functorch_lite.numpy.promote import operand
from functorch_lite.prims import elementwise as e
from functorch_lite.prims.shape import broadcast
from functorch_lite.random.keys import shape_of, words_of
from functorch_lite.trace import SCALARS, at, current_frame, executor, trace, typeof
from functorch_lite.transforms.simplify import simplify

_COMPILED_FROM = 1_000_000  # elements: 40 ms of NumPy for normal numbers, 7 ms compiled and 80 ms to compile


def float_dtype(name: str, dtype: Any) -> np.dtype:
    """The float dtype of a sample; None: the default. Raises TypeError for other dtypes."""
    if dtype is None:
        return config.default_float
    found = dtypes.canonical(dtype)
    if not dtypes.is_float(found):
        raise DtypeError(f"{name}: samples are floats, not {dtypes.short(found)}, at {at()}; choose a float dtype")
    return found


def integer_dtype(name: str, dtype: Any) -> np.dtype:
    """The integer dtype of a sample; None: the default. Raises TypeError for other dtypes."""
    found = config.default_int if dtype is None else dtypes.canonical(dtype)
    if not dtypes.is_integer(found):
        raise TypeError(f"{name}: samples are integers, not {dtypes.short(found)}, at {at()}; choose an integer dtype")
    return found


def sample_shape(name: str, shape: Any, *parameters: Any) -> tuple[int, ...]:
    """The shape of a sample, to which all parameters must broadcast; None: the shape that they broadcast to."""
    if shape is not None:
        shape = shape_of(name, shape)
        if all([type(x) in SCALARS for x in parameters]):
            return shape
    known = [() if type(x) in SCALARS else typeof(x).shape for x in parameters]
    try:
        least = np.broadcast_shapes(*known)
        if shape is None or np.broadcast_shapes(shape, least) == shape:
            return least if shape is None else shape
    except ValueError:
        pass
    raise ValueError(f"{name}: parameters of shapes {', '.join(map(str, known))} do not broadcast to the shape "
                     f"{shape}, at {at()}; give that shape or other parameters")  # fmt: skip


def fitted(x: Any, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """A parameter in the dtype and the shape of the sample; a Python scalar remains one, rounded to the dtype."""
    if type(x) in SCALARS:
        return rounded(x, dtype) if dtypes.is_float(dtype) else x
    x = e.convert(x, dtype)
    return x if x.shape == shape else broadcast(x, shape)


def rounded(x: float, dtype: np.dtype) -> float:
    """A number as the dtype holds it."""
    return float(np.array(x).astype(dtype))


def sample(name: str, core: Callable, key: Any, shape: Any, dtype: np.dtype, *parameters: Any, extra: tuple = ()):
    """core(words of the key, shape, dtype, *fitted parameters, *extra)."""
    words, _ = words_of(name, key)
    parameters = tuple([operand(name, x) for x in parameters])
    shape = sample_shape(name, shape, *parameters)
    if current_frame() is None:
        parameters = tuple([np.asarray(x).astype(dtype) if type(x) in SCALARS else x for x in parameters])
    return run(_fit_and_draw, (words, *parameters), core, shape, dtype, extra)


def _fit_and_draw(words, *rest):
    *parameters, core, shape, dtype, extra = rest
    return core(words, shape, dtype, *[fitted(x, shape, dtype) for x in parameters], *extra)


def run(core: Callable, operands: tuple, *static: Any) -> Any:
    """core(*operands, *static), which depends on nothing else."""
    if current_frame() is not None:
        return core(*operands, *static)
    graph, type_ = _program(core, tuple([typeof(x) for x in operands]), *static)
    if type_.size < _COMPILED_FROM:
        return executor.execute(graph, operands, None)[0]
    values = [np.asarray(executor.asarray(x)) for x in operands]
    return of_typed(backend.run_values(graph, values)[0], type_)


@functools.lru_cache(2048, typed=True)
def _program(core, types, *static):
    graph = simplify(trace(lambda *xs: [core(*xs, *static)], types, transform=core.__name__).graph)
    return graph, graph.out_types[0]
