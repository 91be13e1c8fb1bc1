"""NumPy's own functions on traced arrays: `np.sin(x)` inside a transform is `functorch_lite.numpy.sin(x)`.

NumPy asks the protocols `__array_ufunc__` (NEP 13) and `__array_function__` (NEP 18) first. Without an answer it would
take the value of the array, where there is one, and the derivative would silently be 0.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from functorch_lite.trace import Tracer, at

_REDUCTIONS = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
_TEXTS = ("array_repr", "array_str", "array2string")  # what shows a value has no derivative


def _namesake(module: str, name: str) -> Callable | None:
    """The function of that name in the module of ours that corresponds to one of NumPy's."""
    ours: Any = sys.modules["functorch_lite.numpy"]
    for part in module.split(".")[1:]:
        if not part.startswith("_"):
            ours = getattr(ours, part, None)
    found = getattr(ours, name, None)
    return found if callable(found) and not isinstance(found, type) else None


def _refused(name: str, x: Tracer) -> TypeError:
    return TypeError(f"NumPy's `{name}` was given {x.type} of `{x.frame.transform}` at {at()}; functorch_lite.numpy "
                     "has no such function: write it with those there are, or take `np.asarray(x)`, the value without "
                     "its derivative")  # fmt: skip


def array_ufunc(self, ufunc, method, *args, **kwargs):
    """What a ufunc of NumPy, or its `reduce`, gives for traced arrays."""
    name = ufunc.__name__
    if any([isinstance(x, np.ndarray) for x in kwargs.get("out", ())]):
        raise TypeError(f"NumPy's `{name}` cannot write {self.type} of `{self.frame.transform}` into a NumPy array, at "
                        f"{at()}; make a new array: `y = y + x` in place of `y += x`")  # fmt: skip
    found = None
    if method == "__call__":
        found = _namesake("numpy", name)
    elif method == "reduce" and name in _REDUCTIONS:
        found = _namesake("numpy", _REDUCTIONS[name])
        kwargs = {"axis": 0, **kwargs} if len(args) == 1 else kwargs
    if found is None:
        raise _refused(name if method == "__call__" else f"{name}.{method}", self)
    return found(*args, **kwargs)


def array_function(self, func, types, args, kwargs):
    """What a function of NumPy gives for traced arrays."""
    if func.__name__ in _TEXTS:
        return func(*[np.asarray(x) if isinstance(x, Tracer) else x for x in args], **kwargs)
    found = _namesake(func.__module__, func.__name__)
    if found is None:
        raise _refused(func.__name__, self)
    return found(*args, **kwargs)
