"""What the array API standard lets a library ask of a namespace before it uses it."""

from __future__ import annotations

from functorch_lite.api.devices import devices
from functorch_lite.config import config
from functorch_lite.dtypes import canonical
from functorch_lite.numpy.names import isdtype, kinds
from functorch_lite.trace import at

__all__ = ["__array_api_version__", "__array_namespace_info__"]

__array_api_version__ = "2024.12"
VERSIONS = ("2021.12", "2022.12", "2023.12", __array_api_version__)

_NAMES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128"
).split()  # fmt: skip


class __array_namespace_info__:
    """The answers about this namespace. Source: https://data-apis.org/array-api/latest/API_specification/inspection.html"""

    __slots__ = ()

    def capabilities(self) -> dict:
        """What is possible outside of `jit`; inside, shapes are fixed, so masks that select need a size."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self):
        """The device on which arrays are made."""
        return devices()[0]

    def devices(self) -> list:
        """All devices."""
        return devices()

    def default_dtypes(self, *, device=None) -> dict:
        """The dtypes that arrays of Python numbers get, by kind: they follow `config.default_dtype`."""
        _check("default_dtypes", device)
        return {"real floating": config.default_float, "complex floating": config.default_complex,
                "integral": config.default_int, "indexing": config.default_int}  # fmt: skip

    def dtypes(self, *, device=None, kind=None) -> dict:
        """The dtypes of the standard by name, or those of one or several kinds of `isdtype`."""
        _check("dtypes", device)
        for k in kind if isinstance(kind, tuple) else (kind,):
            if k is not None and k not in kinds:
                raise ValueError(f"dtypes: kind={k!r} at {at()} is unknown; use one of {', '.join(kinds)}")
        return {name: canonical(name) for name in _NAMES if kind is None or isdtype(name, kind)}


def _check(name, device):
    if device is not None and device not in devices():
        raise ValueError(f"{name}: {device!r} is no device of `devices()`, at {at()}")
