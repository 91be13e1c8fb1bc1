"""DLPack for the dtypes that NumPy does not exchange: bfloat16, the 8-bit floats and their like."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxlib import _jax

from functorch_lite.array import backend
from functorch_lite.xla.client import devices, to_numpy
from functorch_lite.xla.sharding import guard


def exported(buffer: Any) -> Any:
    """The capsule of a buffer, whose memory it shares."""
    return _jax.buffer_to_dlpack_managed_tensor(buffer, None)


def imported(x: Any) -> np.ndarray:
    """A copy of what another library exports. Raises RuntimeError for a dtype or a device that is unknown here."""
    with guard:
        buffer = _jax.dlpack_managed_tensor_to_buffer(x.__dlpack__(), devices()[0], None, None)
    return np.array(to_numpy(buffer))


backend.exported, backend.imported = exported, imported
