"""A program while it is drawn: values, the statements that make them, and the scopes they stand in.

Every value is known by an example: a statement is run once when it is drawn, so its type is that of what it made, and
what leaves the numbers that a program should hold is seen at once. Loops and branches are run as Python runs them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, lax

NAMES = {"fl": fl, "fnp": fnp, "lax": lax}


class Rejected(Exception):
    """What was drawn has no use here: a number that is not finite, or one at a kink; another choice is made."""


@functools.lru_cache(8192)
def compiled(text: str, count: int) -> Callable:
    """The function of the operands of a statement's text: `{0}` is the first."""
    names = [f"_{k}" for k in range(count)]
    return eval(f"lambda {', '.join(names)}: {text.format(*names)}", NAMES)


class Value:
    """One value: an example of it, and how often it was used."""

    __slots__ = ("example", "kind", "ndim", "shape", "size", "uses")

    def __init__(self, example: Any):
        self.example, self.uses = example, 0
        self.shape, self.kind = tuple(example.shape), dtypes.kind(example.dtype)
        self.ndim, self.size = len(self.shape), example.size

    @property
    def dtype(self):
        return self.example.dtype


class Statement:
    """`outs = text(ins)`, with the functions `bodies` defined before it.

    check: (NumPy operands) -> whether the operation is at home at these numbers. run: how Python runs a construct, of
    (statement, environment) to results; None for a plain operation. name: the primitive, or the construct. left: what
    stands before `=`, of the names of the results, if not these in a row. across: of a collective, what Python does
    with the operands of all rows of the mapped axis: a result per row.
    """

    __slots__ = ("across", "bodies", "check", "ins", "left", "name", "outs", "run", "text")

    def __init__(self, name: str, text: str, ins: Sequence[Value], bodies=(), check=None, run=None):
        self.name, self.text, self.ins, self.bodies = name, text, tuple(ins), tuple(bodies)
        self.check, self.run, self.outs, self.left, self.across = check, run, (), "", None


class Style(NamedTuple):
    """How a function is written, where not as `def f(a, b): ... return c, d`.

    before: lines above `def`. signature, opening: its parameters and its first line, of the names of its parameters.
    last: what it returns, of the names of its results. after: lines below, of the name of the function.
    """

    before: tuple[str, ...] = ()
    signature: str = ""
    opening: str = ""
    last: str = ""
    after: tuple[str, ...] = ()


class Scope:
    """The statements of one function: what it is given, what it makes, what it returns.

    outer: the scope it stands in, whose values it may close over. loops: whether it runs more than once. named: the
    name and the size of the axis that it is mapped along; inside: whether this, or a scope around it, has a name.
    """

    __slots__ = ("inside", "loops", "named", "outer", "params", "results", "statements", "style", "values")

    def __init__(self, params: Sequence[Value], outer: Scope | None = None, loops: bool = False, named=()):
        self.params, self.outer, self.loops, self.named = list(params), outer, loops, named
        self.values, self.statements, self.results = list(params), [], []
        self.inside = bool(named) or (outer is not None and outer.inside)
        self.style = Style()

    def size(self) -> int:
        """How many statements it has, those of nested functions too."""
        return sum([1 + sum([body.size() for body in s.bodies]) for s in self.statements])

    def visible(self) -> list[Value]:
        """What a statement may use: the oldest first, what is outside before what is inside."""
        return self.values if self.outer is None else [*self.outer.visible(), *self.values]


def run_statement(statement: Statement, env: dict[Value, Any]) -> None:
    """Compute a statement's results; raises Rejected where it is not at home, or makes what is not finite."""
    if statement.run is not None:
        made = statement.run(statement, env)
    else:
        xs = [env[v] for v in statement.ins]
        if statement.check is not None and not statement.check(*[np.asarray(x) for x in xs]):
            raise Rejected
        made = compiled(statement.text, len(xs))(*xs)
        made = (made,) if len(statement.outs) == 1 else tuple(made)
    for value, y in zip(statement.outs, made, strict=True):
        check_finite(y)
        env[value] = y


def run_body(scope: Scope, args: Sequence[Any], env: dict[Value, Any]) -> tuple:
    """The results of a body at `args`; what it closes over stands in `env`."""
    env = {**env, **dict(zip(scope.params, args, strict=True))}
    for statement in scope.statements:
        run_statement(statement, env)
    return tuple([env[v] for v in scope.results])


def run_rows(scope: Scope, rows: Sequence[Sequence[Any]], env: dict[Value, Any]) -> list[tuple]:
    """The results of a mapped body, row by row; the rows of a collective meet."""
    envs = [{**env, **dict(zip(scope.params, args, strict=True))} for args in rows]
    for statement in scope.statements:
        if statement.across is not None:
            made = statement.across([[e[v] for v in statement.ins] for e in envs])
            for inner, y in zip(envs, made, strict=True):
                check_finite(y)
                inner[statement.outs[0]] = y
        else:
            for inner in envs:
                run_statement(statement, inner)
    return [tuple([inner[v] for v in scope.results]) for inner in envs]


def traced(scope: Scope, env: dict[Value, Any]) -> Callable:
    """A body as a function of tracers; nothing is checked in it."""

    def function(*args):
        inner = {**env, **dict(zip(scope.params, args, strict=True))}
        for statement in scope.statements:
            if statement.run is not None:
                made = statement.run(statement, inner)
            else:
                made = compiled(statement.text, len(statement.ins))(*[inner[v] for v in statement.ins])
                made = (made,) if len(statement.outs) == 1 else tuple(made)
            inner.update(zip(statement.outs, made, strict=True))
        return tuple([inner[v] for v in scope.results])

    return function


def check_finite(y: Any, limit: float = 1e6) -> None:
    """Raise Rejected for numbers that are not finite, or far too large."""
    if dtypes.kind(y.dtype) in "fc":
        x = np.asarray(y)
        if x.size and not np.max(np.abs(x)) <= limit:
            raise Rejected
