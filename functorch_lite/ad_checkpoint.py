"""Names of `jax.ad_checkpoint`."""

from __future__ import annotations

from collections.abc import Callable

from functorch_lite.api.remat import checkpoint, checkpoint_name, checkpoint_policies, remat, residuals

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies", "print_saved_residuals", "remat"]


def print_saved_residuals(fun: Callable, *args, **kwargs) -> None:
    """Print what reverse mode of `fun` saves at `args`: the table that `residuals` returns."""
    print(residuals(fun, *args, **kwargs))
