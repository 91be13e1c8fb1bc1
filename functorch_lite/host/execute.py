"""Run graphs and single primitives with NumPy: this is eager mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from functorch_lite.array import Array, asarray, of_typed, scalar
from functorch_lite.control.custom import erase
from functorch_lite.host.registry import kernel, quiet
from functorch_lite.ir import Graph, Lit, Primitive, literal, open_params
from functorch_lite.trace import SCALARS, at, executor
from functorch_lite.transforms.common import rewrite

_LARGE = 1 << 16  # bytes: values from this size on are freed after their last use


def bind(prim: Primitive, args: Sequence, params: dict) -> Any:
    """Compute one primitive now. Operands: Arrays, NumPy arrays, and Python scalars where it admits literals."""
    operands = [x if type(x) is Array else x if type(x) in SCALARS else asarray(x) for x in args]
    if any(type(x) in SCALARS for x in operands):
        operands = _literals(prim, operands)
    frozen = tuple(params.items())
    find = kernel.__wrapped__ if prim.many and open_params(frozen) else kernel
    fun, out_types = find(prim, tuple([x.type for x in operands]), frozen)
    values = [_literal_value(x) if type(x) is Lit else x._value for x in operands]
    with quiet():
        made = fun(*values)
    if prim.many:
        return [of_typed(y, t) for y, t in zip(made, out_types, strict=True)]
    return of_typed(made, out_types[0])


def _literals(prim: Primitive, operands: list) -> list:
    """Python scalars take the dtype of the arrays beside them, where the primitive has literals; else their own."""
    where = prim.literals or ()
    dtype = next((operands[i].type.dtype for i in where if type(operands[i]) not in SCALARS), None)
    made = []
    for i, x in enumerate(operands):
        if type(x) in SCALARS and i in where and dtype is not None:
            try:
                x = literal(x, dtype)
            except (TypeError, OverflowError) as error:
                raise type(error)(f"{prim.name}: {error}, at {at()}") from None
        elif type(x) in SCALARS:
            x = asarray(x)
            if i in where:
                dtype = x.dtype
        made.append(x)
    return made


def _literal_value(x: Lit):
    return scalar(x.value, x.dtype)


class Plan:
    """A graph made ready to run: per equation its function, where it reads, where it writes, what is then freed."""

    __slots__ = ("literals", "out_types", "outs", "size", "steps", "weight")

    def __init__(self, graph: Graph):
        types, last = graph.types, {}
        for k, eqn in enumerate(graph.eqns):
            last.update(dict.fromkeys(eqn.ins, k))
        kept = {*graph.ins, *graph.outs}
        self.literals: dict[Lit, int] = {}
        self.steps, self.size = [], len(types)
        for k, (prim, ins, params, outs) in enumerate(graph.eqns):
            fun, _ = kernel(prim, tuple([a.type if type(a) is Lit else types[a] for a in ins]), params)
            slots = tuple([self._slot(a) for a in ins])
            free = [a for a in {*ins, *outs} if type(a) is int and a not in kept and last.get(a, k) == k]
            free = tuple([a for a in free if types[a].size * types[a].dtype.itemsize >= _LARGE])
            self.steps.append((fun, slots, outs if prim.many else outs[0], prim.many, free))
        self.outs = tuple([self._slot(a) for a in graph.outs])
        self.out_types, self.weight = tuple(graph.out_types), len(self.steps)

    def _slot(self, a) -> int:
        if type(a) is not Lit:
            return a
        if a not in self.literals:
            self.literals[a] = self.size + len(self.literals)
        return self.literals[a]

    def __call__(self, values: Sequence) -> list:
        env = [*values, *[None] * (self.size - len(values)), *map(_literal_value, self.literals)]
        for fun, ins, out, many, free in self.steps:
            if len(ins) == 2:
                y = fun(env[ins[0]], env[ins[1]])
            elif len(ins) == 1:
                y = fun(env[ins[0]])
            else:
                y = fun(*[env[i] for i in ins])
            if many:
                for o, v in zip(out, y, strict=True):
                    env[o] = v
            else:
                env[out] = y
            for i in free:
                env[i] = None
        return [env[i] for i in self.outs]


@rewrite
def _plan(graph: Graph) -> Plan:
    return Plan(graph)


def plan(graph: Graph) -> Plan:
    """The plan of a graph; users' rules play no part in it."""
    return _plan(erase(graph))


def execute(graph: Graph, args: Sequence, sources: Sequence | None = None) -> list:
    """Compute a graph on Arrays (or what converts to them); results never share memory with a caller's ndarray."""
    made = plan(graph)
    values = [(x if type(x) is Array else asarray(x))._value for x in args]
    with quiet():
        results = made(values)
    return [of_typed(y, t) for y, t in zip(results, made.out_types, strict=True)]


def run_values(graph: Graph, values: Sequence[np.ndarray]) -> list:
    """Compute a graph on NumPy arrays: how host functions of primitives that hold graphs go one level down."""
    return plan(graph)(values)


executor.bind, executor.execute = bind, execute
