"""Types for annotations, under JAX's names: what functions take where they say array, or dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from functorch_lite.array import Array

__all__ = ["ArrayLike", "DTypeLike"]

ArrayLike = Array | np.ndarray | np.generic | bool | int | float | complex
DTypeLike = str | type[Any] | np.dtype
