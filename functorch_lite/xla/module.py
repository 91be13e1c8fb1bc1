"""Graph -> StableHLO module.

Everything goes through the generic `ir.Operation.create`, which takes finished types and attributes and infers
nothing. Types, attributes and locations are made once per context and looked up after that. A graph inside an
equation becomes a private function: lowered once however often it is called.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _jax_mlir_ext
from jaxlib.mlir.dialects import chlo, func, sdy
from jaxlib.mlir.dialects import stablehlo as hlo

from functorch_lite import dtypes
from functorch_lite.ir import ArrayType, Graph, Lit, Primitive, array_type

_local = threading.local()  # an MLIR context belongs to one thread
_create = ir.Operation.create

LOWERINGS: dict[Primitive, Callable] = {}
NAMES: dict[Primitive, str] = {}  # of those that are one operation without attributes, on all dtypes


def lowering(prim: Primitive) -> Callable:
    """Register the lowering of a primitive: (low, operands, in_types, out_types, **params) -> value(s)."""

    def register(rule: Callable) -> Callable:
        assert prim not in LOWERINGS, f"{prim.name} has two lowerings"
        LOWERINGS[prim] = rule
        return rule

    return register


class _Context(ir.Context):
    def __init__(self):
        super(ir.Context, self).__init__()  # not jaxlib's patched one, which loads every dialect


class _Memo(dict):
    """A dict that makes its missing entries."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, key):
        value = self[key] = self.make(key)
        return value


_ELEMENTS = {"bool": "i1", "bfloat16": "bf16", "complex64": "complex<f32>", "complex128": "complex<f64>"}


def _element_text(dtype: np.dtype) -> str:
    """The MLIR spelling of a dtype."""
    name = dtype.name
    if name in _ELEMENTS:
        return _ELEMENTS[name]
    if name.startswith(("uint", "int")):
        return name.replace("uint", "ui").replace("int", "i")
    if name.startswith("float") and "_" not in name:
        return name.replace("float", "f")
    head, tail = name.removeprefix("float").split("_")
    return f"f{head}{tail.upper()}"


class Dialect:
    """One context and everything memoised in it."""

    def __init__(self):
        registry = ir.DialectRegistry()
        _jax_mlir_ext.register_dialects(registry)
        self.context = _Context()
        self.context.append_dialect_registry(registry)
        self.context.load_all_available_dialects()
        for dialect in (hlo, chlo, sdy):
            dialect.register_dialect(self.context)
        with self.context:
            self.unknown = ir.Location.unknown()
            self.token = ir.Type.parse("!stablehlo.token")
            self.unit = ir.UnitAttr.get()
        self.element = _Memo(lambda dtype: ir.Type.parse(_element_text(dtype)))
        self.type = _Memo(lambda t: ir.RankedTensorType.get(t.shape, self.element[t.dtype]))
        self.axes = _Memo(lambda axes: ir.DenseI64ArrayAttr.get(axes))
        self.flags = _Memo(lambda flags: ir.DenseBoolArrayAttr.get(flags))
        self.i64 = _Memo(lambda n: ir.IntegerAttr.get(ir.IntegerType.get_signless(64), n))
        self.parsed = _Memo(ir.Attribute.parse)
        self.location = _Memo(self._location)
        self.splat = _Memo(self._splat)
        self.attributes: dict[Any, Any] = {}  # (operation, parameters...) -> a finished attribute dict

    def _location(self, source):
        if source is None or type(source) is int:
            return self.unknown
        return ir.Location.file(source.file, source.line, 0)

    def _splat(self, key):
        """The attributes of a constant of one real value; complex ones are put together from two."""
        shape, dtype, _, value = key
        element, kind = self.element[dtype], dtypes.kind(dtype)
        if kind == "f":
            attribute = ir.FloatAttr.get(element, float(np.asarray(value, np.float64).astype(dtype)))
        elif kind == "b":
            attribute = ir.BoolAttr.get(value)
        else:
            attribute = ir.IntegerAttr.get(element, value - 2**64 if value >= 2**63 else value)  # the same bits
        return {"value": ir.DenseElementsAttr.get_splat(self.type[array_type(shape, dtype)], attribute)}


def dialect() -> Dialect:
    """The context of this thread."""
    if not hasattr(_local, "dialect"):
        _local.dialect = Dialect()
    return _local.dialect


class Lowering:
    """One module under construction. Rules use `op`, `constant`, `block` for regions like reduce's, `d` for types."""

    def __init__(self, d: Dialect, devices: int = 1):
        self.d, self.module, self.loc = d, ir.Module.create(), d.unknown
        self.devices = devices  # that run the program together
        self.manual: str | None = None  # the named axis of these, where each is told what to do
        self.functions: dict[Any, str] = {}
        self.symbols = ir.InsertionPoint(self.module.body)
        self.constants: dict[Any, Any] = {}  # of the block being filled
        self.token: Any = None  # orders the effects of the block being filled
        self.callbacks: list[Callable] = []

    # -- what rules use --

    def op(self, name: str, out_types, operands: Sequence, attributes: dict | None = None, regions: int = 0):
        """One operation, of StableHLO or of the dialect named: its result if `out_types` is one type, else a list."""
        one = type(out_types) is ArrayType
        types = [self.d.type[out_types]] if one else [self.d.type[t] for t in out_types]
        name = name if "." in name else f"stablehlo.{name}"
        made = _create(name, types, operands, attributes or {}, regions=regions, loc=self.loc)
        if regions:
            return made
        return made.result if one else list(made.results)

    def with_token(self, name: str, out_types: Sequence[ArrayType], operands: Sequence, attributes: dict) -> list:
        """One operation with an effect, after those that came before it."""
        types = [self.d.token, *[self.d.type[t] for t in out_types]]
        made = _create(f"stablehlo.{name}", types, [self.token, *operands], attributes, loc=self.loc)
        self.token, *results = made.results
        return list(results)

    def callback(self, run: Callable, ordered: bool) -> int:
        """Register a function of NumPy arrays that the program calls; its number."""
        self.callbacks.append(_with_token(run) if ordered else run)
        return len(self.callbacks) - 1

    def memo(self, key, make: Callable) -> dict:
        """A dict of attributes that depends only on `key`; made once per context."""
        found = self.d.attributes.get(key)
        if found is None:
            found = self.d.attributes[key] = make()
        return found

    def constant(self, value, type_: ArrayType):
        """A Python scalar repeated over a shape."""
        key = (type_.shape, type_.dtype, repr(value))
        found = self.constants.get(key)
        if found is None:
            found = self.constants[key] = self._constant(value, type_)
        return found

    def _constant(self, value, type_):
        if dtypes.is_complex(type_.dtype):
            real = array_type(type_.shape, dtypes.real_of(type_.dtype))
            value = complex(value)
            parts = [self._constant(value.real, real), self._constant(value.imag, real)]
            return self.op("complex", type_, parts)
        key = (type_.shape, type_.dtype, repr(value), value)
        return self.op("constant", type_, [], self.d.splat[key])

    def dense(self, value: np.ndarray):
        """A small constant array of integers or floats."""
        type_ = array_type(value.shape, value.dtype)
        return self.op("constant", type_, [], {"value": self.dense_attribute(value)})

    def dense_attribute(self, value: np.ndarray):
        """The elements of a small array as an attribute."""
        value = np.ascontiguousarray(value)
        return ir.DenseElementsAttr.get(value.data, type=self.d.element[value.dtype], shape=value.shape)

    def block(self, region, types: Sequence[ArrayType], body: Callable) -> None:
        """Fill a region with one block: body(*arguments) -> the values it returns."""
        self._fill(region, [self.d.type[t] for t in types], body)

    def on_devices(self, out_types, operands, attributes: dict, axis: str, types, body: Callable) -> list:
        """A region that each device runs on its parts, which have these types."""
        made = self.op("sdy.manual_computation", out_types, operands, attributes, regions=1)
        self.manual = axis
        self._fill(made.regions[0], [self.d.type[t] for t in types], body, "sdy.return")
        self.manual = None
        return list(made.results)

    def _fill(self, region, types: Sequence, body: Callable, end: str = "stablehlo.return") -> None:
        outer = self.constants
        block = region.blocks.append(*types, arg_locs=[self.loc] * len(types))
        self.constants = {}
        with ir.InsertionPoint(block):
            _create(end, [], list(body(*block.arguments)), loc=self.loc)
        self.constants = outer

    def loop(self, types: Sequence[ArrayType], init: Sequence, test: Callable, body: Callable, effects: bool) -> list:
        """A `while` that carries values of `types`, and with `effects` the token behind them."""
        n = len(types)
        token = [self.token] if effects else []
        out_types = [*[self.d.type[t] for t in types], *[t.type for t in token]]
        made = _create("stablehlo.while", out_types, [*init, *token], regions=2, loc=self.loc)

        def turn(*values):
            self.token = values[n] if effects else None
            results = list(body(*values[:n]))
            return [*results, self.token] if effects else results

        outer = self.token
        self._fill(made.regions[0], out_types, lambda *values: test(*values[:n]))
        self._fill(made.regions[1], out_types, turn)
        results = list(made.results)
        self.token = results.pop() if effects else outer
        return results

    def choose(self, out_types: Sequence[ArrayType], index, bodies: Sequence[Callable], effects: bool) -> list:
        """A `case`: the results of the body with this number; with `effects`, the token comes out behind them."""
        types = [self.d.type[t] for t in out_types] + ([self.d.token] if effects else [])
        made = _create("stablehlo.case", types, [index], regions=len(bodies), loc=self.loc)
        outer = self.token
        for region, body in zip(made.regions, bodies, strict=True):
            self.token = outer
            self._fill(region, [], lambda body=body: [*body(), *([self.token] if effects else [])])
        results = list(made.results)
        self.token = results.pop() if effects else outer
        return results

    def broadcast(self, x, in_type: ArrayType, shape, axes):
        """broadcast_in_dim: operand axis i becomes result axis axes[i]."""
        attributes = self.memo(("broadcast", axes), lambda: {"broadcast_dimensions": self.d.axes[tuple(axes)]})
        return self.op("broadcast_in_dim", array_type(tuple(shape), in_type.dtype), [x], attributes)

    def apply(self, graph: Graph, args: Sequence, name: str) -> list:
        """Call the private function that computes `graph`; equal graphs share one."""
        results = [self.d.type[t] for t in graph.out_types]
        callee: dict[str, ir.Attribute] = {"callee": ir.FlatSymbolRefAttr.get(self.function(graph, name))}
        if not graph.effects:
            return list(_create("func.call", results, args, callee, loc=self.loc).results)
        made = _create("func.call", [self.d.token, *results], [self.token, *args], callee, loc=self.loc)
        self.token, *values = made.results
        return list(values)

    def as_partitions(self, results: Sequence[dict]) -> None:
        """Make the module one of several devices, which are the axis "d" of its mesh."""
        d, attributes = self.d, self.module.operation.attributes
        attributes["mhlo.num_partitions"] = d.parsed[f"{self.devices} : i32"]
        attributes["mhlo.num_replicas"] = d.parsed["1 : i32"]
        mesh = {"sym_name": ir.StringAttr.get("mesh"), "mesh": d.parsed[f'#sdy.mesh<["d"={self.devices}]>']}
        with ir.InsertionPoint.at_block_begin(self.module.body):
            _create("sdy.mesh", [], [], mesh, loc=d.unknown)
        main = next(op for op in self.module.body if op.attributes["sym_name"].value == "main")
        parsed = [{k: d.parsed[v] for k, v in r.items()} for r in results]
        main.attributes["res_attrs"] = ir.ArrayAttr.get([ir.DictAttr.get(r) for r in parsed])

    # -- functions --

    def function(self, graph: Graph, name: str, arguments: Sequence[dict] | None = None) -> str:
        """The symbol of the function that computes `graph`. With `arguments`, their attributes, it is public."""
        public = arguments is not None
        if not public and (graph, self.manual) in self.functions:
            return self.functions[graph, self.manual]
        symbol = name if public else f"{_identifier(name)}_{len(self.functions)}"
        if not public:
            self.functions[graph, self.manual] = symbol
        d = self.d
        effects = bool(graph.effects)
        token = [d.token] if effects and not public else []
        ins, outs = [d.type[t] for t in graph.in_types], [d.type[t] for t in graph.out_types]
        type_ = ir.FunctionType.get([*token, *ins], [*token, *outs])
        with self.symbols:
            op = func.FuncOp(symbol, type_, loc=d.unknown)
        op.attributes["sym_visibility"] = ir.StringAttr.get("public" if public else "private")
        if public and any(arguments):
            op.arg_attrs = ir.ArrayAttr.get([ir.DictAttr.get(a) for a in arguments])
        block, outer = op.add_entry_block(), (self.constants, self.loc, self.token)
        self.constants = {}
        with ir.InsertionPoint(block):
            arguments = list(block.arguments)
            if token:
                self.token = arguments.pop(0)
            elif effects:
                self.token = _create("stablehlo.create_token", [d.token], [], loc=d.unknown).result
            results = self.body(graph, arguments)
            func.ReturnOp([*[self.token] * len(token), *results], loc=d.unknown)
        self.constants, self.loc, self.token = outer
        return symbol

    def body(self, graph: Graph, args: list) -> list:
        """Emit the equations at the current insertion point; returns the results."""
        types, env, location, type_of = graph.types, args, self.d.location, self.d.type
        for (prim, ins, params, outs), source in zip(graph.eqns, graph.sources, strict=True):
            self.loc = loc = location[source]
            name = NAMES.get(prim)
            if name is not None:
                a, b, count = ins[0], ins[-1], len(ins)
                if count < 3 and type(a) is int and type(b) is int:  # most: nothing to look up but the type
                    operands = [env[a]] if count == 1 else [env[a], env[b]]
                    env.append(_create(name, [type_of[types[outs[0]]]], operands, None, None, 0, loc).result)
                    continue
            shape = types[outs[0]].shape if outs else ()
            xs, in_types = [], []
            for i, a in enumerate(ins):
                if type(a) is Lit:
                    t = array_type(() if i in prim.scalars else shape, a.dtype)
                    xs.append(self.constant(a.value, t))
                    in_types.append(t)
                else:
                    xs.append(env[a])
                    in_types.append(types[a])
            out_types = [types[o] for o in outs]
            made = LOWERINGS[prim](self, xs, in_types, out_types, **dict(params))
            if prim.many:
                env.extend(made)
            else:
                env.append(made)
        return [env[o] for o in graph.outs]


def _with_token(run: Callable) -> Callable:
    """XLA hands the token to an ordered callback as None, and wants it back first."""

    def ordered(token, *args):
        return None, *run(*args)

    ordered.run = run
    return ordered


def _identifier(name: str) -> str:
    return "".join([c if c.isalnum() and c.isascii() else "_" for c in name]) or "f"


def lower(
    graph: Graph,
    name: str = "main",
    arguments: Sequence[dict] | None = None,
    results: Sequence[dict] | None = None,
    devices: int = 1,
) -> tuple[ir.Module, list[Callable]]:
    """The module whose public `main` computes `graph`, and the functions it calls back.

    `arguments` and `results` are MLIR attributes of each, as text; `devices` is how many run the program together.
    """
    d = dialect()
    with d.context, d.unknown:
        low = Lowering(d, devices)
        low.module.operation.attributes["sym_name"] = ir.StringAttr.get(f"fl_{_identifier(name)}")
        attributes = [{k: d.parsed[v] for k, v in a.items()} for a in arguments or [{}] * len(graph.ins)]
        low.function(graph, "main", attributes)
        if devices > 1:
            low.as_partitions(results or [{}] * len(graph.outs))
        return low.module, low.callbacks
