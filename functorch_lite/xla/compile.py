"""Graph -> executable, and the cache of executables."""

from __future__ import annotations

from collections.abc import Sequence

import jaxlib.xla_client as xc
import numpy as np
from jaxlib._jax import mlir

from functorch_lite import dtypes
from functorch_lite.array import backend, of_typed
from functorch_lite.control.custom import erase
from functorch_lite.control.record import record_p
from functorch_lite.control.replay import replay_p
from functorch_lite.control.shard_map import devices_of
from functorch_lite.control.while_loop import while_p
from functorch_lite.ir import ArrayType, Graph, nested
from functorch_lite.prims.elementwise import convert
from functorch_lite.trace import trace
from functorch_lite.transforms.common import rewrite
from functorch_lite.transforms.simplify import simplify
from functorch_lite.xla import exchange, lower  # noqa: F401  complete the backend, register all lowerings
from functorch_lite.xla.calling import Callback, Calling, Stoppable
from functorch_lite.xla.client import client, device_list, devices, handler, put, to_numpy
from functorch_lite.xla.module import lower as lower_graph
from functorch_lite.xla.several import several, several_module

_LOOPS = (while_p, record_p, replay_p)


class Executable:
    """A compiled graph: buffers in, buffers out. Its inputs were checked by who calls it: jaxlib checks nothing."""

    __slots__ = ("device", "execute", "graph", "handlers", "loaded", "weight")

    def __init__(self, graph: Graph, loaded, device, callbacks=()):
        self.graph, self.loaded, self.device = graph, loaded, device
        endless = any(eqn.prim in _LOOPS for g in (graph, *nested(graph)) for eqn in g.eqns)
        plain = Stoppable(loaded) if endless else loaded.execute_sharded
        self.execute = Calling(loaded, callbacks) if callbacks else plain
        self.handlers = [handler(t, device) for t in graph.out_types]
        self.weight = 400 + 10 * len(graph.eqns)  # machine code is larger than equations

    def __call__(self, buffers: Sequence) -> list:
        return self.execute(buffers).consume_with_handlers(self.handlers)


def options(device):
    """The compile options of a program for one device."""
    made = xc.CompileOptions()
    if device is not devices()[0]:
        assignment = xc.DeviceAssignment.create(np.array([[device.id]]))
        made.device_assignment = made.executable_build_options.device_assignment = assignment
    return made


def argument_attributes(donated: Sequence[bool]) -> list[dict]:
    return [{"jax.buffer_donor": "true"} if d else {} for d in donated]


def executable(graph: Graph, name: str = "main", donated: tuple[bool, ...] = (), device=None) -> Executable:
    """Compile a graph for one device; donated inputs give their memory to the results. Users' rules play no part."""
    return _executable(erase(graph), name, donated, device)


@rewrite
def _executable(graph: Graph, name: str, donated: tuple[bool, ...], device) -> Executable:
    device = device or devices()[0]
    lowered, callbacks = _lowered(graph, name, donated)
    wrapped = [Callback(c) for c in callbacks]
    loaded = client().compile_and_load(lowered, device_list((device,)), options(device), wrapped)
    return Executable(graph, loaded, device, wrapped)


def run_values(graph: Graph, values: Sequence[np.ndarray], name: str = "main") -> list[np.ndarray]:
    """Compute a graph on NumPy arrays, compiled."""
    if devices_of(graph) is not None and not graph.effects:
        program = several(graph, name, (), (None,) * len(graph.ins))
        given = [of_typed(v, t) for v, t in zip(values, graph.in_types, strict=True)]
        return [np.asarray(y._value) for y in program([program.place(x, k) for k, x in enumerate(given)])]
    made = executable(graph, name)
    buffers = [put(np.asarray(v), t) for v, t in zip(values, graph.in_types, strict=True)]
    return [to_numpy(b) for b in made(buffers)]


def widened(buffer):
    """A buffer of a packed narrow type as one of a type that NumPy can read."""
    source: ArrayType = buffer.aval
    wide = np.dtype(np.float32 if dtypes.is_float(source.dtype) else np.int8)
    graph = trace(lambda x: [convert(x, wide)], [source], transform="widened").graph
    return executable(graph)([buffer])[0]


def module(graph: Graph, name: str, donated: tuple[bool, ...]):
    """The StableHLO module that `executable` compiles, or the one that several devices run."""
    if devices_of(graph) is not None and not graph.effects:
        return several_module(graph, name, donated)
    return _lowered(graph, name, donated)[0]


def _lowered(graph: Graph, name: str, donated: tuple[bool, ...]):
    return lower_graph(simplify(erase(graph)), name, argument_attributes(donated) if donated else None)


def hlo_text(text: str) -> str:
    """A StableHLO module as HLO text, before XLA optimises it."""
    return mlir.mlir_module_to_xla_computation(text, use_tuple_args=False, return_tuple=False).as_hlo_text()


backend.run_values, backend.widened, backend.executable = run_values, widened, executable
backend.module, backend.hlo_text = module, hlo_text
