"""One operation at a time on small CPU arrays, and the same on large ones."""

from __future__ import annotations

import numpy as np

import functorch_lite.numpy as fnp
from benchmarks.harness import peer

jnp, torch, anp = peer("jax.numpy"), peer("torch"), peer("autograd.numpy")


def arrays(n):
    """The same numbers for everybody; None for a peer that is not here."""
    return fnp.asarray(n), jnp and jnp.asarray(n), torch and torch.asarray(n), anp and n


def run(bench):
    n = np.arange(1.0, 9.0, dtype=np.float32)
    x, j, t, _ = arrays(n)
    bench.race(
        "x + x",
        0.2,
        ours=lambda: x + x,
        jax=jnp and (lambda: j + j),
        numpy=lambda: n + n,
        torch=torch and (lambda: t + t),
    )
    bench.race(
        "x + 1.0",
        0.2,
        ours=lambda: x + 1.0,
        jax=jnp and (lambda: j + 1.0),
        numpy=lambda: n + 1.0,
        torch=torch and (lambda: t + 1.0),
    )
    for work, target, op in (("sin(x)", 0.2, "sin"), ("sum(x)", 0.3, "sum")):
        f, g, h, k = (getattr(m, op) if m else None for m in (fnp, jnp, np, torch))
        bench.race(
            work,
            target,
            ours=lambda f=f: f(x),
            jax=g and (lambda g=g: g(j)),
            numpy=lambda h=h: h(n),
            torch=k and (lambda k=k: k(t)),
        )
    for work, at in (("x[1]", 1), ("x[2:5]", slice(2, 5))):
        bench.race(
            work,
            0.03,
            ours=lambda at=at: x[at],
            jax=jnp and (lambda at=at: j[at]),
            numpy=lambda at=at: n[at],
            torch=torch and (lambda at=at: t[at]),
        )
    bench.race("x.at[3].set(1.0)", 0.03, ours=lambda: x.at[3].set(1.0), jax=jnp and (lambda: j.at[3].set(1.0)))
    bench.race("asarray of a small array", ours=lambda: fnp.asarray(n), jax=jnp and (lambda: jnp.asarray(n)))
    for size in (10**4, 10**6):
        run_large(bench, np.random.default_rng(0).random(size, np.float32))


def run_large(bench, n):
    x, j, t, _ = arrays(n)
    for work, target, op in (("x + x", 1.0, lambda m, x: x + x), ("sin(x)", 1.0, lambda m, x: m.sin(x))):
        bench.race(
            f"{work}, {n.size} elements",
            target,
            ours=lambda op=op: op(fnp, x).block_until_ready(),
            jax=jnp and (lambda op=op: op(jnp, j).block_until_ready()),
            numpy=lambda op=op: op(np, n),
            torch=torch and (lambda op=op: op(torch, t)),
        )
