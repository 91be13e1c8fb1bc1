"""jaxlib's client: devices, and buffers to and from the host."""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import threading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import jaxlib.xla_client as xc
import numpy as np
from jaxlib import _jax

from functorch_lite.array import backend
from functorch_lite.config import config
from functorch_lite.ir import ArrayType

_lock = threading.Lock()
_COPY = xc.HostBufferSemantics.IMMUTABLE_ONLY_DURING_CALL
_SHARE = xc.HostBufferSemantics.ZERO_COPY
_SHARE_FROM = 1 << 14  # bytes: below, a copy is cheaper than to keep the array alive


@functools.lru_cache(None)
def client():
    """The CPU client of this process."""
    with _lock:
        gc.callbacks.append(_collect)
        return xc.make_cpu_client(asynchronous=True, num_devices=config.claim_devices())


def _collect(phase: str, info: dict) -> None:
    """jaxlib puts references aside that it drops without the interpreter's lock; somebody has to free them."""
    if phase == "stop":
        _jax.collect_garbage()


@functools.lru_cache(None)
def devices(platform: str | None = None) -> tuple:
    """The devices of a platform, by default the one that computes."""
    if platform not in (None, "cpu"):
        raise RuntimeError(f"there is no platform `{platform}` here; `devices()` lists what there is")
    return tuple(client().devices())


@functools.lru_cache(None)
def device_list(devices: tuple):
    return xc.DeviceList(devices)


@functools.lru_cache(None)
def whole(device):
    """The sharding of a buffer that lies on one device entirely."""
    return xc.GSPMDSharding(device_list((device,)), xc.HloSharding.replicate())


def put(value: np.ndarray, type_: ArrayType, device=None, share: bool = True):
    """The buffer of a host array, which never changes: shared where its memory is aligned, else copied.

    Without `share`, a copy: for arrays of the user, who may write to them.
    """
    if device is None:
        device = devices()[0]
    semantics = _SHARE if share and value.nbytes >= _SHARE_FROM and value.flags.c_contiguous else _COPY
    return xc.batched_device_put(type_, whole(device), [value], [device], True, False, semantics, True)


def to_numpy(buffer) -> np.ndarray:
    """The host view of a CPU buffer, without a copy; waits for the result."""
    dtype = buffer.aval.dtype
    if dtype.isbuiltin == 1:
        return np.asarray(buffer)
    if dtype.name.endswith(("int4", "int2", "e2m1fn")):  # packed in newer versions: widen on the device
        return np.asarray(backend.widened(buffer)).astype(dtype)
    # the other types of ml_dtypes have no code in the buffer protocol: copy the bytes
    buffer.block_until_ready()
    size = buffer.aval.size * dtype.itemsize
    memory = ctypes.string_at(buffer.unsafe_buffer_pointer(), size) if size else b""
    return np.frombuffer(memory, dtype).reshape(buffer.aval.shape)


@functools.lru_cache(4096)
def handler(type_: ArrayType, device):
    """What wraps a raw result as a buffer of a type."""
    return native_handler(type_, whole(device))


def native_handler(type_: ArrayType, sharding):
    """The same for a result that lies on several devices."""
    try:
        return xc.array_result_handler(type_, sharding, True, True)
    except TypeError:  # jaxlib 0.12 takes one argument less
        return xc.array_result_handler(type_, sharding, True)


backend.put, backend.to_numpy, backend.devices = put, to_numpy, devices
