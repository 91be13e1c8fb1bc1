"""What the library remembers, made visible and clearable."""

from __future__ import annotations

from functorch_lite import ir
from functorch_lite.api.jit import jitted_functions
from functorch_lite.host.registry import kernel
from functorch_lite.transforms import common


def cache_sizes() -> dict[str, int]:
    """How many entries every cache holds: passes (also the equations in them), host functions, executables, types.

    All of them are bounded, or hold only what the program still uses.
    """
    sizes: dict[str, int] = {}
    for name, (entries, weight) in common.cache_sizes().items():
        sizes[name] = entries
        sizes[f"{name} weight"] = weight
    sizes["host functions"] = kernel.cache_info().currsize
    sizes["jit traces"] = sum([f.cache_size() for f in jitted_functions])
    return sizes | ir.table_sizes()


def clear_caches() -> None:
    """Forget every derived graph, compiled program and trace; they are made again when needed."""
    common.clear_caches()
    kernel.cache_clear()
    ir.infer.cache_clear()
    for jitted in list(jitted_functions):
        jitted.clear_cache()
