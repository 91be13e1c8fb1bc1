"""A program while it is drawn: values, the statements that make them, and the scopes they stand in.

Every value is known by an example: a statement is run once when it is drawn, so its type is that of what it made, and
what leaves the numbers that a program should hold is seen at once. Loops and branches are run as Python runs them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

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

    check: (NumPy operands) -> whether the operation is at home at these numbers. run: how Python runs a construct,
    (statement, environment) -> results; None for a plain operation. name: the primitive, or the construct.
    """

    __slots__ = ("bodies", "check", "ins", "name", "outs", "run", "text")

    def __init__(self, name: str, text: str, ins: Sequence[Value], bodies=(), check=None, run=None):
        self.name, self.text, self.ins, self.bodies = name, text, tuple(ins), tuple(bodies)
        self.check, self.run, self.outs = check, run, ()


class Scope:
    """The statements of one function: what it is given, what it makes, what it returns.

    outer: the scope it stands in, whose values it may close over. before: lines above its `def`; after: those below.
    """

    __slots__ = ("after", "before", "loops", "named", "outer", "params", "results", "statements", "values")

    def __init__(self, params: Sequence[Value], outer: Scope | None = None, loops: int = 0, before=(), after=()):
        self.params, self.outer, self.loops = list(params), outer, loops
        self.values, self.statements, self.results = list(params), [], []
        self.before, self.after = before, after
        self.named = outer.named if outer else ()

    def visible(self) -> list[Value]:
        """What a statement may use: the oldest first, what is outside before what is inside."""
        return self.values if self.outer is None else [*self.outer.visible(), *self.values]


def outputs(made: Any, count: int | None) -> tuple:
    return (made,) if count is None else tuple(made)


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


def check_finite(y: Any, limit: float = 1e6) -> None:
    """Raise Rejected for numbers that are not finite, or far too large."""
    if dtypes.kind(y.dtype) in "fc":
        x = np.asarray(y)
        if x.size and not np.max(np.abs(x)) <= limit:
            raise Rejected
