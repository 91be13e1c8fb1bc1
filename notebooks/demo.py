"""What this shows: real digits learned, gradients taken example by example, Newton's method, and a Hessian's spectrum.

The data are the 1797 handwritten digits inside scikit-learn. `python notebooks/demo.py [picture.png]` prints a table,
writes a picture, and ends with an error if a claim in the table does not hold.
"""

from __future__ import annotations

import pathlib
import sys
import time
from functools import partial

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import functorch_lite as fl
import functorch_lite.numpy as fnp

SIZES = (64, 256, 32, 10)


def digits(seed=0):
    """(x, y) to learn from and (x, y) held out: x is f32[n, 64] in [0, 1], y is i32[n]."""
    x, y = load_digits(return_X_y=True)
    parts = train_test_split(
        (x / 16).astype(np.float32), y.astype(np.int32), test_size=0.2, random_state=seed, stratify=y
    )
    x, x_test, y, y_test = map(fnp.asarray, parts)
    return (x, y), (x_test, y_test)


# ---- the network ----


def init(key, sizes=SIZES):
    """One weight matrix and one bias per layer, scaled for relu."""
    keys = fl.random.split(key, len(sizes) - 1)
    return [
        {"w": fl.random.normal(k, (m, n)) * (2 / m) ** 0.5, "b": fnp.zeros((n,))}
        for k, m, n in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def hidden(layers, x):
    for layer in layers:
        x = fl.nn.relu(x @ layer["w"] + layer["b"])
    return x


def logits(params, x):
    *layers, last = params
    return hidden(layers, x) @ last["w"] + last["b"]


def cross_entropy(logits, y):
    """-log of the probability given to the right class: (..., k) and (...) -> (...)."""
    right = fl.nn.one_hot(y, logits.shape[-1], dtype=logits.dtype)
    return -fnp.sum(right * fl.nn.log_softmax(logits), axis=-1)


def loss(params, x, y):
    return fnp.mean(cross_entropy(logits(params, x), y))


@fl.jit
def accuracy(params, x, y):
    return fnp.mean(fnp.argmax(logits(params, x), axis=-1) == y)


@fl.jit
def train_step(key, params, velocity, x, y, rate):
    """One step of gradient descent with momentum, on digits with a little noise: one compiled program."""
    x = x + 0.2 * fl.random.normal(key, x.shape)
    value, grads = fl.value_and_grad(loss)(params, x, y)
    velocity = fl.tree.map(lambda v, g: 0.9 * v - rate * g, velocity, grads)
    return fl.tree.map(fnp.add, params, velocity), velocity, value


def train(params, data, held_out, epochs=40, batch=64, rate=0.1, seed=0):
    """(params, mean loss of every epoch, accuracy on the held-out digits after every epoch)."""
    x, y = data
    order, key = np.random.default_rng(seed), fl.random.key(seed)
    velocity = fl.tree.map(fnp.zeros_like, params)
    losses, accuracies = [], []
    with tqdm(range(epochs), desc="training", unit="epoch") as progress:
        for epoch in progress:
            now = rate * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
            total, turns = 0.0, 0
            shuffled = order.permutation(x.shape[0])
            for start in range(0, len(shuffled) - batch + 1, batch):
                rows = shuffled[start : start + batch]
                key, noise = fl.random.split(key)
                params, velocity, value = train_step(noise, params, velocity, x[rows], y[rows], np.float32(now))
                total, turns = total + float(value), turns + 1
            losses.append(total / turns)
            accuracies.append(float(accuracy(params, *held_out)))
            progress.set_postfix(loss=f"{losses[-1]:.4f}", test=f"{accuracies[-1]:.3f}")
    return params, losses, accuracies


# ---- one gradient per example ----


@fl.jit
def per_example(params, x, y):
    """A tree like `params` with a leading axis: row i is the gradient of the loss of example i alone."""
    return fl.vmap(fl.grad(loss), in_axes=(None, 0, 0))(params, x, y)


@fl.jit
def gradient_of_sum(params, x, y):
    return fl.grad(lambda p: fnp.sum(fl.vmap(loss, in_axes=(None, 0, 0))(p, x, y)))(params)


def relative_gap(a, b):
    """The largest difference between two trees, relative to the largest entry of the second."""
    gaps = [float(fnp.max(fnp.abs(u - v)) / fnp.max(fnp.abs(v))) for u, v in zip(fl.tree.leaves(a), fl.tree.leaves(b))]
    return max(gaps)


def gradient_norms(grads):
    squares = [fnp.sum(g * g, axis=tuple(range(1, g.ndim))) for g in fl.tree.leaves(grads)]
    return fnp.sqrt(sum(squares))


# ---- softmax regression, a convex problem, in float64 ----


def regression_loss(weights, x, y, decay=1e-3):
    """Cross-entropy of a linear classifier plus `decay` / 2 of the squared weights: strictly convex."""
    return fnp.mean(cross_entropy(x @ weights, y)) + 0.5 * decay * fnp.sum(weights * weights)


def inner(a, b):
    return float(fnp.sum(a * b))


def conjugate_gradient(product, b, tolerance, most):
    """(s, products used) with |product(s) - b| <= tolerance, for a positive definite `product`.

    Source: Nocedal & Wright, Numerical Optimization (2006), algorithm 5.2.
    """
    s, r = fnp.zeros_like(b), b
    p, rr = r, inner(r, r)
    for used in range(most):
        if rr**0.5 <= tolerance:
            return s, used
        hp = product(p)
        alpha = rr / inner(p, hp)
        s, r = s + alpha * p, r - alpha * hp
        rr, before = inner(r, r), rr
        p = r + (rr / before) * p
    return s, most


def newton_cg(f, w, *data, tolerance=1e-9, most=50):
    """(w, path): Newton steps by conjugate gradients on Hessian-vector products, shortened until the loss falls enough.

    path holds (derivatives taken so far, norm of the gradient, loss) for every iterate; a gradient counts as one
    derivative, a Hessian-vector product too. Source: Nocedal & Wright, Numerical Optimization (2006), 7.1 and 3.1.
    """
    value_and_grad = fl.jit(fl.value_and_grad(f))
    product = fl.jit(lambda w, data, v: fl.hvp(f, w, v, *data))
    value, g = value_and_grad(w, *data)
    value, norm, work = float(value), inner(g, g) ** 0.5, 1
    path = [(work, norm, value)]
    while norm > tolerance and len(path) <= most:
        s, used = conjugate_gradient(partial(product, w, data), -g, min(0.5, norm**0.5) * norm, 200)
        length, slope = 1.0, inner(g, s)
        new, new_g = value_and_grad(w + s, *data)
        work += used + 1
        while float(new) > value + 1e-4 * length * slope + 1e-15 and length > 1e-8:
            length /= 2
            new, new_g = value_and_grad(w + length * s, *data)
            work += 1
        w, g, value, norm = w + length * s, new_g, float(new), inner(new_g, new_g) ** 0.5
        path.append((work, norm, value))
    return w, path


def gradient_descent(f, w, *data, rate, steps):
    """(w, path) as `newton_cg` gives them, with the constant step that a convex function of known curvature allows."""

    @fl.jit
    def step(w, *data):
        value, g = fl.value_and_grad(f)(w, *data)
        return w - rate * g, value, fnp.sqrt(fnp.sum(g * g))

    path = []
    for work in range(1, steps + 1):
        w, value, norm = step(w, *data)
        path.append((work, float(norm), float(value)))
    return w, path


def curvature_bound(x, decay=1e-3):
    """No eigenvalue of the Hessian of `regression_loss` is larger.

    Source: D. Boehning, Annals of the Institute of Statistical Mathematics 44 (1992).
    """
    return 0.5 * np.linalg.eigvalsh(x.T @ x / len(x))[-1] + decay


# ---- the Hessian of the last layer ----


def last_layer(params, x, y):
    """(f, w): the loss as a function of the last layer's weights alone, f64[n], the rest of the network held fixed."""
    *layers, last = params
    features = fl.jit(hidden)(layers, x).astype(np.float64)
    features = fnp.concatenate([features, fnp.ones((features.shape[0], 1), dtype=np.float64)], axis=1)
    w = fnp.concatenate([last["w"], last["b"][None]], axis=0).astype(np.float64)
    shape = w.shape
    return lambda w: fnp.mean(cross_entropy(features @ w.reshape(shape), y)), w.reshape(-1)


# ---- the report ----


class Report:
    """Collects claims, each with its result and the seconds since the one before; prints them as a table."""

    def __init__(self):
        self.rows, self.failed, self.last = [], [], time.perf_counter()

    def claim(self, what, result, holds=True):
        now = time.perf_counter()
        self.rows.append((what, result, f"{now - self.last:.2f} s"))
        self.last = now
        if not holds:
            self.failed.append(f"{what}: {result}")

    def __str__(self):
        head = ("what", "result", "time")
        widths = [max(len(row[i]) for row in [head, *self.rows]) for i in range(3)]
        line = lambda row: f"  {row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]:>{widths[2]}}"
        return "\n".join([line(head), "  " + "-" * (sum(widths) + 4), *map(line, self.rows)])


def report_training(report, data, held_out):
    params, losses, accuracies = train(init(fl.random.key(0)), data, held_out)
    count, last = sum(p.size for p in fl.tree.leaves(params)), accuracies[-1]
    report.claim(f"train {count} parameters by jit(value_and_grad)", f"test accuracy {last:.2%}", last >= 0.97)
    return params, losses, accuracies


def report_examples(report, params, data):
    grads = per_example(params, *data)
    norms = np.asarray(gradient_norms(grads))
    result = f"{len(norms)} gradients, norms {norms.min():.0e} to {norms.max():.1f}"
    report.claim("per-example gradients by vmap(grad)", result, len(norms) == data[0].shape[0] and norms.min() > 0)
    gap = relative_gap(gradient_of_sum(params, *data), fl.tree.map(lambda g: fnp.sum(g, axis=0), grads))
    report.claim("grad(sum of vmap) == sum of vmap(grad)", f"largest relative difference {gap:.1e}", gap < 1e-4)
    return norms


def report_regression(report, data, held_out):
    x, x_test = (np.pad(np.asarray(x, np.float64), ((0, 0), (0, 1)), constant_values=1) for x in (data[0], held_out[0]))
    y, y_test = data[1], np.asarray(held_out[1])
    start, xs = fnp.zeros((x.shape[1], 10), dtype=np.float64), fnp.asarray(x)
    w, newton = newton_cg(regression_loss, start, xs, y)
    work, norm, value = newton[-1]
    report.claim("softmax regression by Newton-CG", f"gradient {norm:.0e} after {work} derivatives", norm <= 1e-9)
    _, descent = gradient_descent(regression_loss, start, xs, y, rate=1 / curvature_bound(x), steps=2000)
    work, slow_norm, slow_value = descent[-1]
    report.claim(
        "the same by gradient descent",
        f"gradient {slow_norm:.0e} after {work} derivatives",
        value <= slow_value and norm < 1e-3 * slow_norm,
    )
    right = np.mean(np.argmax(x_test @ np.asarray(w), axis=1) == y_test)
    report.claim("its test accuracy, without a hidden layer", f"{right:.2%}", right > 0.9)
    return newton, descent


def report_hessian(report, params, data):
    f, w = last_layer(params, *data)
    matrix = fl.jit(fl.hessian(f))(w)
    vectors = fl.random.normal(fl.random.key(1), (5, w.size), dtype=np.float64)
    gap = relative_gap(fl.vmap(lambda v: fl.hvp(f, w, v))(vectors), vectors @ matrix)
    what = f"dense Hessian of the last layer, {w.size} x {w.size}"
    report.claim(what, f"differs from its products by {gap:.0e}", matrix.shape == (w.size, w.size) and gap < 1e-10)
    eigenvalues = np.linalg.eigvalsh(np.asarray(matrix))
    # Adding one vector to the weights of all ten classes changes no probability: that many directions are flat.
    largest, expected = eigenvalues[-1], w.size // 10
    flat = int(np.sum(np.abs(eigenvalues) < 1e-12 * largest))
    result = f"{largest:.2f} down to 0, {flat} flat directions (theory: at least {expected})"
    report.claim("its spectrum", result, eigenvalues[0] > -1e-12 * largest and flat >= expected)
    return eigenvalues


def draw(path, losses, accuracies, norms, data, newton, descent, eigenvalues):
    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    a.semilogy(losses, color="tab:blue")
    a.set(title="training", xlabel="epoch", ylabel="mean loss")
    right = a.twinx()
    right.plot(accuracies, color="tab:orange")
    right.set(ylabel="accuracy on held-out digits", ylim=(0.8, 1.0))

    hardest = np.argsort(-norms)[:15]
    x, y = (np.asarray(part)[hardest] for part in data)
    tiles = np.pad(x.reshape(3, 5, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
    b.imshow(tiles.transpose(0, 2, 1, 3).reshape(30, 50), cmap="gray_r")
    labels = "\n".join(" ".join(map(str, row)) for row in y.reshape(3, 5))
    b.set(title=f"the largest gradients of single digits, labelled\n{labels}", xticks=[], yticks=[])

    for name, steps in (("Newton-CG", newton), ("gradient descent", descent)):
        c.loglog([work for work, _, _ in steps], [norm for _, norm, _ in steps], label=name)
    c.set(title="softmax regression", xlabel="gradients and Hessian-vector products", ylabel="norm of the gradient")
    c.legend()

    d.semilogy(np.maximum(eigenvalues[::-1], 1e-20), ".", markersize=3)
    d.set(title="Hessian of the last layer", xlabel="index", ylabel="eigenvalue (flat ones at 1e-20)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(picture):
    began, report = time.perf_counter(), Report()
    data, held_out = digits()
    report.claim("data", f"{data[0].shape[0]} digits to learn from, {held_out[0].shape[0]} held out")
    params, losses, accuracies = report_training(report, data, held_out)
    norms = report_examples(report, params, data)
    newton, descent = report_regression(report, data, held_out)
    eigenvalues = report_hessian(report, params, data)
    draw(picture, losses, accuracies, norms, data, newton, descent, eigenvalues)
    report.claim("picture", str(picture))
    print(f"\n{report}\n\n  all in {time.perf_counter() - began:.1f} s")
    if report.failed:
        sys.exit("these claims do not hold:\n  " + "\n  ".join(report.failed))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("demo.png"))
