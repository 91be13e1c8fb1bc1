"""Arrays that lie on several devices: how they are cut, and their parts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jaxlib.xla_client as xc
import numpy as np

from functorch_lite.array import Array, ShardedArray, backend, of_buffer, of_shards
from functorch_lite.ir import ArrayType, array_type
from functorch_lite.trace import at
from functorch_lite.xla.client import device_list, to_numpy, whole
from functorch_lite.xla.guard import Guard


class Sharding:
    """How an array lies on devices: cut along one axis in equal parts, one per device, or whole on each of them."""

    __slots__ = ("_places", "cut", "devices", "native", "ndim")

    def __init__(self, devices: tuple, ndim: int, cut: int | None):
        self.devices, self.ndim, self.cut = devices, ndim, cut
        tiles = [len(devices) if i == cut else 1 for i in range(ndim)]
        hlo = xc.HloSharding.replicate() if cut is None else xc.HloSharding.iota_tile(tiles)
        self.native = xc.GSPMDSharding(device_list(devices), hlo)
        self._places: dict[tuple, list] = {}

    def __repr__(self) -> str:
        how = "whole on each" if self.cut is None else f"cut along axis {self.cut}"
        return f"Sharding({len(self.devices)} devices, {how})"

    @property
    def is_fully_replicated(self) -> bool:
        """Whether every device has all of the array."""
        return self.cut is None

    @property
    def device_set(self) -> set:
        """The devices, as a set."""
        return set(self.devices)

    def shard_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of the part of one device. Raises ValueError where the parts are not equal."""
        shape, n = tuple(shape), len(self.devices)
        if self.cut is None:
            return shape
        if len(shape) != self.ndim or shape[self.cut] % n:
            raise ValueError(f"an array of shape {shape} is not cut in equal parts by {self}, at {at()}")
        return (*shape[: self.cut], shape[self.cut] // n, *shape[self.cut + 1 :])

    def indices(self, shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
        """Per device, which part of an array it has."""
        found = self._places.get(shape)
        if found is None:
            part, found = self.shard_shape(shape), []
            for k in range(len(self.devices)):
                starts = [k * n if i == self.cut else 0 for i, n in enumerate(part)]
                found.append(tuple([slice(i, i + n) for i, n in zip(starts, part, strict=True)]))
            self._places[shape] = found
        return found

    def devices_indices_map(self, shape: Sequence[int]) -> dict:
        """{device: which part of an array of this shape it has}."""
        return dict(zip(self.devices, self.indices(tuple(shape)), strict=True))

    @property
    def text(self) -> str:
        """The attribute of a value in a module whose devices are the axis "d" of the mesh."""
        dims = ", ".join(['{"d"}' if i == self.cut else "{}" for i in range(self.ndim)])
        return f"#sdy.sharding<@mesh, [{dims}]>"


@functools.lru_cache(4096)
def cut_along(devices: tuple, ndim: int, cut: int | None) -> Sharding:
    """The one sharding of arrays of so many axes that are cut along one of them, or not at all."""
    return Sharding(devices, ndim, cut)


def chosen(devices: tuple, type_: ArrayType, proto: Any) -> Sharding | None:
    """The sharding that XLA chose for a result, if it is one along a single axis in equal parts."""
    hlo, n = xc.HloSharding.from_proto(proto), len(devices)
    if hlo.is_replicated():
        return cut_along(devices, type_.ndim, None)
    if not hlo.is_tiled() or hlo.replicate_on_last_tile_dim():
        return None
    tiles = list(hlo.tile_assignment_dimensions())
    cut = tiles.index(n) if n in tiles else None
    if cut is None or type_.shape[cut] % n or list(hlo.tile_assignment_devices()) != list(range(n)):
        return None
    return cut_along(devices, type_.ndim, cut)


# ---- buffers ----

guard = Guard(lambda shape, dtype, weak: array_type(tuple(shape), np.dtype(dtype)), whole)  # all avals say weak


def spread(value: np.ndarray, type_: ArrayType, sharding: Sharding) -> Any:
    """The buffer of a host array on several devices."""
    parts = [np.array(value[index], order="C") for index in sharding.indices(type_.shape)]
    return xc.batched_device_put(
        type_, sharding.native, parts, list(sharding.devices), True, False,
        xc.HostBufferSemantics.IMMUTABLE_ONLY_DURING_CALL, True)  # fmt: skip


def parts_of(buffer: Any) -> list:
    """The buffers of the single devices."""
    with guard:
        return list(buffer._arrays)


def gathered(buffer: Any, sharding: Sharding, type_: ArrayType) -> np.ndarray:
    """The whole array on the host."""
    buffer.block_until_ready()
    parts = parts_of(buffer)
    if sharding.is_fully_replicated:
        return to_numpy(parts[0])
    made = np.empty(type_.shape, type_.dtype)
    for index, part in zip(sharding.indices(type_.shape), parts, strict=True):
        made[index] = to_numpy(part)
    return made


class Shard(NamedTuple):
    """The part of an array that lies on one device."""

    device: Any
    index: tuple[slice, ...]  # which part it is
    replica_id: int  # counts the devices that have the same part
    data: Array


def shards_of(x: Array) -> list[Shard]:
    """The parts of an array, one per device."""
    if type(x) is not ShardedArray:
        return [Shard(x.device, tuple([slice(0, n) for n in x.shape]), 0, x)]
    whole, places = x.sharding.is_fully_replicated, x.sharding.indices(x.type.shape)
    each = zip(x.sharding.devices, places, parts_of(x._shards), strict=True)
    return [Shard(device, index, k if whole else 0, of_buffer(part)) for k, (device, index, part) in enumerate(each)]


def spread_over(value: np.ndarray, devices: tuple, cut: int | None) -> ShardedArray:
    """A host array as one that lies on these devices."""
    type_ = array_type(value.shape, value.dtype)
    sharding = cut_along(devices, value.ndim, cut)
    return of_shards(spread(value, type_, sharding), sharding, type_)


backend.gathered, backend.shards_of, backend.spread_over = gathered, shards_of, spread_over
backend.cut_along = cut_along
