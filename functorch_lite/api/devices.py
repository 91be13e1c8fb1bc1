"""Where arrays live: devices, device_put, device_get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functorch_lite import tree
from functorch_lite.array import Array, asarray, backend, on_one_device
from functorch_lite.trace import Tracer, at, typeof


def devices(platform: str | None = None) -> list:
    """The devices of a platform ("cpu", "gpu", "tpu"), by default those that compute; RuntimeError for others."""
    return list(backend.devices(platform))


def local_devices(platform: str | None = None) -> list:
    """The devices of this process."""
    return devices(platform)


def device_count(platform: str | None = None) -> int:
    """How many devices there are."""
    return len(devices(platform))


def local_device_count(platform: str | None = None) -> int:
    """How many devices this process has."""
    return len(devices(platform))


def process_index() -> int:
    """The number of this process among those that compute together: there is one."""
    return 0


def process_count() -> int:
    """How many processes compute together: one."""
    return 1


def default_backend() -> str:
    """The platform that computes: "cpu", "gpu" or "tpu"."""
    return devices()[0].platform


def block_until_ready(x: Any) -> Any:
    """Wait until all Arrays in the tree `x` have been computed; returns `x`."""
    for leaf in tree.leaves(x):
        if isinstance(leaf, Array) and not isinstance(leaf, Tracer):
            leaf.block_until_ready()
    return x


def device_put(x: Any, device: Any = None) -> Any:
    """The tree `x` with its leaves as Arrays on a device of `devices()`, or as a sharding says, such as `y.sharding`.

    By default on the first device. Raises TypeError for leaves that are no arrays, ValueError for other devices.
    """
    have = backend.devices(None)
    if not (device is None or device in have or isinstance(getattr(device, "devices", None), tuple)):
        raise ValueError(f"device_put: {device!r} is no device of `devices()`, at {at()}")

    def put(leaf):
        if isinstance(leaf, Tracer):
            return leaf
        array = asarray(leaf)
        if device is not None and device is not have[0]:
            where, cut = ((device,), None) if device in have else (device.devices, device.cut)
            return array if array.sharding is device else backend.spread_over(np.asarray(array), where, cut)
        array = on_one_device(array)
        array._buffer  # noqa: B018  makes it
        return array

    return tree.map(put, x)


def device_put_sharded(shards: Sequence, devices: Sequence) -> Any:
    """Trees of arrays, one for each device, as one tree of Arrays stacked along a new axis 0 that lies across them.

    Raises ValueError unless there is one tree per device, and their arrays have the same shapes.
    """
    shards, devices = list(shards), tuple(devices)
    if len(shards) != len(devices):
        raise ValueError(f"device_put_sharded: needs one array for each of the {len(devices)} devices, got "
                         f"{len(shards)}, at {at()}")  # fmt: skip

    def put(*leaves):
        values = [np.asarray(asarray(leaf)) for leaf in leaves]
        if len({(v.shape, v.dtype) for v in values}) > 1:
            types = ", ".join([str(typeof(leaf)) for leaf in leaves])
            raise ValueError(f"device_put_sharded: the arrays must have one shape and dtype, got {types}, at {at()}")
        return backend.spread_over(np.stack(values), devices, 0)

    return tree.map(put, *shards)


def device_put_replicated(x: Any, devices: Sequence) -> Any:
    """The tree `x` with a copy of every array on each device, along a new axis 0."""
    devices = tuple(devices)
    return device_put_sharded([x] * len(devices), devices)


def replicate(x: Any, devices: Sequence | None = None) -> Any:
    """The tree `x` with every array whole on each of the devices, by default on all; its shape stays."""
    where = tuple(devices) if devices is not None else tuple(backend.devices(None))
    return tree.map(lambda leaf: backend.spread_over(np.asarray(asarray(leaf)), where, None), x)


def device_get(x: Any) -> Any:
    """The tree `x` with its Arrays as NumPy arrays; other leaves stay as they are."""
    return tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, (Array, Tracer)) else leaf, x)
