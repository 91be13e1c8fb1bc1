"""Calls of jaxlib that would import jax: with stand-ins for what they look up, they do not.

To take the buffers of single devices out of one that lies on several, jaxlib asks two modules of jax for the type and
the sharding of each. What it finds first it keeps for the life of the process, so the stand-in for types hands over to
the real one as soon as somebody has imported jax.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

_lock = threading.RLock()


def _type(shape, dtype, weak_type=False) -> Any:
    real = getattr(sys.modules.get("jax._src.core"), "ShapedArray", None)
    return (real or _stands_in["type"])(shape, dtype, weak_type)


_stands_in: dict[str, Callable] = {}


def _module(name: str, **attributes: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(attributes)
    return made


class Guard:
    """`with Guard(type, sharding)`: stand-ins while jax is not imported. type: (shape, dtype, weak) -> the aval of a
    buffer; sharding: device -> that of a buffer on it."""

    def __init__(self, type_: Callable, sharding: Callable):
        _stands_in["type"] = type_
        on = lambda device, memory_kind=None: sharding(device)
        self.modules = {
            "jax": _module("jax"),
            "jax.core": _module("jax.core", ShapedArray=_type),
            "jax._src.sharding_impls": _module(
                "jax._src.sharding_impls", make_single_device_sharding=on, SingleDeviceSharding=on),
        }  # fmt: skip
        self.active = False

    def __enter__(self) -> None:
        _lock.acquire()
        self.active = "jax" not in sys.modules
        if self.active:
            sys.modules.update(self.modules)

    def __exit__(self, *_) -> None:
        if self.active:
            for name in self.modules:
                sys.modules.pop(name, None)
        _lock.release()
