"""Drawn programs as Python source that can be pasted and run: what the results need, with short names."""

from __future__ import annotations

from collections.abc import Iterator

from functorch_lite.testing.scope import Scope, Statement, Value

HEADER = "import functorch_lite as fl\nimport functorch_lite.numpy as fnp\nfrom functorch_lite import lax\n"
RESERVED = {"as", "if", "in", "is", "or", "fl", "x", "y", "z", "w", "u", "v"}


def live(scope: Scope) -> list[Statement]:
    """The statements that the results of a scope need, in order; what its nested functions close over counts."""
    needed, kept = set(scope.results), []
    for statement in reversed(scope.statements):
        if any([v in needed for v in statement.outs]):
            kept.append(statement)
            needed.update(statement.ins)
            for body in statement.bodies:
                needed.update(closed_over(body))
    return kept[::-1]


def closed_over(scope: Scope) -> set[Value]:
    """The values from outside that the live statements and the results of a scope use."""
    own, used = set(scope.params), set(scope.results)
    for statement in live(scope):
        own.update(statement.outs)
        used.update(statement.ins)
        for body in statement.bodies:
            used.update(closed_over(body))
    return used - own


def count(scope: Scope) -> int:
    """How many statements are live, in nested functions too."""
    return sum([1 + sum([count(body) for body in s.bodies]) for s in live(scope)])


def used(scope: Scope) -> set[str]:
    """The names of the primitives and constructs among the live statements."""
    return set().union(*[{s.name}.union(*[used(body) for body in s.bodies]) for s in live(scope)])


def letters() -> Iterator[str]:
    """a, b, ..., aa, ab, ...; without the names of arguments and the words of Python."""
    alphabet = "abcdefghijklmnopqrst"
    for first in ["", *alphabet]:
        for second in alphabet:
            if first + second not in RESERVED:
                yield first + second


class Writer:
    """Lines of a function, and the names of values and of nested functions."""

    def __init__(self):
        self.names: dict[Value, str] = {}
        self.free, self.functions = letters(), 0

    def name(self, value: Value) -> str:
        if value not in self.names:
            self.names[value] = next(self.free)
        return self.names[value]

    def function(self, name: str, scope: Scope) -> list[str]:
        """`def name(params): ...` with everything in it."""
        style, params = scope.style, [self.name(v) for v in scope.params]
        signature = style.signature.format(*params) if style.signature else ", ".join(params)
        lines = [*style.before, f"def {name}({signature}):"]
        if style.opening:
            lines.append(f"    {style.opening.format(*params)}")
        lines += [f"    {line}" for line in self.block(scope)]
        results = [self.name(v) for v in scope.results]
        lines.append(f"    return {style.last.format(*results) if style.last else ', '.join(results)}")
        return [*lines, *[line.format(name) for line in style.after]]

    def block(self, scope: Scope) -> list[str]:
        lines = []
        for statement in live(scope):
            functions = []
            for body in statement.bodies:
                self.functions += 1
                functions.append(f"f{self.functions}")
                lines += self.function(functions[-1], body)
            operands = [self.name(v) for v in statement.ins]
            outs = [self.name(v) for v in statement.outs]
            left = statement.left.format(*outs) if statement.left else ", ".join(outs)
            named = {f"f{k}": name for k, name in enumerate(functions)}
            right = statement.text.format(*operands, **named).replace("'", '"')
            lines.append(f"{left} = {right}")
        return lines


def function_source(scope: Scope) -> str:
    """Source of the function `program`."""
    writer = Writer()
    for value, name in zip(scope.params, "xyzwuv", strict=False):
        writer.names[value] = name
    return "\n".join(writer.function("program", scope)) + "\n"
