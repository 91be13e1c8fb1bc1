"""Programs that several devices run together, each on its parts of the arrays."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import jaxlib.xla_client as xc
import numpy as np

from functorch_lite.array import Array, ShardedArray, backend, of_shards
from functorch_lite.control.custom import erase
from functorch_lite.control.shard_map import cuts_of, devices_of
from functorch_lite.ir import ArrayType, Graph
from functorch_lite.transforms.common import rewrite
from functorch_lite.transforms.simplify import simplify
from functorch_lite.xla.calling import Callback, Calling
from functorch_lite.xla.client import client, device_list, devices, native_handler
from functorch_lite.xla.module import lower
from functorch_lite.xla.sharding import Sharding, chosen, cut_along, spread


class _Turns:
    """One program of several devices at a time: the threads of the CPU client would else wait for one another, some in
    an exchange of one program and the others in that of the next, for ever."""

    def __init__(self):
        self.lock, self.running = threading.Lock(), None

    def execute(self, loaded, buffers: list):
        with self.lock:
            if self.running is not None:
                self.running.block_until_ready()
            results = loaded.execute_sharded(buffers, with_tokens=True)
            self.running = results.consume_token()
        return results


_turns = _Turns()


class Several:
    """A graph compiled for several devices: Arrays in, Arrays that lie on them out."""

    def __init__(self, graph: Graph, loaded, ins: list[Sharding], outs: list[Sharding], donated, callbacks):
        self.loaded, self.ins, self.outs, self.donated = loaded, ins, outs, donated
        self.types: list[ArrayType] = [t.strong() for t in graph.out_types]
        self.handlers = [native_handler(t, s.native) for t, s in zip(self.types, outs, strict=True)]
        self.calling = Calling(loaded, callbacks) if callbacks else None
        self.weight = 400 + 10 * len(graph.eqns)

    def place(self, x: Array, k: int) -> Any:
        """The buffer of operand k, on the devices as the program expects it; without a copy if it lies there so."""
        sharding = self.ins[k]
        if type(x) is ShardedArray and x.sharding is sharding:
            return x._shards
        return spread(np.asarray(x._value), x.type, sharding)

    def __call__(self, buffers: list) -> list[Array]:
        if self.calling is not None:
            results = self.calling(buffers)
        else:
            results = _turns.execute(self.loaded, buffers)
        made = results.consume_with_handlers(self.handlers)
        return [of_shards(b, s, t) for b, s, t in zip(made, self.outs, self.types, strict=True)]


def several(graph: Graph, name: str, donated: tuple[bool, ...], given: tuple[Sharding | None, ...]) -> Several:
    """Compile a graph for the devices that it names, or on which its operands lie; `given` are their shardings."""
    return _several(erase(graph), name, donated, given)


@rewrite
def _several(graph: Graph, name: str, donated: tuple[bool, ...], given: tuple[Sharding | None, ...]) -> Several:
    where = _devices(graph, given)
    graph = simplify(graph)
    ins = _placed(graph, given, where)
    outs: list[Any] = [None] * len(graph.outs)
    if len(where) == 1:
        outs = [cut_along(where, t.ndim, None) for t in graph.out_types]
    while True:
        loaded, callbacks = _compiled(graph, name, donated, ins, outs, where)
        protos = outs if all(outs) else loaded.get_output_shardings()
        found: list[Any] = [s or chosen(where, t, p) for s, t, p in zip(outs, graph.out_types, protos, strict=True)]
        if None not in found:
            return Several(graph, loaded, ins, found, donated, callbacks)
        outs = [s or cut_along(where, t.ndim, None) for s, t in zip(found, graph.out_types, strict=True)]


def several_module(graph: Graph, name: str, donated: tuple[bool, ...]):
    """The module that is compiled where no operand lies on devices yet."""
    graph, given = erase(graph), (None,) * len(graph.ins)
    where = _devices(graph, given)
    graph = simplify(graph)
    return _lowered(graph, name, donated, _placed(graph, given, where), (None,) * len(graph.outs), where)[0]


def _placed(graph: Graph, given: Sequence[Sharding | None], where: tuple) -> list[Sharding]:
    """How the operands lie: as they do already, or as they are used."""
    wanted = zip(given, graph.in_types, cuts_of(graph, len(where)), strict=True)
    return [s if s is not None and s.devices == where else cut_along(where, t.ndim, cut) for s, t, cut in wanted]


def _devices(graph: Graph, given: Sequence[Sharding | None]) -> tuple:
    found = devices_of(graph)
    if found is None:
        return next(s for s in given if s is not None).devices
    size, numbers = found
    return tuple([devices()[k] for k in numbers or range(size)])


def _compiled(graph: Graph, name: str, donated, ins, outs, where: tuple):
    module, callbacks = _lowered(graph, name, donated, ins, outs, where)
    wrapped = [Callback(c) for c in callbacks]
    return client().compile_and_load(module, device_list(where), _options(where), wrapped), wrapped


def _lowered(graph: Graph, name: str, donated, ins, outs, where: tuple):
    """The module, and what it calls back."""
    says = lambda s: {"sdy.sharding": s.text} if s is not None and len(where) > 1 else {}
    arguments = [says(s) for s in ins]
    for a, d in zip(arguments, donated or (False,) * len(ins), strict=True):
        if d:
            a["jax.buffer_donor"] = "true"
    results = [says(s) for s in outs]
    return lower(graph, name, arguments, results, len(where))


def _options(where: tuple):
    """One program in as many partitions as there are devices, cut by Shardy."""
    made = xc.CompileOptions()
    build = made.executable_build_options
    made.num_replicas = build.num_replicas = 1
    made.num_partitions = build.num_partitions = len(where)
    assignment = xc.DeviceAssignment.create(np.array([[d.id for d in where]]))
    made.device_assignment = build.device_assignment = assignment
    if len(where) > 1:
        build.use_spmd_partitioning = build.use_shardy_partitioner = True
        build.allow_spmd_sharding_propagation_to_output = [True]
    return made


backend.several = several
