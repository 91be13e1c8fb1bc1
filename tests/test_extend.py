"""New primitives by users, from one screen of code, under every transform; a wrong rule is found."""

import doctest

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import extend


def make(name, derivative=lambda t, y, x: t * fnp.cos(x), host=np.sin, operation="sine"):
    prim = extend.elementwise(name, admits="f", jvp=(derivative,))

    @extend.host(prim)
    def on_host(in_types, out_types):
        return host

    @extend.lowering(prim)
    def in_xla(low, xs, in_types, out_types):
        return low.op(operation, out_types[0], xs)

    return lambda x: extend.bind(prim, x)


X = np.array([0.3, -1.2, 0.7])


def test_the_worked_example():
    assert doctest.testmod(extend).failed == 0


def test_a_new_primitive_under_every_transform():
    f = make("test_sine")
    extend.check(f, X)
    extend.check(f, fnp.asarray(X, "float32"))
    np.testing.assert_allclose(fl.grad(lambda x: fnp.sum(f(x)))(X), np.cos(X))
    np.testing.assert_allclose(fl.jit(fl.vmap(fl.grad(f)))(X), np.cos(X))
    np.testing.assert_allclose(fl.hvp(lambda x: fnp.sum(f(x)), X, X), -np.sin(X) * X)


@pytest.mark.parametrize(("name", "wrong", "law"), [
    ("test_wrong_jvp", {"derivative": lambda t, y, x: t * fnp.sin(x)}, "limit of differences"),
    ("test_wrong_host", {"host": np.cos}, "NumPy function and the lowering"),
    ("test_wrong_lowering", {"operation": "cosine"}, "NumPy function and the lowering"),
])  # fmt: skip
def test_a_wrong_part_is_found(name, wrong, law):
    with pytest.raises(AssertionError, match=law):
        extend.check(make(name, **wrong), X)


def test_bad_records_are_sentences():
    with pytest.raises(ValueError, match="exists already"):
        extend.elementwise("sin", jvp=(None,))
    with pytest.raises(TypeError, match="jvp"):
        extend.Primitive("test_incomplete", infer=lambda x: x, vmap=None)
