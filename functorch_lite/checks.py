"""Faults as exceptions, in compiled programs too: error_if, and checked functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from functorch_lite import lax, tree
from functorch_lite.api.arguments import Outputs, check_callable, leaf_array, name_of, wraps
from functorch_lite.api.callbacks import debug_callback
from functorch_lite.array import Array
from functorch_lite.errors import KeyReuseError
from functorch_lite.ir import Eqn, Graph, Lit, source_text, subgraphs
from functorch_lite.prims.faults import KEY_CONSUMERS, nan_made, some
from functorch_lite.trace import Tracer, at, bind, run, this_frame, trace, typeof

ERRORS = {"nan": FloatingPointError, "div": ZeroDivisionError, "index": IndexError, "keys": KeyReuseError}
_SAYS = {"nan": "made NaN", "div": "divided by zero", "index": "used an index out of bounds"}


def error_if(x: Any, pred: Any, message: str, error: type[Exception] = RuntimeError) -> Any:
    """`x`; raises `error(message)` when the program runs and any element of the boolean array `pred` is True.

    Works under every transform, once per run; under vmap it is raised if it holds for any row. The message gets the
    line of this call. Raises TypeError at once if `pred` is not boolean.
    """
    pred = leaf_array(pred, "error_if", error_if, (1,))
    if typeof(pred).dtype != bool:
        raise TypeError(f"error_if: the predicate must be boolean, got {typeof(pred)}, at {at()}")
    _raise_if(some(pred), error, f"{message}, at {at()}")
    return x


def _raise_if(fault, error: type[Exception], message: str) -> None:
    def fail():
        raise error(message)

    lax.cond(fault, lambda: debug_callback(fail), lambda: None)


def checked(fun: Callable, errors: str | Iterable[str] = ("nan", "div", "index", "keys")) -> Callable:
    """`fun` with silent faults turned into exceptions that name the operation and the user's line.

    errors: of "nan" (an operation makes NaN of operands without NaN: FloatingPointError), "div" (a division by zero:
    ZeroDivisionError), "index" (an index array or dynamic slice out of bounds, which compiled code clips or drops:
    IndexError) and "keys" (a random key used twice: KeyReuseError, with both lines, before anything runs).
    Works inside and around jit, grad, vmap and loops; costs a comparison per operation.
    """
    check_callable("checked", fun)
    kinds = (errors,) if isinstance(errors, str) else tuple(errors)
    for kind in kinds:
        if kind not in ERRORS:
            raise ValueError(f"checked: there is no kind of error {kind!r}, at {at()}; use {', '.join(ERRORS)}")

    @wraps(fun, "checked")
    def wrapped(*args, **kwargs):
        leaves, structure = tree.flatten((args, kwargs))
        arrays = [x if isinstance(x, (Array, Tracer)) else leaf_array(x, "checked", fun, (0,)) for x in leaves]
        out: list[Outputs] = []

        def flat(*tracers):
            given, named = structure.unflatten(tracers)
            out.append(Outputs("checked", fun, fun(*given, **named)))
            return out[-1].traced

        types = [x.type for x in arrays]
        graph, captured = trace(flat, types, arrays, transform="checked", name=name_of(fun), concrete=True)
        inputs = [*captured, *arrays]
        if "keys" in kinds:
            check_keys(graph)
        made, more = instrumented(graph, kinds)
        return out[-1].build(run(made, [*more, *inputs], made.sources))

    return wrapped


def instrumented(graph: Graph, kinds: tuple[str, ...], outer: Any = None) -> tuple[Graph, list]:
    """The graph with a check behind every operation that may fail, at any depth; and its further leading inputs.

    `outer` is the source of the equation that holds the graph, for operations that do not know their own.
    """

    def body(*args):
        env, frame = list(args), this_frame()
        for k, eqn in enumerate(graph.eqns):
            source = frame.source = outer if type(graph.sources[k]) is int else graph.sources[k]
            xs = [a.value if type(a) is Lit else env[a] for a in eqn.ins]
            ys = _again(eqn, xs, kinds, source)
            env.extend(ys)
            _check(eqn, xs, ys, kinds, source)
        frame.source = None
        return [env[o] for o in graph.outs]

    return trace(body, graph.in_types, transform="checked")


def _again(eqn: Eqn, xs: list, kinds, source) -> list:
    """The equation recorded anew, with checks in the graphs it holds."""
    graphs = subgraphs(eqn.params)
    if graphs and eqn.prim.rewire is not None:
        frame = this_frame()
        made = [instrumented(g, kinds, source) for g in graphs]
        here = eqn._replace(ins=tuple([frame.atom(x) for x in xs]))
        extras = [tuple([frame.atom(v) for v in captured]) for _, captured in made]
        eqn = eqn.prim.rewire(here, [g for g, _ in made], extras)
        xs = [a.value if type(a) is Lit else Tracer(frame, a) for a in eqn.ins]
    ys = bind(eqn.prim, *xs, **dict(eqn.params))
    return ys if eqn.prim.many else [ys]


def _check(eqn: Eqn, xs, ys, kinds, source) -> None:
    if subgraphs(eqn.params) or eqn.prim.effects:
        return  # what is inside is checked there
    where = f" at {source_text(source)}" if source is not None and type(source) is not int else ""
    for kind in kinds:
        if kind == "keys":
            continue  # seen in the graph, not in the values
        if kind == "nan":
            fault = nan_made(ys, xs)
        else:
            rule = (eqn.prim.faults or {}).get(kind)
            fault = rule(ys, *xs, **dict(eqn.params)) if rule is not None else None
        if fault is not None:
            types = ", ".join([str(typeof(x)) for x in xs])
            _raise_if(fault, ERRORS[kind], f"`{eqn.prim.name}` of {types} {_SAYS[kind]}{where}")


# ---- keys ----


def check_keys(graph: Graph) -> None:
    """Raise KeyReuseError if a random key is used twice, with both lines."""
    for uses in _uses(graph).values():
        if len(uses) > 1:
            known = [s is not None and type(s) is not int for s in uses[:2]]
            first, second = [source_text(s) if k else "an unknown line" for s, k in zip(uses, known)]
            raise KeyReuseError(f"a random key is used at {first} and again at {second}, so both get the same numbers; "
                                "split it")  # fmt: skip


def _uses(graph: Graph) -> dict[Any, list]:
    """How a graph uses keys: what a key is computed from -> the sources of its uses, also those in nested graphs."""
    identity: list[Any] = [("input", i) for i in graph.ins]
    uses: dict[Any, list] = {}
    for k, eqn in enumerate(graph.eqns):
        source = graph.sources[k]
        operands = tuple([a if type(a) is Lit else identity[a] for a in eqn.ins])
        identity.extend([(eqn.prim, operands, eqn.params, i) for i in range(len(eqn.outs))])
        if eqn.prim in KEY_CONSUMERS:
            uses.setdefault(operands[0], []).append(source)
        found: dict[Any, list] = {}
        for inner in subgraphs(eqn.params):
            given = operands[len(operands) - len(inner.ins) :]  # a branch does not get the number that chooses it
            repeats = dict(eqn.params).get("consts", 0)  # what a loop does not carry is used in every turn
            for key, sources in _uses(inner).items():
                sources = [source if type(s) is int else s for s in sources]
                outer = _outside(key, given)
                in_turns = type(key) is tuple and key[0] == "input" and key[1] < repeats
                if outer is not None:
                    found[outer] = max(found.get(outer, []), sources * (1 + in_turns), key=len)
                elif len(sources) > 1:
                    uses.setdefault((k, key), []).extend(sources)
        for key, sources in found.items():
            uses.setdefault(key, []).extend(sources)
    return uses


def _outside(key: Any, given: tuple) -> Any:
    """What a key of a nested graph is computed from, said of the graph around it."""
    if type(key) is Lit:
        return key
    if key[0] == "input":
        return given[key[1]] if key[1] < len(given) else None
    prim, operands, params, i = key
    made = tuple([_outside(a, given) for a in operands])
    return None if any(a is None for a in made) else (prim, made, params, i)
