"""Bad input ends in one sentence of ours, with the user's line, and leaves the library usable."""

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp

X = fnp.arange(3.0)


def recursive(x):
    return recursive(x)


def deleted():
    x = fnp.ones(3)
    x.delete()
    assert x.is_deleted()
    return x


WRONG = {
    "shapes": (lambda: X + fnp.ones(2), ValueError, r"add: .*f32\[3\].*f32\[2\]"),
    "shapes in grad": (lambda: fl.grad(lambda x: fnp.sum(x * fnp.ones(4)))(X), ValueError, r"f32\[3\].*f32\[4\]"),
    "matmul": (lambda: fnp.ones((2, 3)) @ fnp.ones((2, 3)), ValueError, "matmul"),
    "reshape": (lambda: X.reshape(2, 2), ValueError, "reshape"),
    "axis": (lambda: fnp.sum(X, axis=2), ValueError, "axis 2"),
    "grad of vector": (lambda: fl.grad(fnp.sin)(X), TypeError, r"one float scalar, got f32\[3\]"),
    "grad of integers": (
        lambda: fl.grad(lambda x: x * 2.0)(3), TypeError, r"differentiates floats, got i32\[\] in argument 0"),
    "grad of a leaf": (
        lambda: fl.grad(lambda p: p["w"][0])({"w": [1.0, 3]}), TypeError,
        r"got i32\[\] in argument 0 \(p\) at \['w'\]\[1\]"),
    "grad of text": (lambda: fl.grad(lambda s: 1.0)("text"), TypeError, r"argument 0 \(s\) is no array"),
    "grad of None": (lambda: fl.grad(lambda x: None)(1.0), TypeError, "one float scalar, got no array"),
    "grad of a pair": (lambda: fl.grad(lambda x: (x, x))(1.0), TypeError, "has_aux"),
    "grad of int result": (lambda: fl.grad(lambda x: 3)(1.0), TypeError, r"one float scalar, got i32\[\]"),
    "grad complex": (lambda: fl.grad(lambda x: x * 1j)(1.0), TypeError, "holomorphic"),
    "holomorphic real": (lambda: fl.grad(lambda x: x, holomorphic=True)(1.0), TypeError, "complex arguments"),
    "argnums": (lambda: fl.grad(lambda x: x, argnums=1)(1.0), TypeError, "argument 1 .* 1 positional argument,"),
    "argnums twice": (lambda: fl.grad(lambda x: x, argnums=(0, 0))(1.0), ValueError, "twice"),
    "argnums text": (lambda: fl.grad(lambda x: x, argnums="x")(1.0), TypeError, "argnums must be"),
    "no function": (lambda: fl.grad(3.0), TypeError, "takes a function, got float"),
    "jit no function": (lambda: fl.jit(X), TypeError, "takes a function"),
    "aux": (lambda: fl.grad(lambda x: x, has_aux=True)(1.0), TypeError, "pair"),
    "tangent shape": (lambda: fl.jvp(fnp.sin, (X,), (fnp.ones(2),)), ValueError, r"shape of f32\[3\], got f32\[2\]"),
    "tangent dtype": (
        lambda: fl.jvp(fnp.sin, (X,), (fnp.ones(3, "int32"),)), TypeError, r"dtype of f32\[3\], got i32\[3\]"),
    "tangent tree": (lambda: fl.jvp(fnp.sin, (X,), ([X],)), TypeError, "tree"),
    "tangent count": (lambda: fl.jvp(fnp.sin, (X,), ()), ValueError, "must be 1"),
    "primals": (lambda: fl.jvp(fnp.sin, X, X), TypeError, "tuple or list"),
    "cotangent shape": (lambda: fl.vjp(fnp.sin, X)[1](1.0), ValueError, r"shape of f32\[3\], got f32\[\]"),
    "cotangent tree": (lambda: fl.vjp(fnp.sin, X)[1]((X, X)), ValueError, "tree"),
    "hvp tree": (lambda: fl.hvp(fnp.sum, X, (X,)), ValueError, "tree of x"),
    "jacfwd of complex": (lambda: fl.jacfwd(fnp.abs)(1 + 1j), TypeError, r"takes real arguments, got c64\[\] in"),
    "jacobian": (lambda: fl.jacfwd(lambda x: x > 0)(X), TypeError, r"return floats, got bool\[3\]"),
    "not linear": (lambda: fl.linear_transpose(fnp.sin, X)(X), TypeError, "`sin` is not linear"),
    "assignment": (lambda: X.__setitem__(0, 1.0), TypeError, r"x\.at\["),
    "out of bounds": (lambda: X[5], IndexError, "5"),
    "out of bounds array": (lambda: X[fnp.array([0, 7])], IndexError, "7"),
    "object array": (lambda: fnp.asarray(np.array([None])), TypeError, "object"),
    "string": (lambda: fnp.sin("x"), TypeError, "str"),
    "None": (lambda: fnp.sin(None), TypeError, "None"),
    "ragged": (lambda: fnp.array([[1, 2], [3]]), (TypeError, ValueError), "."),
    "hash": (lambda: {X: 1}, TypeError, "hash"),
    "truth": (lambda: bool(X), ValueError, "any"),
    "float of many": (lambda: float(X), TypeError, "without axes"),
    "float of complex": (lambda: float(fnp.array(1 + 2j)), TypeError, r"c64\[\] does not convert to float"),
    "text": (lambda: "a" * fnp.array(2.0), TypeError, r"f32\[\] \* a str"),
    "deleted": (lambda: deleted() + 1, RuntimeError, "donated or deleted"),
    "branches": (lambda: fl.lax.cond(True, lambda x: (x,), lambda x: x, X), TypeError, "same tree"),
    "switch": (lambda: fl.lax.switch(1, [lambda: (1.0, 2.0), lambda: 1.0]), TypeError, "same tree"),
    "predicate tree": (lambda: fl.lax.while_loop(lambda x: (x < 2,), lambda x: x + 1, 0), TypeError, "one boolean"),
    "too large": (lambda: fnp.asarray(2**40), OverflowError, "i32"),
    "construct": (lambda: fl.Array([1.0]), TypeError, "numpy.array"),
    "mapped branch": (lambda: fl.vmap(lambda x: x if x > 0 else -x)(X), TypeError, "where"),
    "range": (lambda: fl.jit(lambda n: [0 for _ in range(n)])(3), TypeError, "static"),
    "unhashable": (lambda: fl.jit(lambda x: x, static_argnums=0)([1]), TypeError, "cannot be hashed"),
    "recursion": (lambda: fl.jit(recursive)(1.0), RecursionError, "recursed too deeply"),
    "platform": (lambda: fl.devices("quantum"), RuntimeError, "quantum"),
    "config": (lambda: fl.config.default_dtype("float16"), ValueError, "float16"),
    "shape struct": (lambda: fl.ShapeDtypeStruct((-1,), "float32"), ValueError, "negative"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_sentence(name):
    program, kind, message = WRONG[name]
    with pytest.raises(kind, match=message) as error:
        program()
    text = str(error.value)
    assert "\n" not in text and "jaxlib" not in text and "0x" not in text, text
    np.testing.assert_allclose(np.asarray(fl.grad(lambda x: fnp.sum(x * x))(X)), [0, 2, 4])


EITHER = {  # NumPy raises one of these, JAX the other
    "add": (lambda: X + fnp.ones(2), ValueError, TypeError),
    "traced add": (lambda: fl.jit(lambda x: x + fnp.ones(2))(X), ValueError, TypeError),
    "lax": (lambda: fl.lax.add(X, fnp.ones(2)), ValueError, TypeError),
    "matmul": (lambda: X @ fnp.ones(2), ValueError, TypeError),
    "reshape": (lambda: X.reshape(2, 2), ValueError, TypeError),
    "concatenate": (lambda: fnp.concatenate([X, fnp.ones((2, 2))]), ValueError, TypeError),
    "stack": (lambda: fnp.stack([X, fnp.ones(2)]), ValueError, TypeError),
    "select": (lambda: fl.lax.select(X > 1, fnp.ones(2), fnp.ones(2)), ValueError, TypeError),
    "cotangent": (lambda: fl.vjp(fnp.sin, X)[1](fnp.ones(3, "int32")), ValueError, TypeError),
    "tangents": (lambda: fl.jvp(fnp.sin, (X,), ()), ValueError, TypeError),
    "linear_transpose": (lambda: fl.linear_transpose(lambda x: 2 * x, 1.0)((1.0,)), ValueError, TypeError),
    "index": (lambda: X[1.0], IndexError, TypeError),
    "slice": (lambda: X[1.0:2], IndexError, TypeError),
    "traced slice": (lambda: fl.jit(lambda n: X[:n])(2), IndexError, fl.ConcretizationError),
}


@pytest.mark.parametrize("name", EITHER)
def test_caught_by_users_of_numpy_and_of_jax(name):
    program, one, other = EITHER[name]
    with pytest.raises(one):
        program()
    with pytest.raises(other):
        program()


def test_messages_name_the_users_line():
    names = ["shapes", "shapes in grad", "grad of vector", "grad of a leaf", "tangent shape", "cotangent shape"]
    for name in [*names, "mapped branch"]:
        with pytest.raises(Exception, match=r"test_errors.py:\d+"):
            WRONG[name][0]()
