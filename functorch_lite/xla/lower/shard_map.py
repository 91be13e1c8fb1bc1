"""The lowering of `control.shard_map`: one program for all devices, which is manual about its axis."""

from __future__ import annotations

from functorch_lite.control import shard_map as p
from functorch_lite.ir import array_type
from functorch_lite.xla.module import lowering

CUT = '{"d"}'


def _list(types, cuts) -> str:
    def one(t, cut):
        return f"<@mesh, [{', '.join([CUT if i == cut else '{}' for i in range(t.ndim)])}]>"

    return f"#sdy.sharding_per_value<[{', '.join(map(one, types, cuts))}]>"


@lowering(p.shard_map_p)
def _shard_map(low, xs, in_types, out_types, *, graph, ins, outs, axis, count, devices, name):
    """Inside a program of one device, or of another number of them, or inside another one, the parts are rows. So they
    are where there are effects, which happen in their order then."""
    if low.devices != count or low.manual or graph.effects:
        return low.apply(p.on_one(graph, axis, count, ins, outs), xs, name)
    d = low.d
    attributes = {
        "in_shardings": d.parsed[_list(in_types, ins)],
        "out_shardings": d.parsed[_list(out_types, outs)],
        "manual_axes": d.parsed['#sdy<manual_axes{"d"}>'],
    }
    local = [array_type(t.shape, t.dtype) for t in graph.in_types]
    return low.on_devices(out_types, xs, attributes, axis, local, lambda *args: low.body(graph, list(args)))
