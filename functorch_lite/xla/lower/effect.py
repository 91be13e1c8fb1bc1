"""Lowerings of `prims.effect`: host callbacks, in order by tokens where they have an effect."""

from __future__ import annotations

from jaxlib.mlir import ir

from functorch_lite.host.effect import runner
from functorch_lite.prims import effect as p
from functorch_lite.xla.module import lowering


def _lower(ordered: bool):
    def rule(low, xs, in_types, results, *, out_types, rows, method, name):
        index = low.callback(runner(in_types, results, rows, name), ordered)
        attributes = {
            "call_target_name": ir.StringAttr.get("xla_ffi_python_cpu_callback"),
            "api_version": low.d.parsed["4 : i32"],
            "has_side_effect": ir.BoolAttr.get(ordered),
            "backend_config": ir.DictAttr.get({"index": low.d.parsed[f"{index} : ui64"]}),
        }
        if not ordered:
            return low.op("custom_call", results, xs, attributes)
        return low.with_token("custom_call", results, xs, attributes)

    return rule


for _prim in p.CALLBACKS:
    lowering(_prim)(_lower(bool(_prim.effects)))
