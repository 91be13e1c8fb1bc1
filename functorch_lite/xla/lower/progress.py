"""The lowering of `progress`.

A turn that tells nothing must cost nothing. So a loop that tells is lowered as a loop of loops: the inner ones take the
turns between two calls, and do not know of any (see `scan` and `while_loop`). Elsewhere it is a branch.
"""

from __future__ import annotations

import numpy as np
from jaxlib.mlir import ir

from functorch_lite.control.counted import NUMBER, distance_graph
from functorch_lite.host.progress import Telling
from functorch_lite.ir import array_type
from functorch_lite.prims.progress import progress_p
from functorch_lite.xla.module import lowering

FLAG = array_type((), np.dtype(bool))


@lowering(progress_p)
def _progress(low, xs, in_types, out_types):
    _, done, total, going = xs
    rest = low.op("remainder", NUMBER, [done, distance(low, done, total)])
    now = compare(low, "EQ", rest, low.constant(0, NUMBER))
    now = low.op("or", FLAG, [now, low.op("not", FLAG, [going])])
    tell_if(low, now, xs)
    return []


def distance(low, done, total):
    """How many turns lie between two calls."""
    return low.body(distance_graph(), [done, total])[0]


def compare(low, direction: str, x, y):
    """A comparison of two numbers of turns."""
    attributes = low.memo(("progress", direction), lambda: {
        "comparison_direction": ir.Attribute.parse(f"#stablehlo<comparison_direction {direction}>"),
        "compare_type": ir.Attribute.parse("#stablehlo<comparison_type SIGNED>")})  # fmt: skip
    return low.op("compare", FLAG, [x, y], attributes)


def tell_if(low, now, operands) -> None:
    """A call, if `now` holds."""
    index = low.op("convert", NUMBER, [now])
    low.choose([], index, [lambda: [], lambda: tell(low, operands)], True)


def tell(low, operands) -> list:
    """A call of the display."""
    telling = [k for k, c in enumerate(low.callbacks) if type(getattr(c, "run", None)) is Telling]
    index = telling[0] if telling else low.callback(Telling(), True)
    attributes = {
        "call_target_name": ir.StringAttr.get("xla_ffi_python_cpu_callback"),
        "api_version": low.d.parsed["4 : i32"],
        "has_side_effect": ir.BoolAttr.get(True),
        "backend_config": ir.DictAttr.get({"index": low.d.parsed[f"{index} : ui64"]}),
    }
    return low.with_token("custom_call", [], operands, attributes)
