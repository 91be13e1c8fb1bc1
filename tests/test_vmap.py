"""vmap: axes as trees, names, sizes, nesting, unmapped results."""

import itertools

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp


def same(a, b, tol=1e-6):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)


X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("out", [0, 1, 2, -1])
def test_every_axis(axis, out):
    f = lambda x: fnp.sin(x) * x[0, 0]
    rows = [np.asarray(f(np.take(X, i, axis))) for i in range(X.shape[axis])]
    same(fl.vmap(f, axis, out)(X), np.stack(rows, out))
    same(fl.jit(fl.vmap(f, axis, out))(X), np.stack(rows, out))


def test_trees_of_axes():
    f = lambda p, x: p["w"] @ x + p["b"][0]
    p = {"w": np.ones((3, 4, 5)), "b": [np.arange(3.0)]}
    x = np.ones((5, 3))
    want = np.stack([p["w"][i] @ x[:, i] + p["b"][0][i] for i in range(3)])
    same(fl.vmap(f, in_axes=({"w": 0, "b": 0}, 1))(p, x), want)
    same(fl.vmap(f, in_axes=({"w": 0, "b": [0]}, -1))(p, x), want)
    same(fl.vmap(f, in_axes=[0, 1])(p, x), want)
    same(fl.vmap(f, in_axes=({"w": None, "b": 0}, 1))({**p, "w": p["w"][0]}, x), want)
    out = fl.vmap(lambda x: {"a": x, "b": (x.sum(), 1.0)}, out_axes={"a": 1, "b": (0, None)})(np.ones((2, 3)))
    assert out["a"].shape == (3, 2) and out["b"][0].shape == (2,) and out["b"][1].shape == ()


def test_keywords_are_mapped_over_axis_0():
    same(fl.vmap(lambda x, *, y: x * y, in_axes=0)(np.arange(3.0), y=np.arange(3.0)), [0, 1, 4])
    same(fl.vmap(lambda x, *, y: x * y.sum(), in_axes=None)(2.0, y=np.ones((3, 2))), [4, 4, 4])


def test_nothing_mapped_in_the_result():
    assert fl.vmap(lambda x: 3.0)(np.ones(4)).shape == (4,)
    assert fl.vmap(lambda x: 3.0, out_axes=None)(np.ones(4)).shape == ()
    assert fl.vmap(lambda x: fnp.zeros((2, 3)), out_axes=2)(np.ones(4)).shape == (2, 3, 4)
    with pytest.raises(ValueError, match=r"out_axes is None for a result f64\[\] that differs"):
        fl.vmap(lambda x: x, out_axes=None)(np.ones(4))


def test_sizes_0_and_1():
    for n in (0, 1):
        assert fl.vmap(lambda x: fnp.sin(x) @ x)(np.ones((n, 3))).shape == (n,)
        assert fl.jit(fl.vmap(fl.grad(lambda x: fnp.sin(x) @ x)))(np.ones((n, 3))).shape == (n, 3)
    assert fl.vmap(lambda: fnp.ones(2), axis_size=3)().shape == (3, 2)


def test_nested_maps_swap():
    f = lambda x, y: fnp.sin(x) * y
    x, y = np.arange(3.0), np.arange(4.0)
    a = fl.vmap(fl.vmap(f, (None, 0)), (0, None))(x, y)
    b = fl.vmap(fl.vmap(f, (0, None)), (None, 0), 1)(x, y)
    same(a, b)
    same(a, np.sin(x)[:, None] * y)


BINARY = {"add": fnp.add, "matmul": fnp.matmul, "outer": fnp.outer,
          "where": lambda a, b: fnp.where(a[:, 0] > 0, a[:, 1], b[0]),
          "take": lambda a, b: a[:, (b[0] > 0).astype(int)], "update": lambda a, b: a.at[0].add(b[1])}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_every_choice_of_mapped_operands(name):
    f = BINARY[name]
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 3, 3)), rng.standard_normal((5, 3, 3))
    for in_axes in itertools.product([0, None], repeat=2):
        if in_axes == (None, None):
            continue
        pick = lambda x, ax, i: x[i] if ax == 0 else x[0]
        args = [x if ax == 0 else x[0] for x, ax in zip((a, b), in_axes, strict=True)]
        rows = [[fnp.asarray(pick(x, ax, i)) for x, ax in zip((a, b), in_axes, strict=True)] for i in range(5)]
        want = np.stack([np.asarray(f(*row)) for row in rows])
        same(fl.vmap(f, in_axes)(*map(fnp.asarray, args)), want)


def test_errors_say_who_and_where():
    f = lambda params, x: x
    sizes = r"need one size, got 3 in argument 0 \(params\) at \['w'\].*; 4 in argument 1 \(x\)"
    with pytest.raises(ValueError, match=sizes):
        fl.vmap(f)({"w": np.ones(3)}, np.ones(4))
    with pytest.raises(ValueError, match=r"has no axis 0 to map over.*test_vmap.py:\d+"):
        fl.vmap(f)(1.0, np.ones(4))
    with pytest.raises(ValueError, match=r"no axis 1 to map over"):
        fl.vmap(f, (0, 1))(np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="nothing is mapped"):
        fl.vmap(f, (None, None))(1.0, 2.0)
    with pytest.raises(ValueError, match=r"has 1 entries.*2 positional"):
        fl.vmap(f, (0,))(np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="tree prefix"):
        fl.vmap(f, ({"v": 0}, 0))({"w": np.ones(3)}, np.ones(3))
    with pytest.raises(TypeError, match="ints and Nones"):
        fl.vmap(f, ("a", 0))(np.ones(3), np.ones(3))
    with pytest.raises(TypeError, match="in_axes must be"):
        fl.vmap(f, {"w": 0})
    with pytest.raises(ValueError, match="out_axes 3 is no axis"):
        fl.vmap(lambda x: x, out_axes=3)(np.ones(3))
    with pytest.raises(TypeError, match=r"argument 1 \(x\) is no array"):
        fl.vmap(f)(np.ones(3), "text")
