"""Faults as exceptions, in compiled programs too: error_if, and checked functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from functorch_lite import lax, tree
from functorch_lite.api.arguments import Outputs, check_callable, leaf_array, name_of, wraps
from functorch_lite.api.callbacks import debug_callback
from functorch_lite.array import Array
from functorch_lite.ir import Eqn, Graph, Lit, source_text, subgraphs
from functorch_lite.prims.faults import nan_made, some
from functorch_lite.trace import Tracer, at, bind, current_frame, run, trace, typeof

ERRORS = {"nan": FloatingPointError, "div": ZeroDivisionError, "index": IndexError}
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


def checked(fun: Callable, errors: str | Iterable[str] = ("nan", "div", "index")) -> Callable:
    """`fun` with silent faults turned into exceptions that name the operation and the user's line.

    errors: of "nan" (an operation makes NaN of operands without NaN: FloatingPointError), "div" (a division by zero:
    ZeroDivisionError) and "index" (an index array or dynamic slice out of bounds, which compiled code clips or drops:
    IndexError). Works inside and around jit, grad, vmap and loops; costs a comparison per operation.
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
        made, more = instrumented(graph, kinds)
        return out[-1].build(run(made, [*more, *inputs], made.sources))

    return wrapped


def instrumented(graph: Graph, kinds: tuple[str, ...]) -> tuple[Graph, list]:
    """The graph with a check behind every operation that may fail, at any depth; and its further leading inputs."""

    def body(*args):
        env, frame = list(args), current_frame()
        for k, eqn in enumerate(graph.eqns):
            frame.source = graph.sources[k]
            xs = [a.value if type(a) is Lit else env[a] for a in eqn.ins]
            ys = _again(eqn, xs, kinds)
            env.extend(ys)
            _check(eqn, xs, ys, kinds, graph.sources[k])
        frame.source = None
        return [env[o] for o in graph.outs]

    return trace(body, graph.in_types, transform="checked")


def _again(eqn: Eqn, xs: list, kinds) -> list:
    """The equation recorded anew, with checks in the graphs it holds."""
    graphs = subgraphs(eqn.params)
    if graphs and eqn.prim.rewire is not None:
        frame = current_frame()
        made = [instrumented(g, kinds) for g in graphs]
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
        if kind == "nan":
            fault = nan_made(ys, xs)
        else:
            rule = (eqn.prim.faults or {}).get(kind)
            fault = rule(ys, *xs, **dict(eqn.params)) if rule is not None else None
        if fault is not None:
            types = ", ".join([str(typeof(x)) for x in xs])
            _raise_if(fault, ERRORS[kind], f"`{eqn.prim.name}` of {types} {_SAYS[kind]}{where}")
