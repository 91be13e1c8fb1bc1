"""Arrays in files, in NumPy's formats."""

from __future__ import annotations

from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.numpy.promote import asarray

__all__ = ["load", "save", "savez"]


def save(file, arr, allow_pickle=True):
    """Write an array to a file or path in NumPy's `.npy` format."""
    np.save(file, np.asarray(asarray(arr)), allow_pickle=allow_pickle)


def savez(file, *args, **kwds):
    """Write several arrays to one `.npz` file, under the names arr_0, arr_1, ... and those given."""
    named: Any = {name: np.asarray(asarray(x)) for name, x in kwds.items()}
    np.savez(file, *[np.asarray(asarray(x)) for x in args], **named)


def load(file, *args, **kwargs):
    """Read an array written by `save`; of a `.npz` file, what NumPy's `load` gives.

    NumPy stores bfloat16 as two bytes without meaning, which are taken for bfloat16 again.
    """
    found = np.load(file, *args, **kwargs)
    if not isinstance(found, np.ndarray):
        return found
    if found.dtype == np.dtype("V2"):
        found = found.view(dtypes.canonical("bfloat16"))
    return asarray(found)
