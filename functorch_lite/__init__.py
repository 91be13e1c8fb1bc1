"""functorch_lite: composable transformations of Python functions, run by NumPy or compiled by XLA."""



import gc
import os
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before the first import of jaxlib, which reads it
# Compiled code does not warn of overflow and division by zero, so eager code does not either.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"functorch_lite\.")

_collects = gc.isenabled()
gc.disable()  # nearly all that an import makes stays: the collector would walk it in vain, again and again
try:
    from functorch_lite import (
        ad_checkpoint,
        custom_batching,
        custom_derivatives,
        debug,
        dtypes,
        errors,
        flatten_util,
        lax,
        nn,
        numpy,
        random,
        tree,
        tree_util,
        typing,
    )
    from functorch_lite import host as _host  # noqa: F401  registers the NumPy executor
    from functorch_lite.api.caches import cache_sizes, clear_caches
    from functorch_lite.api.callbacks import effects_barrier, io_callback, pure_callback
    from functorch_lite.api.closures import closure_convert, linear_call
    from functorch_lite.api.collectives import collective_bytes
    from functorch_lite.api.custom import check_rules, custom_gradient, custom_jvp, custom_rules, custom_vjp
    from functorch_lite.api.devices import (
        block_until_ready,
        default_backend,
        device_count,
        device_get,
        device_put,
        device_put_replicated,
        device_put_sharded,
        devices,
        local_device_count,
        local_devices,
        process_count,
        process_index,
        replicate,
    )
    from functorch_lite.api.forward import jvp, linearize
    from functorch_lite.api.inspect import ShapeDtypeStruct, eval_shape, make_graph, make_jaxpr
    from functorch_lite.api.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
    from functorch_lite.api.jit import jit
    from functorch_lite.api.pmap import pmap
    from functorch_lite.api.remat import checkpoint, checkpoint_name, checkpoint_policies, remat, residuals
    from functorch_lite.api.reverse import grad, linear_transpose, value_and_grad, vjp
    from functorch_lite.api.vmap import vmap
    from functorch_lite.array import Array
    from functorch_lite.checks import checked, error_if
    from functorch_lite.config import config, disable_jit
    from functorch_lite.dtypes import float0
    from functorch_lite.errors import ConcretizationError, LeakedTracerError
    from functorch_lite.progress import progress
    from functorch_lite.trace import typeof
    from functorch_lite.tree import register_dataclass, register_pytree_node
finally:
    if _collects:
        gc.enable()

__all__ = [
    "Array", "ConcretizationError", "LeakedTracerError", "ShapeDtypeStruct", "ad_checkpoint", "block_until_ready",
    "cache_sizes", "check_rules", "checked", "checkpoint", "checkpoint_name", "checkpoint_policies", "clear_caches",
    "closure_convert", "collective_bytes", "config", "custom_batching", "custom_derivatives", "custom_gradient",
    "custom_jvp", "custom_rules", "custom_vjp", "debug", "default_backend", "device_count", "device_get", "device_put",
    "device_put_replicated", "device_put_sharded", "devices", "disable_jit", "dtypes", "effects_barrier", "error_if",
    "errors", "eval_shape", "flatten_util", "float0", "grad", "hessian", "hvp", "io_callback", "jacfwd", "jacobian",
    "jacrev", "jit", "jvp", "lax", "linear_call", "linear_transpose", "linearize", "local_device_count",
    "local_devices", "make_graph", "make_jaxpr", "nn", "numpy", "pmap", "process_count", "process_index", "progress",
    "pure_callback", "random", "register_dataclass", "register_pytree_node", "remat", "replicate", "residuals", "tree",
    "tree_util", "typeof", "typing", "value_and_grad", "vjp", "vmap",
]  # fmt: skip

__version__ = "0.1.0"
