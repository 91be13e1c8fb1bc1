"""Strategies of numbers, arrays, trees, axes, keys, indices and meshes: what they give, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import dtypes, tree
from functorch_lite.errors import DtypeError
from functorch_lite.testing import strategies as fls

quick = settings(max_examples=40)
QUIET = settings(max_examples=2000, database=None)


@quick
@given(st.data())
def test_arrays_have_the_dtype_shape_and_magnitude_asked_for(data):
    dtype, shape = data.draw(fls.dtypes("fiubc", narrow=True)), data.draw(fls.shapes(max_size=12))
    x = data.draw(fls.arrays(dtype, shape, magnitude=1.5))
    assert type(x) is fl.Array and x.dtype == dtype and x.shape == shape
    if dtypes.is_inexact(dtype):
        assert np.all(np.abs(np.asarray(x).astype(complex)) <= 1.5 * math.sqrt(2))


@quick
@given(fls.arrays(fls.dtypes("f"), fls.shapes(max_dims=2, max_side=3), kinks="avoided", at=(0.0, 1.0), margin=0.05))
def test_kinks_are_avoided(x):
    """Neither at a kink, nor at one of an order: so relu, abs, max and sort have derivatives."""
    x = np.sort(np.asarray(x).astype(float).ravel())
    assert np.all(np.abs(x) > 0.05) and np.all(np.abs(x - 1) > 0.05) and np.all(np.diff(x) > 0.05)


@quick
@given(fls.arrays(fls.dtypes("fc", narrow=True), kinks="avoided"))
def test_shapes_are_those_that_numbers_suffice_for(x):
    assert x.size <= 64


def test_kinks_are_sought():
    both = lambda x: 0.0 in (v := np.asarray(x).tolist()) and len(set(v)) < len(v)
    assert find(fls.arrays("float64", 4, kinks="sought"), both, settings=QUIET) is not None


@pytest.mark.parametrize("wanted", [math.isnan, math.isinf, lambda x: x == 0 and math.copysign(1, x) < 0,
                                    lambda x: 0 < x < float(dtypes.finfo("float32").tiny)])  # fmt: skip
def test_special_numbers_come(wanted):
    found = find(fls.arrays("float32", 1, special=True), lambda x: wanted(float(x[0])), settings=QUIET)
    assert wanted(float(found[0]))


def test_special_integers_come():
    found = find(fls.arrays("int8", 1, special=True), lambda x: int(x[0]) == -128, settings=QUIET)
    assert int(found[0]) == -128


def test_arrays_shrink_to_small_simple_ones():
    x = find(fls.arrays(), lambda x: x.ndim == 1 and x.size >= 2, settings=QUIET)
    assert x.shape == (2,) and np.all(np.abs(np.asarray(x)) < 0.1)


@quick
@given(fls.scalars("f"), fls.scalars("i"), fls.scalars("b"), fls.scalars("c"))
def test_scalars_are_pythons(x, i, b, z):
    assert (type(x), type(i), type(b), type(z)) == (float, int, bool, complex)


@quick
@given(st.data())
def test_tangents_are_like_their_primals(data):
    x = data.draw(fls.pytrees(fls.arrays(fls.dtypes("fic"), fls.shapes(max_size=6))))
    t = data.draw(fls.like(x))
    assert tree.structure(x) == tree.structure(t)
    for a, b in zip(tree.leaves(x), tree.leaves(t), strict=True):
        assert a.shape == b.shape and b.dtype == (a.dtype if dtypes.is_inexact(a.dtype) else fl.float0)


@quick
@given(st.data())
def test_in_axes_are_what_vmap_takes(data):
    shapes = fls.shapes(min_dims=1, max_dims=2, min_side=1, max_side=3)
    arrays = fls.arrays("float32", shapes)
    args = data.draw(st.tuples(arrays, st.dictionaries(st.sampled_from("ab"), arrays)))
    axes = data.draw(fls.in_axes(args))
    fl.vmap(lambda x, y: sum([fnp.sum(v) for v in tree.leaves((x, y))]), axes)(*args)


def test_in_axes_come_in_every_form():
    args = (fnp.ones((2, 3)), {"a": fnp.ones(3), "b": fnp.ones((3, 2))})
    for wanted in (lambda a: type(a) is tuple and isinstance(a[1], dict) and a[1]["a"] is None,
                   lambda a: type(a) is tuple and a[0] is None, lambda a: type(a) is tuple and a[0] == -1,
                   lambda a: a == (1, 0) or a == -1):  # fmt: skip
        fl.vmap(lambda x, y: x, find(fls.in_axes(args), wanted, settings=QUIET))(*args)


@quick
@given(fls.keys(), fls.keys((2,)))
def test_keys_make_numbers(key, two):
    assert key.shape == () and two.shape == (2,)
    assert fl.random.normal(key, (3,)).shape == (3,)
    assert fl.vmap(lambda k: fl.random.normal(k, (3,)))(two).shape == (2, 3)


@quick
@given(st.data())
def test_indices_are_in_bounds_or_out_of_them(data):
    size, shape = data.draw(st.integers(1, 4)), data.draw(fls.shapes(max_dims=2, max_side=3))
    inside = np.asarray(data.draw(fls.indices(size, shape=shape)))
    outside = np.asarray(data.draw(fls.indices(size, bounds="out", shape=shape, dtype="int8")))
    both = np.asarray(data.draw(fls.indices(size, bounds="both", dtype="uint8")))
    assert np.all((-size <= inside) & (inside < size)) and inside.shape == shape
    assert not np.any((-size <= outside.astype(int)) & (outside.astype(int) < size)) and both >= 0


@quick
@given(fls.meshes(devices=6))
def test_meshes_fit_the_devices(mesh):
    assert 1 <= math.prod(mesh.shape) <= 6 and len(mesh.shape) == len(set(mesh.axis_names)) <= 3


def test_every_small_mesh_comes():
    for shape in [(1,), (6,), (2, 3), (1, 2, 3), (2, 1)]:
        assert find(fls.meshes(devices=6), lambda m, s=shape: m.shape == s, settings=QUIET).shape == shape


@pytest.mark.parametrize(("error", "message", "make"), [
    (ValueError, "dtypes: kinds is 'z'", lambda: fls.dtypes("z")),
    (ValueError, "dtypes: kinds is 3", lambda: fls.dtypes(3)),
    (ValueError, "shapes: no shape has 2 to 1 axes", lambda: fls.shapes(min_dims=2, max_dims=1)),
    (ValueError, "no shape has 2 to 3 axes of 9 to 9", lambda: fls.shapes(min_dims=2, min_side=9, max_side=9)),
    (ValueError, "the bounds have to be ints", lambda: fls.shapes(min_dims=-1)),
    (ValueError, "arrays: magnitude is -1", lambda: fls.arrays(magnitude=-1)),
    (ValueError, "arrays: kinks is 'on'", lambda: fls.arrays(kinks="on")),
    (ValueError, "special numbers cannot keep away", lambda: fls.arrays(kinks="avoided", special=True)),
    (ValueError, "only 2 numbers of f64", lambda: fls.arrays(shape=9, magnitude=0.1, kinks="avoided")),
    (ValueError, "no number of i32 is between 0.2 and 0.8", lambda: fls.arrays("int32", 1, magnitude=(0.2, 0.8))),
    (ValueError, "magnitude is 'a'; it has to be at least 0", lambda: fls.arrays(magnitude="a")),
    (ValueError, "dtype is an empty strategy", lambda: fls.arrays(st.nothing())),
    (ValueError, "shape is an empty strategy", lambda: fls.arrays(shape=st.nothing())),
    (ValueError, "arrays: shape is -1", lambda: fls.arrays(shape=-1)),
    (ValueError, "arrays: shape is 2.5", lambda: fls.arrays(shape=2.5)),
    (ValueError, "keys: shape is -1", lambda: fls.keys(-1)),
    (ValueError, "pytrees: leaves is an empty strategy", lambda: fls.pytrees(st.nothing())),
    (TypeError, "is no dtype of an array", lambda: fls.arrays(fl.float0)),
    (ValueError, "scalars: kind is 'q'", lambda: fls.scalars("q")),
    (TypeError, "like: takes a tree of arrays, got a str", lambda: fls.like(["a"])),
    (TypeError, "pytrees: leaves has to be a strategy", lambda: fls.pytrees(3)),
    (ValueError, "pytrees: max_leaves is 0", lambda: fls.pytrees(st.none(), max_leaves=0)),
    (ValueError, "none of the arguments has an axis", lambda: fls.in_axes((1.0,))),
    (TypeError, "in_axes: takes the tuple of arguments, got a Array", lambda: fls.in_axes(fnp.ones(3))),
    (ValueError, "no index is in the bounds of an axis of size 0", lambda: fls.indices(0)),
    (ValueError, "indices: bounds is 'x'", lambda: fls.indices(3, bounds="x")),
    (ValueError, "indices: size is -1", lambda: fls.indices(-1)),
    (DtypeError, "indices are integers", lambda: fls.indices(3, dtype="float32")),
    (ValueError, "u8 holds no index out of the bounds", lambda: fls.indices(256, bounds="out", dtype="uint8")),
    (ValueError, "meshes: devices is 0", lambda: fls.meshes(devices=0)),
    (ValueError, "meshes: max_axes is 9", lambda: fls.meshes(max_axes=9)),
])  # fmt: skip
def test_what_cannot_be_drawn_is_said_in_one_sentence(error, message, make):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
