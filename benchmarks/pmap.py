"""One program over eight virtual devices of the CPU: dispatch, a training step, and the way to a lowered gradient."""

from __future__ import annotations

import time

from benchmarks import models
from benchmarks.jit import LIBRARIES, race

DEVICES = 8  # set by benchmarks.run for this group


def small_step(fl, np):
    step = fl.pmap(lambda x: x + fl.lax.pmean(x, "i"), axis_name="i")
    state = [step(np.ones((DEVICES, 4), "float32"))]

    def turn():
        state[0] = step(state[0])
        state[0].block_until_ready()

    return turn


def parallel(fl, np, batch=64):
    """(step, its arguments): a step of gradient descent, the batch in parts and the weights whole on all devices."""
    ws, _, x, y = models.mlp_inputs(np.asarray, batch=batch)
    loss = models.mlp_loss(fl, np)

    def step(ws, x, y):
        value, grads = fl.value_and_grad(loss)(ws, x, y)
        value, grads = fl.lax.pmean((value, grads), "batch")
        return value, fl.tree.map(lambda w, g: w - 0.01 * g, ws, grads)

    copied = fl.tree.map(lambda w: np.stack([w] * DEVICES), ws)
    parts = [np.reshape(a, (DEVICES, batch // DEVICES, *a.shape[1:])) for a in (x, y)]
    return fl.pmap(step, axis_name="batch"), (copied, *parts)


def training_step(batch):
    def make(fl, np):
        step, (ws, x, y) = parallel(fl, np, batch)
        x, y = fl.pmap(lambda x, y: (x, y))(x, y)
        state = [step(ws, x, y)[1]]

        def turn():
            value, state[0] = step(state[0], x, y)
            value.block_until_ready()

        return turn

    return make


def lowered(name, rounds=9):
    fl, np = LIBRARIES[name]
    taken = []
    for _ in range(rounds):
        step, args = parallel(fl, np)
        begin = time.perf_counter()
        step.lower(*args)
        taken.append(time.perf_counter() - begin)
    return taken


def run(bench):
    race(bench, "dispatch of a small step", 1.0, small_step, check=False)
    for batch in (64, 1024):
        race(bench, f"data-parallel MLP training step, batch {batch}", 1.0, training_step(batch), check=False)
    bench.measured("trace + lower of the gradient", 0.35, {name: lowered(name) for name in LIBRARIES})
