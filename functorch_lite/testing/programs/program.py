"""A drawn program: a function that is its source, example arguments, and what it is made of."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.testing.choices import Choices, Recorded, Seeded, smaller
from functorch_lite.testing.programs import plain
from functorch_lite.testing.programs.builder import Builder, array_text
from functorch_lite.testing.programs.source import HEADER, closed_over, count, function_source, used
from functorch_lite.testing.scope import Scope, Style, Value


@dataclass(frozen=True)
class Plan:
    """What drawn programs may hold.

    max_eqns: most statements. args: fewest and most arguments. dtype: of floats. kinds: of values, among `bifc`;
    inputs: of arguments. smooth: derivatives of every order exist at the arguments, and near them. scalar: the result
    is one float without axes. table: (examples of operations, constructs), by how simple they are. depth: how deep
    constructs stand in each other; every: one statement in so many is one.
    """

    max_eqns: int = 12
    args: tuple[int, int] = (1, 3)
    dtype: str = "float64"
    kinds: str = "f"
    inputs: str = "f"
    smooth: bool = True
    scalar: bool = False
    table: tuple = ()
    depth: int = 2
    every: int = 4
    shapes: tuple = ((3,), (), (2, 3), (3, 3), (2,), (1, 3), (2, 2), (3, 1, 2))

    def dtype_of(self, kind: str) -> np.dtype:
        names = {"f": self.dtype, "i": "int32", "u": "uint8", "b": "bool"}
        return dtypes.complex_of(dtypes.canonical(self.dtype)) if kind == "c" else dtypes.canonical(names[kind])


class Program:
    """A function `program(*args)` given by its source.

    source: a module that defines `program` and `args` and can be pasted and run. args: example arguments. equations:
    how many statements it has, those of nested functions too. names: the primitives and constructs they are.
    expected: what the statements gave one by one, with Python's loops and branches. record: the decisions it was drawn
    by.
    """

    def __init__(self, source: str, equations: int, names: frozenset[str], expected: Any, record: list, plan: Plan):
        self.source, self.equations, self.names = source, equations, names
        self.expected, self.record, self.plan = expected, record, plan
        space = self.build()
        self.function: Callable = space["program"]
        self.args: tuple = space["args"]

    def build(self, library: str = "functorch_lite", **replaced: Any) -> dict[str, Any]:
        """Execute the source with another library of the same interface, or with other values of `lax`, `fl`, `fnp`."""
        text = self.source.replace("functorch_lite", library)
        space: dict[str, Any] = {}
        if replaced:
            exec(HEADER, space)
            space.update(replaced)
            text = text.removeprefix(HEADER)
        exec(compile(text, "<program>", "exec"), space)
        return space

    @functools.cached_property
    def plain(self) -> Callable:
        """The same function with Python's loops, branches and maps in place of the library's, which derivatives can be
        compared with. Not of a program with collectives: there the rows of a map meet."""
        return self.build(lax=plain.LAX, fl=plain.FL)["program"]

    @property
    def argnums(self) -> tuple[int, ...]:
        """The arguments that have derivatives."""
        return tuple([k for k, x in enumerate(self.args) if dtypes.is_inexact(x.dtype)])

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __repr__(self) -> str:
        return self.source


def draw(choices: Choices, plan: Plan) -> Program:
    """The program that these decisions make."""
    low, high = plan.args
    scope = Scope([])
    builder = Builder(choices, scope, plan)
    texts = []
    for _ in range(low + choices.integer(high - low)):
        kind = choices.among(plan.inputs) if texts else plan.inputs[0]
        x = builder.numbers(choices.among(plan.shapes), kind).astype(plan.dtype_of(kind))
        texts.append(array_text(x))
        value = Value(_array(texts[-1]))
        scope.params.append(value)
        scope.values.append(value)
    builder.fill(plan.max_eqns)
    _results(builder, plan)
    kept = _kept(scope, low)
    scope.params = [scope.params[k] for k in kept]
    body = function_source(scope)
    listed = "\n".join([f"    {texts[k]}," for k in kept])
    source = f"{HEADER}\n\n{body}\n\nargs = (\n{listed}\n)\n"
    results = [np.asarray(v.example) for v in scope.results]
    expected = sum([np.sum(y) for y in results]) if plan.scalar else tuple(results) if len(results) > 1 else results[0]
    return Program(source, count(scope), frozenset(used(scope)), expected, choices.made, plan)


def _kept(scope: Scope, low: int) -> list[int]:
    """The arguments that are used; if these are fewer than asked for, the first of the others too."""
    params, scope.params = scope.params, []
    needed = closed_over(scope)
    unused = [k for k, v in enumerate(params) if v not in needed]
    scope.params = params
    spare = max(0, low - (len(params) - len(unused)))
    return [k for k in range(len(params)) if k not in unused[spare:]]


def _results(builder: Builder, plan: Plan) -> None:
    """Choose results: values that nothing uses, the newest first."""
    scope = builder.scope
    options = [v for v in scope.values if v.kind == "f"]
    if not plan.scalar and builder.choices.chance(4):
        options = scope.values
    fresh = [v for v in options if not v.uses] or options[-1:]
    most = len(fresh) if plan.scalar else min(4, len(fresh))
    scope.results = fresh[-1 - min(builder.choices.integer(2 * most - 1), most - 1) :]
    if plan.scalar:
        sums = [f"fnp.sum({{{k}}})" if v.ndim else f"{{{k}}}" for k, v in enumerate(scope.results)]
        scope.style = Style(last=" + ".join(sums))


def seeded(seed: int | str, plan: Plan) -> Program:
    """The program of a seed."""
    return draw(Seeded(seed), plan)


def shrunk(program: Program, fails: Callable[[Program], bool], tries: int = 2000) -> Program:
    """The program with the fewest equations that is found among simpler ones and for which `fails` still holds."""

    def measure(record):
        made = draw(Recorded(record), program.plan)
        return (made.equations, len(made.source)) if fails(made) else None

    return draw(Recorded(smaller(program.record, measure, tries)), program.plan)


def _array(text: str) -> Any:
    return eval(text, _SPACE)


_SPACE: dict[str, Any] = {}
exec(HEADER, _SPACE)
