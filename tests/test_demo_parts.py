"""The pieces of the main job on small problems, and the whole of it, with its table and its picture."""

import os
import pathlib
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import demo
import functorch_lite as fl
import functorch_lite.numpy as fnp


def positive_definite(n, seed=0):
    a = np.random.default_rng(seed).standard_normal((n, n))
    return a @ a.T + n * np.eye(n)


def test_conjugate_gradient_solves_in_as_many_products_as_unknowns():
    a, b = positive_definite(6), np.arange(1.0, 7.0)
    s, used = demo.conjugate_gradient(lambda v: fnp.asarray(a) @ v, fnp.asarray(b), 1e-10, 50)
    assert used <= 7
    np.testing.assert_allclose(s, np.linalg.solve(a, b), rtol=1e-8)


def test_newton_ends_fast_on_a_parabola_and_counts_its_derivatives():
    a, b = fnp.asarray(positive_definite(4)), fnp.asarray(np.ones(4))
    parabola = lambda w: 0.5 * w @ a @ w - b @ w
    w, path = demo.newton_cg(parabola, fnp.zeros(4, dtype=np.float64), tolerance=1e-6)
    assert len(path) <= 9 and path[-1][1] <= 1e-6 and path[-1][1] < 0.02 * path[-2][1]
    assert [work for work, _, _ in path] == sorted({work for work, _, _ in path})
    np.testing.assert_allclose(a @ w, b, atol=1e-6)


def test_gradient_descent_falls_at_every_step():
    a = positive_definite(4)
    f = lambda w: 0.5 * w @ fnp.asarray(a) @ w
    _, path = demo.gradient_descent(f, fnp.ones(4, dtype=np.float64), rate=1 / np.linalg.eigvalsh(a)[-1], steps=30)
    values = [value for _, _, value in path]
    assert len(values) == 30 and all(b <= a for a, b in pairwise(values))


def test_curvature_bound_holds_at_random_weights():
    r = np.random.default_rng(0)
    x, y = r.standard_normal((40, 5)), r.integers(0, 10, 40)
    for scale in (0.0, 1.0, 10.0):
        w = fnp.asarray(scale * r.standard_normal((5, 10)))
        hessian = fl.hessian(lambda w: demo.regression_loss(w, fnp.asarray(x), fnp.asarray(y)))(w)
        largest = np.linalg.eigvalsh(np.asarray(hessian).reshape(50, 50))[-1]
        assert largest <= demo.curvature_bound(x) * (1 + 1e-12)


def test_cross_entropy_is_minus_the_log_of_the_softmax():
    logits, y = np.random.default_rng(0).standard_normal((7, 4)), np.array([0, 1, 2, 3, 0, 1, 2])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(
        demo.cross_entropy(fnp.asarray(logits), fnp.asarray(y)), -np.log(p[np.arange(7), y]), rtol=1e-12
    )


def test_per_example_gradients_are_the_gradients_of_single_examples():
    params = demo.init(fl.random.key(3), (4, 5, 3))
    r = np.random.default_rng(0)
    x, y = fnp.asarray(r.standard_normal((6, 4)).astype("float32")), fnp.asarray(r.integers(0, 3, 6).astype("int32"))
    many = demo.per_example(params, x, y)
    for i in range(6):
        one = fl.grad(demo.loss)(params, x[i], y[i])
        for a, b in zip(fl.tree.leaves(many), fl.tree.leaves(one), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-6)


def test_training_learns_a_little_in_two_epochs():
    data, held_out = demo.digits()
    _, losses, accuracies = demo.train(demo.init(fl.random.key(0), (64, 32, 10)), data, held_out, epochs=2)
    assert losses[1] < losses[0] and accuracies[-1] > 0.6


def test_a_claim_that_fails_is_kept():
    report = demo.Report()
    report.claim("one", "holds", True)
    report.claim("two", "does not", False)
    assert report.failed == ["two: does not"]
    assert "one" in str(report) and "does not" in str(report)


@pytest.mark.slow
def test_the_main_job_keeps_its_claims(tmp_path):
    picture = tmp_path / "demo.png"
    command, env = (
        [sys.executable, demo.__file__, picture],
        {**os.environ, "PYTHONPATH": str(pathlib.Path(demo.__file__).parent.parent)},
    )
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = ("test accuracy", "grad(sum of vmap) == sum of vmap(grad)", "Newton-CG", "gradient descent", "spectrum")
    assert [row for row in rows if row not in done.stdout] == []
    assert "training: 100%" in done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
