"""Rules for derivatives, under the names where JAX has them."""

from functorch_lite.api.closures import closure_convert, linear_call
from functorch_lite.api.custom import custom_gradient, custom_jvp, custom_vjp
from functorch_lite.api.rules import CustomVJPPrimal, SymbolicZero, custom_vjp_primal_tree_values, zero_from_primal

__all__ = [
    "CustomVJPPrimal",
    "SymbolicZero",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "custom_vjp_primal_tree_values",
    "linear_call",
    "zero_from_primal",
]
