"""Derivatives of a function of three operations, called eagerly: nothing is compiled by hand."""

from __future__ import annotations

from functools import partial

import numpy as np

import functorch_lite as fl
import functorch_lite.numpy as fnp
from benchmarks.harness import peer

jax, torch, autograd = peer("jax"), peer("torch"), peer("autograd")
func = peer("torch.func")


def function(m):
    return lambda x: m.sum(m.sin(x) * x)


def of_library(fl, np):
    """The derivatives as functions of arrays, for this library and for JAX, who share their names."""
    f = function(np)
    g = fl.grad(f)
    return {
        "grad": lambda x, v, xs: g(x),
        "value_and_grad": lambda x, v, xs: fl.value_and_grad(f)(x),
        "hvp": lambda x, v, xs: fl.jvp(g, (x,), (v,))[1],
        "vmap(grad)": lambda x, v, xs: fl.vmap(g)(xs),
        "jvp": lambda x, v, xs: fl.jvp(f, (x,), (v,)),
        "vjp": lambda x, v, xs: fl.vjp(f, x)[1](np.ones(())),
        "vmap": lambda x, v, xs: fl.vmap(f)(xs),
        "hessian, 3 inputs": lambda x, v, xs: fl.hessian(f)(x),
        "jit inside grad": lambda x, v, xs: fl.grad(fl.jit(f))(x),
    }


def of_torch():
    f = function(torch)
    g = func.grad(f)
    return {
        "grad": lambda x, v, xs: g(x),
        "value_and_grad": lambda x, v, xs: func.grad_and_value(f)(x)[::-1],
        "hvp": lambda x, v, xs: func.jvp(g, (x,), (v,))[1],
        "vmap(grad)": lambda x, v, xs: func.vmap(g)(xs),
        "jvp": lambda x, v, xs: func.jvp(f, (x,), (v,)),
        "vjp": lambda x, v, xs: func.vjp(f, x)[1](torch.ones(())),
        "vmap": lambda x, v, xs: func.vmap(f)(xs),
        "hessian, 3 inputs": lambda x, v, xs: func.hessian(f)(x),
    }


def of_autograd():
    import autograd.numpy as anp

    f = function(anp)
    g, hvp, h = autograd.grad(f), autograd.make_hvp(f), autograd.hessian(f)
    return {
        "grad": lambda x, v, xs: g(x),
        "value_and_grad": lambda x, v, xs: autograd.value_and_grad(f)(x),
        "hvp": lambda x, v, xs: hvp(x)[0](v),
        "hessian, 3 inputs": lambda x, v, xs: h(x),
    }


TARGETS = {"grad": 0.08, "hvp": 0.08, "vmap(grad)": 0.08, "jvp": 0.2, "vmap": 0.2}


def run(bench):
    n = np.arange(1.0, 4.0, dtype=np.float32)
    data = (n, n + 1, np.stack([n] * 8))
    wide = np.linspace(0, 1, 100, dtype=np.float32)
    contestants = {"ours": (of_library(fl, fnp), fnp.asarray)}
    if jax:
        contestants["jax"] = (of_library(jax, jax.numpy), jax.numpy.asarray)
    if torch:
        contestants["torch"] = (of_torch(), torch.asarray)
    if autograd:
        contestants["autograd"] = (of_autograd(), np.asarray)
    for work in contestants["ours"][0]:
        made = {}
        for name, (functions, put) in contestants.items():
            if work in functions:
                made[name] = partial(functions[work], *map(put, data))
        bench.race(work, TARGETS.get(work), rounds=11, **made)
    made = {}
    for name, (functions, put) in contestants.items():
        made[name] = partial(functions["hessian, 3 inputs"], put(wide), None, None)
    bench.race("hessian, 100 inputs", 0.08, rounds=9, seconds=0.03, **made)
