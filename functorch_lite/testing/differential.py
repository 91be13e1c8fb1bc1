"""Random programs on two libraries of one interface, and on our two executors: values, first and second derivatives.

A library is a module with `jit`, `vmap`, `grad` and `jvp`, its `numpy` and its `lax`: functorch_lite, or jax where that
is installed. What is compared is made by `quantities`, from the program's source executed with that library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import functorch_lite as fl
from functorch_lite.testing.choices import Seeded
from functorch_lite.testing.programs import Plan, Program, plan, seeded

TRANSFORMS = ("jit", "vmap", "jvp", "grad")


@dataclass(frozen=True)
class Case:
    """A program, and the transforms that are nested around it, the innermost first."""

    seed: int | str
    program: Program
    chain: tuple[str, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}, {' of '.join([*reversed(self.chain), 'the program'])}:\n{self.program}"


def plans(**options: Any) -> list[Plan]:
    """Plans that together hold everything: jax has no forward mode of rules for reverse mode, nor the reverse."""
    without = [("while_loop", "with_vjp"), ("while_loop", "jvp", "with_jvp"), ("with_vjp", "grad", "vjp")]
    return [plan(scalar=True, jax=True, without=names, **options) for names in without]


def forward_only(case: Case) -> bool:
    return "while_loop" in case.program.names


def case(seed: int, chosen: Plan) -> Case:
    """The program of a seed and its transforms, none to three of them."""
    program, choices = seeded(seed, chosen), Seeded(f"chain {seed}")
    return Case(seed, program, chain_of(choices, program))


def chain_of(choices: Seeded, program: Program) -> tuple[str, ...]:
    """Of one program in three, one to three transforms: they take most of the time."""
    chain: list[str] = []
    for _ in range(0 if choices.integer(2) else 1 + choices.integer(2)):
        options = [t for t in TRANSFORMS if t != "jvp" or forward(program) or "grad" in chain]
        chain.append(choices.among(options))
    return tuple(chain)


def forward(program: Program) -> bool:
    """Whether jax has a derivative of it in forward mode, which it has not of rules for reverse mode."""
    return "with_vjp" not in program.names


def quantities(lib: Any, f: Callable, chain: Sequence[str]) -> Callable:
    """(*args) -> value, first derivatives, second derivatives along a direction, and the chain of transforms of `f`."""

    def compute(*args):
        every = tuple(range(len(args)))
        grad = lib.grad(f, every)
        ts = tuple([lib.numpy.cos(3 * x) for x in args])
        first, second = lib.jvp(grad, args, ts)
        made = [f(*args), *first, *second]
        return [*made, chained(lib, f, chain)(*args)] if chain else made

    return compute


def chained(lib: Any, f: Callable, chain: Sequence[str]) -> Callable:
    """The transforms around a function of floats to a float, each of which makes such a function again."""
    fnp = lib.numpy
    for transform in chain:
        match transform:
            case "jit":
                f = lib.jit(f)
            case "vmap":
                f = lambda *args, f=f: fnp.sum(lib.vmap(f)(*[fnp.stack([x, 1.002 * x, 0.999 * x]) for x in args]))
            case "jvp":
                f = lambda *args, f=f: lib.jvp(f, args, tuple([fnp.cos(2 * x) for x in args]))[1]
            case "grad":
                f = lambda *args, f=f: sum([fnp.sum(fnp.cos(1.5 * x) * g) for x, g in zip(args, _grads(lib, f, args))])
    return f


def _grads(lib: Any, f: Callable, args: tuple) -> tuple:
    return lib.grad(f, tuple(range(len(args))))(*args)


# ---- the contestants ----


def on_host(cases: Sequence[Case]) -> list[list[np.ndarray]]:
    """Ours, operation by operation in NumPy."""
    with fl.disable_jit():
        return [_arrays(quantities(fl, c.program, c.chain)(*c.program.args)) for c in cases]


def compiled(cases: Sequence[Case]) -> list[list[np.ndarray]]:
    """Ours, all cases in one program of XLA."""
    computes = [quantities(fl, c.program, c.chain) for c in cases]
    together = fl.jit(lambda given: [compute(*xs) for compute, xs in zip(computes, given, strict=True)])
    return [_arrays(made) for made in together([c.program.args for c in cases])]


def elsewhere(library: Any, cases: Sequence[Case], forward_only: bool = False) -> list[list[np.ndarray]]:
    """Another library's, all cases in one compilation; without reverse mode if `forward_only`."""
    spaces = [c.program.build(library.__name__) for c in cases]
    lib = Forward(library) if forward_only else library

    def together(given):
        computes = [quantities(lib, s["program"], c.chain) for s, c in zip(spaces, cases, strict=True)]
        return [compute(*xs) for compute, xs in zip(computes, given, strict=True)]

    return [_arrays(made) for made in library.jit(together)([s["args"] for s in spaces])]


class Forward:
    """A library whose gradients are made in forward mode: jax has no reverse mode of loops that count at run time."""

    def __init__(self, library: Any):
        self.jit, self.vmap, self.jvp, self.numpy = library.jit, library.vmap, library.jvp, library.numpy
        self.grad = lambda f, argnums: library.jacfwd(f, argnums)


def _arrays(made: Sequence) -> list[np.ndarray]:
    return [np.asarray(x) for x in made]


# ---- the verdict ----


def apart(got: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> float:
    """The largest distance of two results, relative to the size of `want` or to 1; infinite if their types differ."""
    worst = 0.0
    for a, b in zip(got, want, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            return np.inf
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if not np.all(same):
            far = np.abs(a - b)[~same]
            scale = max(1.0, float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b))))
            worst = max(worst, float(np.max(np.where(np.isfinite(far), far / scale, np.inf))))
    return worst


def shaken(case: Case, step: float = 2.0**-36) -> float:
    """How far apart our own results are a `step` to either side of the arguments: what rounding of that size explains.

    Those at the arguments themselves do not count: they may be wrong at just this point.
    """
    compute, args = quantities(fl, case.program, case.chain), case.program.args
    moves = [step * np.cos(np.arange(x.size)).reshape(x.shape) for x in args]
    low, high = [
        _arrays(compute(*[x * (1 + sign * m) for x, m in zip(args, moves, strict=True)])) for sign in (-1, 1)
    ]
    return apart(low, high)
