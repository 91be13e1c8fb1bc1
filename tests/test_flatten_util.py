"""A tree as a vector and back, under every transform."""

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.errors import ShapeError
from functorch_lite.flatten_util import ravel_pytree

TREE = {"w": fnp.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "b": (np.arange(2), None), "c": 0.5}


def test_there_and_back():
    vector, unravel = ravel_pytree(TREE)
    assert vector.tolist() == [0, 1, 0.5, 1, 2, 3, 4, 5, 6] and vector.dtype == "float32"
    again = unravel(vector)
    assert fl.tree.structure(again) == fl.tree.structure(TREE)
    for x, y in zip(fl.tree.leaves(again), fl.tree.leaves(TREE), strict=True):
        assert np.array_equal(x, y) and x.dtype == fl.typeof(y).dtype
    assert ravel_pytree({})[0].shape == (0,) and ravel_pytree(())[1](fnp.zeros(0)) == ()
    assert unravel(np.arange(9.0))["w"].dtype == "float32"


def test_under_transforms():
    params = {"w": fnp.ones((2, 3)), "c": fnp.asarray(2.0)}
    vector, unravel = ravel_pytree(params)
    loss = lambda p: fnp.sum(fnp.sin(p["w"]) ** 2) * p["c"]
    flat = lambda v: loss(unravel(v))
    want = ravel_pytree(fl.grad(loss)(params))[0]
    np.testing.assert_allclose(fl.grad(flat)(vector), want, rtol=1e-6)
    np.testing.assert_allclose(fl.jit(fl.grad(flat))(vector), want, rtol=1e-6)
    hessian = fl.hessian(flat)(vector)
    np.testing.assert_allclose(hessian @ vector, fl.hvp(flat, vector, vector), rtol=1e-5)
    rows = fl.vmap(lambda w: ravel_pytree({"w": w, "c": 2 * w[0]})[0])(fnp.ones((4, 3)))
    assert rows.tolist() == [[2, 1, 1, 1]] * 4


@pytest.mark.parametrize(("bad", "error", "words"), [
    (lambda: ravel_pytree(TREE)[1](fnp.ones(8)), ShapeError, "a vector of 9 elements, got f32"),
    (lambda: ravel_pytree(TREE)[1](fnp.ones((9, 1))), ShapeError, "a vector of 9 elements"),
    (lambda: ravel_pytree(TREE)[1](1j * fnp.ones(9)), TypeError, "take its real part"),
    (lambda: ravel_pytree({"a": "text"}), TypeError, "got a str"),
])  # fmt: skip
def test_bad_input_is_a_sentence(bad, error, words):
    with pytest.raises(error, match=words) as caught:
        bad()
    assert "test_flatten_util.py:" in str(caught.value) and "\n" not in str(caught.value)
