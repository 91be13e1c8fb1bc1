"""Mistakes in what a rule of a record returns, whoever wrote the rule: a sign, a term, a factor, the wrong rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from functorch_lite import dtypes
from functorch_lite.ir import PRIMITIVES, Primitive
from functorch_lite.prims.elementwise import mul, neg
from functorch_lite.prims.shape import rev
from functorch_lite.trace import SCALARS, typeof


class RecordSite(NamedTuple):
    """A mistake in one rule of one primitive."""

    primitive: str
    rule: str
    position: int
    kind: str

    @property
    def place(self) -> str:
        where = f"[{self.position}]" if self.position >= 0 else ""
        return f"{self.primitive}.{self.rule}{where}"


def sites() -> list[RecordSite]:
    """Every mistake in every rule that says something."""
    made = [RecordSite(prim.name, *rest) for prim in PRIMITIVES.values() for rest in _of(prim)]
    return [site for site in made if site[:2] not in _PASSING]


_DEVICES = {"own_row", "vary", "shard_map"}  # which several devices need
# Forms that a function with rules has inside one pass: it goes by their `jvp`, or `vmap`, at once.
_PASSING = {("with_jvp", "transpose"), ("with_jvp", "vmap"), ("with_vjp", "transpose"), ("with_vjp", "vmap"),
            ("with_vmap", "transpose"), ("with_vmap", "jvp")}  # fmt: skip
_SINGLE = {"top_k", "record", "root"}  # of one mapped operand, or of none that is not
_SILENT = {"threefry2x32", "debug_callback", "io_callback", "pure_callback", "progress"}  # no tangents, no numbers


def _of(prim: Primitive) -> Iterator[tuple[str, int, str]]:
    if prim.name in _DEVICES | _SILENT:
        return
    if callable(prim.jvp):
        for kind in ("sign", "term"):
            yield "jvp", -1, kind
    else:
        for k, rule in enumerate(prim.jvp):
            if rule is not None:
                for kind in ("sign", "term", "factor"):
                    yield "jvp", k, kind
    if prim.transpose is not None and prim.name != "stop_gradient":
        yield "transpose", -1, "sign"
        yield "transpose", -1, "term"
    if callable(prim.jvp) or prim.jvp:
        yield "vmap", -1, "axis"
    if (callable(prim.jvp) and prim.name not in _SINGLE) or (not callable(prim.jvp) and len(prim.jvp) > 1):
        yield "vmap", -1, "batching"


def _inexact(x) -> bool:
    return x is not None and type(x) not in SCALARS and dtypes.is_inexact(typeof(x).dtype)


def _negative(x):
    return neg(x) if _inexact(x) else x


def _turned(x):
    """The rows in reverse, which no rule of a map may do."""
    return rev(x, (0,)) if type(x) not in SCALARS and typeof(x).ndim else x


def _wrong_row(x):
    """What is the same for all rows, as another one."""
    if type(x) in SCALARS:
        return x
    return rev(x, (0,)) if typeof(x).ndim and typeof(x).shape[0] > 1 else _negative(x)


_PARTS: dict[str, Callable] = {"sign": _negative, "term": lambda t: None, "factor": lambda t: mul(t, 1.5)}


def wrong(prim: Primitive, site: RecordSite) -> Any:
    """The rule with the mistake in it."""
    rule, change = getattr(prim, site.rule), _PARTS.get(site.kind, _negative)
    if site.rule == "jvp" and prim.many:

        def jvp(xs, ts, **params):
            ys, made = rule(xs, ts, **params)
            return ys, [change(t) if t is not None else None for t in made]

        return jvp
    if site.rule == "jvp" and site.position < 0:

        def tangent(*args, **params):
            t = rule(*args, **params)
            return None if t is None else change(t)

        return tangent
    if site.rule == "jvp":
        one = rule[site.position]

        def part(*args, **params):
            t = one(*args, **params)
            return None if t is None else change(t)

        return (*rule[: site.position], part, *rule[site.position + 1 :])
    if site.rule == "transpose":
        return _wrong_transpose(rule, site.kind)
    return _wrong_vmap(prim, rule, site.kind)


def _wrong_transpose(rule, kind):
    def transpose(ct, *xs, **params):
        if kind == "sign":
            ct = [_negative(c) for c in ct] if isinstance(ct, list) else _negative(ct)
            return rule(ct, *xs, **params)
        return [None] * len(rule(ct, *xs, **params))

    return transpose


def _wrong_vmap(prim, rule, kind):
    def vmap(size, xs, batched, **params):
        if kind == "batching":
            xs = [x if b else _wrong_row(x) for x, b in zip(xs, batched, strict=True)]
            return rule(size, xs, batched, **params)
        made = rule(size, xs, batched, **params)
        if not prim.many:
            return _turned(made)
        ys, flags = made
        return [_turned(y) if f else y for y, f in zip(ys, flags, strict=True)], flags

    return vmap


class Wrong:
    """While it is open, the record has the mistake."""

    def __init__(self, site: RecordSite, forget: Callable[[], None]):
        self.prim, self.site, self.forget = PRIMITIVES[site.primitive], site, forget

    def __enter__(self):
        self.before = getattr(self.prim, self.site.rule)
        setattr(self.prim, self.site.rule, wrong(self.prim, self.site))
        self.forget()
        return self

    def __exit__(self, *_):
        setattr(self.prim, self.site.rule, self.before)
        self.forget()


class Watched:
    """While it is open, the calls of rules of all records are noted: (primitive, rule, position)."""

    def __init__(self):
        self.called: set[tuple[str, str, int]] = set()
        self.before: list[tuple[Primitive, str, Any]] = []

    def __enter__(self):
        for prim in PRIMITIVES.values():
            for rule in ("jvp", "transpose", "vmap"):
                own = getattr(prim, rule)
                if own is None:
                    continue
                self.before.append((prim, rule, own))
                key = (prim.name, rule)
                if callable(own):
                    setattr(prim, rule, self._noting(own, (*key, -1)))
                else:
                    parts = [f and self._noting(f, (*key, k)) for k, f in enumerate(own)]
                    setattr(prim, rule, tuple(parts))
        return self

    def _noting(self, fun, key):
        called = self.called

        def noted(*args, **params):
            called.add(key)
            return fun(*args, **params)

        return noted

    def __exit__(self, *_):
        for prim, rule, own in self.before:
            setattr(prim, rule, own)
