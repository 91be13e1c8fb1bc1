"""Memory of reverse mode: `checkpoint`, its policies, `checkpoint_name`, budgets, and `residuals`."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from functorch_lite import tree
from functorch_lite.api.arguments import Outputs, argument_text, check_callable, leaf_array, name_of, wraps
from functorch_lite.api.differentiate import Differentiated
from functorch_lite.array import Array
from functorch_lite.control import budget
from functorch_lite.control.call import call_p
from functorch_lite.control.loops import nbytes
from functorch_lite.control.remat import Chosen, opened, remat_p, saves
from functorch_lite.control.remat import remat as bind_remat
from functorch_lite.ir import ArrayType, Graph, Primitive
from functorch_lite.prims import naming
from functorch_lite.source import Source
from functorch_lite.trace import Tracer, at, current_frame, trace
from functorch_lite.transforms import reverse as passes


def checkpoint(
    fun: Callable,
    *,
    prevent_cse: bool = True,
    policy: Callable | None = None,
    static_argnums: int | Sequence[int] = (),
) -> Callable:
    """`fun`, of which reverse mode saves the arguments, and computes again what else it needs.

    fun: of trees of arrays. policy: what is saved beside the arguments, one of `checkpoint_policies` or a function
    (primitive, *types of its operands, **its parameters) -> bool. prevent_cse: keep compilers from merging the second
    computation with the first; False is faster in the body of a loop, where they are apart anyway. The arguments in
    `static_argnums` are handed to `fun` as they are. Effects of `fun` happen once.
    Raises TypeError where another argument, or a result, is no array.
    """
    check_callable("checkpoint", fun)
    static = _positions(fun, static_argnums)
    chosen = _policy(policy)

    @wraps(fun, "checkpoint")
    def wrapped(*args, **kwargs):
        if current_frame() is None:
            return fun(*args, **kwargs)  # nothing is differentiated
        fixed = {n % len(args) for n in static if -len(args) <= n < len(args)}
        given = {n: a for n, a in enumerate(args) if n not in fixed} | kwargs
        leaves, structure = tree.flatten(list(given.values()))
        ready = [type(x) is Array or isinstance(x, Tracer) for x in leaves]
        leaves = [x if r else _leaf(fun, given, i, x) for i, (x, r) in enumerate(zip(leaves, ready, strict=True))]
        out: list[Outputs] = []

        def flat(*tracers):
            new = dict(zip(given, structure.unflatten(tracers), strict=True))
            full = [new[n] if n in new else a for n, a in enumerate(args)]
            out.append(Outputs("checkpoint", fun, fun(*full, **{k: new[k] for k in kwargs})))
            return out[-1].traced

        types, name = [x.type for x in leaves], name_of(fun)
        graph, captured = trace(flat, types, leaves, transform="checkpoint", name=name, concrete=True)
        return out[-1].build(bind_remat(graph, [*captured, *leaves], chosen, prevent_cse, name))

    return wrapped


remat = checkpoint


def _leaf(fun: Callable, given: dict, i: int, x: Any) -> Any:
    paths = [(where, *path) for where, a in given.items() for path, _ in tree.flatten_with_path(a)[0]]
    try:
        return leaf_array(x, "checkpoint", fun, paths[i])
    except TypeError as error:
        raise TypeError(f"{error}; if it is a setting, mark it static (`static_argnums`)") from None


def _positions(fun: Callable, static: Any) -> tuple[int, ...]:
    try:
        return tuple([n.__index__() for n in ((static,) if hasattr(static, "__index__") else static)])
    except (TypeError, AttributeError):
        raise TypeError(f"checkpoint of `{name_of(fun)}`: static_argnums must be an int or a tuple of ints, got "
                        f"{static!r}, at {at()}") from None  # fmt: skip


# ---- policies ----


class Policy:
    """What `checkpoint` saves; a value, equal to another one that says the same. Called as policies of the user are."""

    __slots__ = ("code",)

    def __init__(self, code: Any):
        self.code = code

    def __call__(self, prim: Primitive, *types: ArrayType, **params: Any) -> bool:
        return saves(self.code, prim, types, params)

    def __eq__(self, other: object) -> bool:
        return type(other) is Policy and other.code == self.code

    def __hash__(self) -> int:
        return hash(("policy", self.code))

    def __repr__(self) -> str:
        return f"<checkpoint policy {self.code!r}>"


def _policy(policy: Any) -> Any:
    """A policy as a parameter of the primitive."""
    if policy is None:
        return None
    if isinstance(policy, Policy):
        return policy.code
    check_callable("checkpoint with a policy", policy)
    return Chosen(policy)


def _named(kind: str, names: Sequence[str]) -> Policy:
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"checkpoint policy: names are strings, got {type(name).__name__} {name!r}, at {at()}")
    return Policy((kind, *sorted(set(names))))


class _Policies:
    """The policies of `checkpoint`: which intermediate values reverse mode saves, beside the arguments."""

    everything_saveable = Policy("everything")
    nothing_saveable = Policy(None)
    dots_saveable = checkpoint_dots = Policy("dots")
    dots_with_no_batch_dims_saveable = checkpoint_dots_with_no_batch_dims = Policy("dots_no_batch")

    @staticmethod
    def save_only_these_names(*names: str) -> Policy:
        """Save the values that have one of these names, by `checkpoint_name`."""
        return _named("only", names)

    @staticmethod
    def save_any_names_but_these(*names: str) -> Policy:
        """Save the values that have a name, but none of these."""
        return _named("named_except", names)

    @staticmethod
    def save_anything_except_these_names(*names: str) -> Policy:
        """Save all values but those that have one of these names."""
        return _named("all_except", names)

    @staticmethod
    def save_from_both_policies(first: Callable, second: Callable) -> Callable:
        """Save what one of two policies saves."""
        if isinstance(first, Policy) and isinstance(second, Policy):
            return Policy(("either", first.code, second.code))
        return lambda prim, *types, **params: first(prim, *types, **params) or second(prim, *types, **params)


checkpoint_policies = _Policies()


def checkpoint_name(x: Any, name: str) -> Any:
    """`x`, a tree of arrays, under a name by which policies of `checkpoint` know it."""
    if not isinstance(name, str):
        raise TypeError(f"checkpoint_name takes a string, got {type(name).__name__} {name!r}, at {at()}")
    return tree.map(lambda leaf: naming.name(leaf, name), x)


# ---- budgets ----

_UNITS = {"": 1, "b": 1} | {f"{u}{b}": (1024 if b == "ib" else 1000) ** n
                            for n, u in enumerate("kmgt", 1) for b in ("b", "ib")}  # fmt: skip


def memory_bytes(transform: str, memory: Any) -> int | None:
    """A budget as a number of bytes. Raises TypeError or ValueError for what is none."""
    if memory is None or (type(memory) is int and memory > 0):
        return memory
    if not isinstance(memory, str):
        error = ValueError if type(memory) is int else TypeError
        raise error(f"{transform}: memory must be a positive number of bytes, or a text such as \"512MB\", got "
                    f"{memory!r}, at {at()}")  # fmt: skip
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", memory.lower())
    if found is None or found[2] not in _UNITS or not float(found[1]):
        raise ValueError(f"{transform}: memory={memory!r} is no amount of memory, at {at()}; write it like \"512MB\", "
                         "\"1.5GiB\" or 4096")  # fmt: skip
    return max(1, int(float(found[1]) * _UNITS[found[2]]))


def within(transform: str, fun: Callable, made: Differentiated, limit: int | None) -> Graph:
    """The graph of value and gradient that holds no more than `limit` bytes. Raises ValueError if none is found."""
    if limit is None:
        return passes.value_and_grad(made.graph, made.active)
    eager, jitted = current_frame() is None, any(eqn.prim is call_p for eqn in made.graph.eqns)
    graph, needs = budget.value_and_grad(made.graph, made.active, limit, jitted or not eager)
    if needs > limit:
        raise ValueError(
            f"{transform} of `{name_of(fun)}` needs {_amount(needs)} beside its arguments and results, even if it "
            f"computes again what it can; the budget is {_amount(limit)}, at {at()}; allow more memory")
    return budget.in_one_call(graph) if jitted and eager else graph


def _amount(count: int) -> str:
    unit, size = next(((u, s) for u, s in (("GB", 10**9), ("MB", 10**6), ("kB", 1000)) if count >= s), ("bytes", 1))
    return f"{count / size:.4g} {unit}"


# ---- what reverse mode saves ----


class Residual(NamedTuple):
    """One array that reverse mode saves."""

    type: ArrayType
    bytes: int
    line: str  # where it was computed; of arguments and constants, where they are first used
    why: str
    kind: str  # "argument", "constant" or "intermediate"


class Residuals(tuple):
    """The arrays that reverse mode saves; prints as a table. `bytes`: what the intermediate results among them take."""

    name: str

    @property
    def bytes(self) -> int:
        return sum([r.bytes for r in self if r.kind == "intermediate"])

    def __repr__(self) -> str:
        rows = [("type", "bytes", "line", "why"), *[(str(r.type), f"{r.bytes:,}", r.line, r.why) for r in self]]
        widths = [max([len(row[k]) for row in rows]) for k in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
        return "\n".join([f"reverse mode of `{self.name}` {self._total()}", *lines])

    def _total(self) -> str:
        return f"saves {len(self)} arrays, {self.bytes:,} bytes of them intermediate results"

    def _repr_html_(self) -> str:
        cells = [[html.escape(c) for c in (str(r.type), f"{r.bytes:,}", r.line, r.why)] for r in self]
        body = "".join(["<tr>" + "".join([f"<td><code>{c}</code></td>" for c in row]) + "</tr>" for row in cells])
        head = "<tr><th>type</th><th>bytes</th><th>line</th><th>why</th></tr>"
        caption = f"<caption>reverse mode of <code>{html.escape(self.name)}</code> {self._total()}</caption>"
        return f"<table>{caption}{head}{body}</table>"


def residuals(fun: Callable, *args, **kwargs) -> Residuals:
    """What reverse mode of `fun` saves at `args`: a tuple of (type, bytes, line, why, kind), which prints as a table.

    args: trees of arrays, all differentiated; `kwargs` are held fixed. Nothing is computed.
    """
    check_callable("residuals", fun)
    made = Differentiated("residuals", fun, range(len(args)), args, kwargs)
    graph = opened(made.graph)
    halves, _ = passes.linearize(graph, made.active)
    paths = [(n, *path) for n, a in enumerate(args) for path, _ in tree.flatten_with_path(a)[0]]
    found = []
    for r in halves.residuals:
        if r < 0:
            n = ~r - made.captured
            why, kind = (argument_text(fun, paths[n]), "argument") if n >= 0 else ("constant", "constant")
            type_, line = graph.in_types[~r], _line(graph, _first_use(graph, ~r))
        else:
            type_, kind = halves.first.out_types[r], "intermediate"
            why, line = _origin(halves.first, halves.first.outs[r], graph)
        found.append((("argument", "constant", "intermediate").index(kind), ~r if r < 0 else halves.first.outs[r],
                      Residual(type_, nbytes(type_), line, why, kind)))  # fmt: skip
    table = Residuals([residual for *_, residual in sorted(found, key=lambda row: row[:2])])
    table.name = name_of(fun)
    return table


def _line(graph: Graph | None, k: Any) -> str:
    """The user's line of equation `k` of a traced graph; none is known of a graph that is not."""
    source = graph.sources[k] if graph is not None and type(k) is int else k
    return str(source) if isinstance(source, Source) else ""


def _first_use(graph: Graph, value: int) -> int | None:
    return next((k for k, eqn in enumerate(graph.eqns) if value in eqn.ins), None)


def _origin(first: Graph, value: int, graph: Graph | None) -> tuple[str, str]:
    """What made a value of the first half, and the line of it."""
    k = next(k for k, eqn in enumerate(first.eqns) if value in eqn.outs)
    eqn, line = first.eqns[k], _line(graph, first.sources[k])
    params = dict(eqn.params)
    if eqn.prim is remat_p:
        inner = params["graph"]
        why, inner_line = _origin(inner, inner.outs[eqn.outs.index(value)], None)
        return f"{why}, saved in `{params['name']}`", inner_line or line
    names = [dict(e.params)["name"] for e in first.eqns if e.prim is naming.name_p and value in (*e.ins, *e.outs)]
    return f"named {names[0]!r}" if names else f"result of {eqn.prim.name}", line
