"""The law of functions with rules of their own: the rules fit the function."""

from __future__ import annotations

import numpy as np

from functorch_lite.api.custom import _Custom
from functorch_lite.api.forward import jvp as jvp_of
from functorch_lite.api.reverse import vjp as vjp_of
from functorch_lite.api.vmap import vmap as vmap_of
from functorch_lite.testing.bounds import rounding
from functorch_lite.testing.laws.batching import rows_of
from functorch_lite.testing.laws.common import Problem, arrays, law, together
from functorch_lite.testing.laws.derivatives import cotangent_names, tangent_names
from functorch_lite.testing.report import NotApplicableError


@law("custom")
def custom_rules(p: Problem):
    """The rules that a function was given agree with what is derived from its definition: jvp, vjp and vmap."""
    f = p.f
    if not isinstance(f, _Custom):
        raise NotApplicableError(f"law {p.law}: `{p.name}` is no function with rules of its own; give what custom_jvp, "
                                 "custom_vjp, custom_vmap or custom_rules made")  # fmt: skip
    plain = Problem(p.law, f.fun, p.structure.unflatten(p.xs), p.tol, p.seed)
    p.agree("the function with rules and its definition", p.ys, plain.ys, lambda: rounding(plain.flat, p.xs))
    if p.active and any(p.smooth):
        backward = f.kind == "custom_vjp" or getattr(f, "vjp", None) is not None
        if not backward:
            _forward(p, plain)
        _reverse(p, plain)
    if getattr(f, "vmap_rule", None) is not None or getattr(f, "vmap", None) is not None:
        _mapped(p, plain)


def _both(one, two, leaves):
    return lambda: together(rounding(one, leaves), rounding(two, leaves))


def _forward(p: Problem, plain: Problem) -> None:
    n = len(p.floats)
    push = lambda q: lambda *leaves: list(jvp_of(q.varying, leaves[:n], leaves[n:])[1])
    leaves = [*p.floats, *p.tangents(40)]
    p.agree("the tangent by its rule and of its definition", push(p)(*leaves), push(plain)(*leaves),
            _both(push(p), push(plain), leaves), tangent_names(p))  # fmt: skip


def _reverse(p: Problem, plain: Problem) -> None:
    n = len(p.floats)
    pull = lambda q: lambda *leaves: list(vjp_of(q.varying, *leaves[:n])[1](list(leaves[n:])))
    leaves = [*p.floats, *p.cotangents(41)]
    p.agree("the cotangent by its rule and of its definition", pull(p)(*leaves), pull(plain)(*leaves),
            _both(pull(p), pull(plain), leaves), cotangent_names(p))  # fmt: skip


def _mapped(p: Problem, plain: Problem) -> None:
    stacks = [np.stack(r) for r in rows_of(p)]
    want = [np.stack(ys) for ys in zip(*[arrays(plain.flat(*[s[k] for s in stacks])) for k in range(3)], strict=True)]
    many = vmap_of(plain.flat)
    p.agree("vmap by its rule and a loop over its definition", vmap_of(p.flat)(*stacks), want,
            lambda: rounding(many, stacks))  # fmt: skip
