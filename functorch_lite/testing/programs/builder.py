"""What the examples of primitives draw with: operands that fit, constants, and statements that stay in range."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from functorch_lite import dtypes
from functorch_lite.testing.choices import Choices
from functorch_lite.testing.examples.record import MARGIN
from functorch_lite.testing.scope import Rejected, Scope, Statement, Value, compiled

LARGE = 8.0  # what is larger is scaled down: sums, products and exponentials of a few such numbers stay in range
ELEMENTS = 64  # of one value


def far(x: np.ndarray) -> bool:
    """Whether all numbers keep their distance from 0."""
    return not x.size or bool(np.min(np.abs(x)) > MARGIN)


def fits(shape: tuple, other: tuple) -> bool:
    """Whether two shapes broadcast."""
    return all([a == b or a == 1 or b == 1 for a, b in zip(reversed(shape), reversed(other))])


def literal(x: float) -> str:
    return repr(round(float(x), 3))


def array_text(x: Any) -> str:
    """Source of an array: rounded numbers, and the dtype."""
    x = np.asarray(x)
    wide = x.astype({"c": complex, "f": float}.get(dtypes.kind(x.dtype), x.dtype))
    return f'fnp.array({wide.tolist()!r}, "{np.dtype(x.dtype).name}")'


class Builder:
    """Draws the statements of one scope.

    plan: what the program may hold.
    """

    def __init__(self, choices: Choices, scope: Scope, plan: Any, nesting: int = 0):
        self.choices, self.scope, self.plan, self.nesting = choices, scope, plan, nesting

    # ---- operands ----

    def choose(self, options: Sequence[Value]) -> Value:
        """One of these values: mostly one that nothing uses yet; the oldest is the simplest."""
        n = len(options)
        k = self.choices.integer(3 * n - 1)
        if k < n:
            value = options[k]
        else:
            fresh = [v for v in options if not v.uses] or options
            value = fresh[-1 - (k - n) % len(fresh)]
        value.uses += 1
        return value

    def operand(self, kinds: str = "f", where: Callable[[Value], bool] | None = None) -> Value:
        """A value of these kinds of dtypes for which `where` holds. Raises Rejected where there is none."""
        options = [v for v in self.scope.visible() if v.kind in kinds and (where is None or where(v))]
        if not options:
            raise Rejected
        return self.choose(options)

    def beside(self, x: Value, kinds: str | None = None) -> Value | str:
        """An operand that broadcasts with `x` and has its kind of dtype, a Python scalar, or a constant array."""
        if self.choices.chance(8):
            return self.scalar(x.kind)
        if self.choices.chance(8):
            return self.constant(x.shape if self.choices.chance(2) else x.shape[1:], x.kind)
        return self.operand(kinds or x.kind, lambda v: self.fits(v, x))

    def alike(self, x: Value) -> Value:
        """An operand of the shape and dtype of `x`."""
        return self.operand(x.kind, lambda v: v.shape == x.shape and v.dtype == x.dtype)

    def fits(self, v: Value, *others: Value) -> bool:
        """Whether these broadcast together, `others` doing so already, to something small."""
        shape = np.broadcast_shapes(*[x.shape for x in others])
        return fits(v.shape, shape) and math.prod(np.broadcast_shapes(v.shape, shape)) <= ELEMENTS

    def among(self, *options: Any) -> Any:
        return self.choices.among(options)

    def check(self, away: Callable | None = None, home: Callable | None = None) -> Callable | None:
        """What a statement's operands have to fulfil: `home` always, and in smooth programs `away` from 0."""
        if away is None or not self.plan.smooth:
            return home
        return lambda *xs: far(away(*xs)) and (home is None or home(*xs))

    def scalar(self, kind: str = "f") -> str:
        """Source of a Python scalar."""
        k = self.choices.integer(14)
        if kind == "b":
            return repr(bool(k % 2))
        if kind in "iu":
            return repr(1 + k % 3)
        return repr((0.5, 2.0, -1.5, 0.25, -0.75, 1.25, 0.3, -0.4, 1.7, -2.0, 0.1, 0.9, -0.6, 1.5, 3.0)[k])

    def numbers(self, shape: tuple, kind: str, low: float = -2.0, high: float = 2.0) -> np.ndarray:
        """Distinct rounded numbers in an order that one choice decides."""
        size = math.prod(shape)
        rng = np.random.RandomState(self.choices.integer(9999))
        if kind == "b":
            return rng.randint(0, 2, size).astype(bool).reshape(shape)
        if kind in "iu":
            return (rng.permutation(max(size, 7))[:size] - (3 if kind == "i" else 0)).reshape(shape)
        spots = rng.permutation(max(4 * size, 16))[:size]
        step = (high - low) / max(4 * size, 16)
        made = np.round(low + (spots + 0.5) * step, 3)
        return (made + 1j * np.round(made[::-1] * 0.7 + 0.1, 3) if kind == "c" else made).reshape(shape)

    def constant(self, shape: tuple, kind: str = "f", low: float = -2.0, high: float = 2.0) -> Value:
        """A constant array, as a statement."""
        x = self.numbers(shape, kind, low, high).astype(self.plan.dtype_of(kind))
        return self.emit("constant", array_text(x))

    # ---- functions inside ----

    def inner(self, params: Sequence[Any], room: int, loops: bool = False, closes: bool = True, named=()) -> Builder:
        """The builder of a function of `params`, examples, with statements in it.

        loops: whether it runs more than once, so that its examples are only the first. closes: over values outside.
        """
        scope = Scope([Value(x) for x in params], self.scope if closes else None, self.scope.loops or loops, named)
        builder = Builder(self.choices, scope, self.plan, self.nesting + 1)
        builder.fill(1 + self.choices.integer(max(0, min(room - 2, 4))))
        return builder

    def fill(self, room: int, going: int = 14) -> None:
        """Add statements: each time one in `going` that it is enough."""
        operations, constructs = self.plan.table
        scope, choices = self.scope, self.choices
        for _ in range(2 * room):
            if (made := scope.size()) >= room or choices.integer(going) == 0:
                return
            mark = len(scope.statements), len(scope.values)
            try:
                if constructs and self.nesting < self.plan.depth and choices.chance(self.plan.every):
                    choices.among(constructs)(self, room - made)
                else:
                    choices.among(operations)(self)
                if scope.size() > room:
                    raise Rejected
            except Rejected:
                del scope.statements[mark[0] :], scope.values[mark[1] :]

    def fresh(self, kinds: str = "f") -> list[Value]:
        """The values of this scope that nothing uses; the last one if all are used, or one from outside."""
        own = [v for v in self.scope.values if v.kind in kinds]
        made = [v for v in own if not v.uses] or own[-1:] or [v for v in self.scope.visible() if v.kind in kinds][-1:]
        if not made:
            raise Rejected
        return made

    def result(self, kinds: str = "f") -> Value:
        """What the function returns: the newest value that nothing uses."""
        value = self.choose_last(self.fresh(kinds))
        self.scope.results.append(value)
        return value

    def choose_last(self, options: Sequence[Value]) -> Value:
        value = options[-1 - self.choices.integer(len(options) - 1)]
        value.uses += 1
        return value

    def result_like(self, example: Any) -> Value:
        """What the function returns, of the shape and dtype of `example`."""
        shape, dtype = tuple(example.shape), example.dtype
        alike = [v for v in self.scope.visible() if v.shape == shape and v.dtype == dtype]
        fresh = [v for v in alike if not v.uses]
        if fresh or (alike and self.choices.chance(2)):
            value = self.choose_last(fresh or alike)
        else:
            value = self.coerced(shape, dtype)
        self.scope.results.append(value)
        return value

    def coerced(self, shape: tuple, dtype: Any) -> Value:
        """A value of this type that comes from one of another shape, or is a constant."""
        near = [v for v in self.scope.visible() if v.dtype == dtype and fits(v.shape, shape)]
        near = [v for v in near if np.broadcast_shapes(v.shape, shape) == shape]
        if near:
            return self.emit("broadcast", f"0.5 * fnp.broadcast_to({{0}}, {shape})", self.choose_last(near))
        return self.emit("full", f'fnp.full({shape}, {self.scalar(dtypes.kind(dtype))}, "{dtype.name}")')

    def predicate(self) -> Value:
        """A boolean without axes that depends on a float."""
        x, edge = self.operand("f"), self.scalar()
        check = self.check(lambda x: np.sum(x) - float(edge))
        return self.emit("gt", f"fnp.sum({{0}}) > {edge}", x, check=check)

    def hold(self, name: str, text: str, ins: Sequence[Value], bodies: Sequence[Builder], run: Callable, outs=""):
        """Add a statement with functions and run it as Python does: `run(statement, environment)` gives its results.

        outs: what stands before `=`, of the names of the results, where that is not a plain list of them.
        """
        statement = Statement(name, text, ins, [b.scope for b in bodies], run=run)
        statement.left = outs
        return self.add(statement, run(statement, {v: v.example for v in self.scope.visible()}))

    # ---- statements ----

    def emit(self, name: str, text: str, *ins: Value | str, check: Callable | None = None) -> Value:
        """Add `text(*ins)` and run it once; its value.

        Operands are values, or source of scalars. Raises Rejected where it is not at home or leaves the finite numbers.
        """
        statement, made = self.made(name, text, ins, check)
        return self.add(statement, (made,))[0]

    def emit_many(self, name: str, text: str, *ins: Value | str, check: Callable | None = None) -> tuple[Value, ...]:
        """As `emit`, of an operation with several results."""
        return self.add(*self.made(name, text, ins, check))

    def made(self, name: str, text: str, ins: Sequence[Value | str], check: Callable | None) -> tuple[Statement, Any]:
        """A statement, and what it gives."""
        values = [v for v in ins if not isinstance(v, str)]
        if len(values) < len(ins):
            check = check and _bound(check, ins)
            place = iter(range(len(ins)))
            text = text.format(*[v if isinstance(v, str) else f"{{{next(place)}}}" for v in ins])
        xs = [v.example for v in values]
        if check is not None and not check(*[np.asarray(x) for x in xs]):
            raise Rejected
        return Statement(name, text, values, check=check), compiled(text, len(xs))(*xs)

    def gather(self, name: str, text: str, x: Value, across: Callable, example: Any) -> Value:
        """Add a collective of `x`: `across` gives the rows of results of a list of rows of operands."""
        statement = Statement(name, text, (x,))
        statement.across = across
        return self.add(statement, (example,))[0]

    def add(self, statement: Statement, made: Sequence) -> tuple[Value, ...]:
        """Add a statement that was run: its values, those too large scaled down."""
        values = [Value(y) for y in made]
        if any([v.size > ELEMENTS for v in values]):
            raise Rejected
        peaks = [_peak(v) for v in values]
        for v in statement.ins:
            v.uses += 1
        statement.outs = tuple(values)
        self.scope.statements.append(statement)
        self.scope.values.extend(values)
        kept = []
        for v, peak in zip(values, peaks, strict=True):
            kept.append(self.scaled(v, peak) if peak > LARGE else v)
        return tuple(kept)

    def scaled(self, x: Value, peak: float) -> Value:
        return self.emit("mul", f"{10.0 ** -math.ceil(math.log10(peak / 3.0)):g} * {{0}}", x)

    def into(self, x: Value, low: float, high: float) -> Value:
        """`x`, or where it leaves the interval, and in loops, where it might later, its image in the interval."""
        a = np.asarray(x.example)
        if not self.scope.loops and (not a.size or (np.min(a) >= low and np.max(a) <= high)):
            return x
        middle, half = (low + high) / 2, (high - low) / 2
        return self.emit("sin", f"{literal(middle)} + {literal(half)} * fnp.sin({{0}})", x)


def _bound(check, ins):
    """A check of all operands as a check of those that are values."""
    fixed = [np.asarray(eval(v)) if isinstance(v, str) else None for v in ins]

    def bound(*xs):
        rest = iter(xs)
        return check(*[next(rest) if v is None else v for v in fixed])

    return bound


def _peak(v: Value) -> float:
    if v.kind not in "fc" or not v.size:
        return 0.0
    peak = float(np.max(np.abs(np.asarray(v.example))))
    if not peak <= 1e6:
        raise Rejected
    return peak
