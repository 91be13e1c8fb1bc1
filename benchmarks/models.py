"""The models, written once over a NumPy-like module, so that both libraries trace the same mathematics."""

from __future__ import annotations

from itertools import pairwise

import numpy

BATCH, TIME, WIDTH, HEADS, HEAD, INNER = 4, 32, 64, 4, 16, 128
SHAPES = {
    "g1": (WIDTH,),
    "wq": (WIDTH, HEADS, HEAD),
    "wk": (WIDTH, HEADS, HEAD),
    "wv": (WIDTH, HEADS, HEAD),
    "wo": (HEADS, HEAD, WIDTH),
    "g2": (WIDTH,),
    "w1": (WIDTH, INNER),
    "w2": (INNER, WIDTH),
}


def norm(np, x, gain):
    c = x - np.mean(x, axis=-1, keepdims=True)
    return c / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + 1e-5) * gain


def softmax(fl, np, s):
    e = np.exp(s - fl.lax.stop_gradient(np.max(s, axis=-1, keepdims=True)))
    return e / np.sum(e, axis=-1, keepdims=True)


def layer(fl, np, w, x):
    h = norm(np, x, w["g1"])
    q, k, v = (np.einsum("btd,dhk->bthk", h, w[name]) for name in ("wq", "wk", "wv"))
    a = softmax(fl, np, np.einsum("bthk,bshk->bhts", q, k) * HEAD**-0.5)
    x = x + np.einsum("bthk,hkd->btd", np.einsum("bhts,bshk->bthk", a, v), w["wo"])
    u = norm(np, x, w["g2"]) @ w["w1"]
    return x + (u * (1 + np.tanh(0.8 * u))) @ w["w2"]


def transformer_step(fl, np):
    """(weights, x, y) -> (loss, weights after one step of gradient descent), the layers unrolled."""

    def loss(ws, x, y):
        for w in ws:
            x = layer(fl, np, w, x)
        return np.mean((x - y) ** 2)

    def step(ws, x, y):
        value, grads = fl.value_and_grad(loss)(ws, x, y)
        return value, fl.tree.map(lambda w, g: w - 0.01 * g, ws, grads)

    return step


def transformer_inputs(put, layers=24, seed=0):
    r = numpy.random.default_rng(seed)

    def draw(shape):
        return put((r.standard_normal(shape) / numpy.sqrt(shape[0])).astype(numpy.float32))

    ws = [
        {k: draw(s) if len(s) > 1 else put(numpy.ones(s, "float32")) for k, s in SHAPES.items()} for _ in range(layers)
    ]
    return ws, draw((BATCH, TIME, WIDTH)), draw((BATCH, TIME, WIDTH))


MLP = (64, 256, 256, 10)


def mlp_loss(fl, np):
    """(params, x, y) -> the mean cross-entropy of a small network."""

    def loss(params, x, y):
        *layers, last = params
        for w, b in layers:
            x = fl.nn.relu(x @ w + b)
        logits = x @ last[0] + last[1]
        right = fl.nn.one_hot(y, MLP[-1], dtype=logits.dtype)
        return -np.mean(np.sum(right * fl.nn.log_softmax(logits), axis=-1))

    return loss


def mlp_step(fl, np):
    """(params, velocity, x, y) -> the same after one step with momentum, and the loss."""
    loss = mlp_loss(fl, np)

    def step(params, velocity, x, y):
        value, grads = fl.value_and_grad(loss)(params, x, y)
        velocity = fl.tree.map(lambda v, g: 0.9 * v - 0.05 * g, velocity, grads)
        return fl.tree.map(lambda p, v: p + v, params, velocity), velocity, value

    return step


def mlp_inputs(put, batch=256, seed=0):
    r = numpy.random.default_rng(seed)
    params = [
        (put((r.standard_normal((m, n)) * (2 / m) ** 0.5).astype("float32")), put(numpy.zeros(n, "float32")))
        for m, n in pairwise(MLP)
    ]
    velocity = [tuple(put(numpy.zeros(p.shape, "float32")) for p in pair) for pair in params]
    x, y = r.standard_normal((batch, MLP[0])).astype("float32"), r.integers(0, MLP[-1], batch).astype("int32")
    return params, velocity, put(x), put(y)
