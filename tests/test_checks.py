"""error_if and checked: silent faults become exceptions with the user's line, under every transform."""

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.errors import KeyReuseError

X = fnp.arange(3.0)
FORMS = {
    "plain": lambda f: f,
    "jit": fl.jit,
    "vmap": lambda f: lambda x: fl.vmap(f)(fnp.stack([x, x])),
    "jit of vmap": lambda f: lambda x: fl.jit(fl.vmap(f))(fnp.stack([x, x])),
    "grad": lambda f: fl.grad(lambda x: fnp.sum(f(x))),
    "jit of grad": lambda f: fl.jit(fl.grad(lambda x: fnp.sum(f(x)))),
    "in scan": lambda f: lambda x: fl.lax.scan(lambda c, _: (f(c), None), x, None, length=2)[0],
    "jit of scan": lambda f: fl.jit(lambda x: fl.lax.scan(lambda c, _: (f(c), None), x, None, length=2)[0]),
}


@pytest.mark.parametrize("form", FORMS)
def test_error_if(form):
    f = lambda x: fl.error_if(x * 1.0, x > 10, "too large")
    FORMS[form](f)(X)
    with pytest.raises(RuntimeError, match=r"too large, at test_checks.py:\d+"):
        FORMS[form](f)(X + 9)
    np.testing.assert_allclose(fl.jit(fnp.sin)(X), np.sin(X))


def test_error_if_takes_booleans_and_classes():
    with pytest.raises(TypeError, match="must be boolean"):
        fl.error_if(X, X, "no")
    with pytest.raises(KeyError, match="mine"):
        fl.error_if(X, X[0] == 0, "mine", KeyError)


FAULTS = {
    "nan": (lambda x: fnp.log(x - 1), FloatingPointError, r"`log` of f32\[.*3\] made NaN at test_checks.py:\d+"),
    "div": (lambda x: 1.0 / x, ZeroDivisionError, r"`div` .* divided by zero at test_checks.py:\d+"),
    "index": (
        lambda x: x[x.astype(int) + 1], IndexError, r"`.*` of .* used an index out of bounds at test_checks.py:\d+"),
    "slice": (lambda x: fl.lax.dynamic_slice(x, (x.astype(int)[2],), (2,)), IndexError, "out of bounds"),
    "update": (lambda x: x.at[x.astype(int) * 5].multiply(x), IndexError, "out of bounds"),
}


@pytest.mark.parametrize("form", ["jit", "jit of vmap", "jit of grad"])
@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, form):
    f, error, message = FAULTS[name]
    with pytest.raises(error, match=message):
        FORMS[form](fl.checked(f))(X)
    with pytest.raises(error, match=message):
        fl.checked(FORMS[form](f))(X)


@pytest.mark.parametrize("form", FORMS)
def test_no_false_alarm(form):
    f = lambda x: fnp.sin(x) / (x + 1) + fnp.log(x + 1) + x[fnp.array([0, 2, -1])]
    np.testing.assert_allclose(FORMS[form](fl.checked(f))(X), FORMS[form](f)(X), rtol=1e-6)


def test_faults_inside_loops_and_branches():
    def loop(x):
        return fl.lax.fori_loop(0, 5, lambda i, c: c + 1.0 / (2.0 - i.astype(float)), x)

    with pytest.raises(ZeroDivisionError, match=r"test_checks.py:\d+"):
        fl.checked(fl.jit(loop))(0.0)
    branch = lambda x: fl.lax.cond(x > 0, lambda v: fnp.log(v), lambda v: fnp.log(v), x)
    assert float(fl.checked(fl.jit(branch))(1.0)) == 0
    with pytest.raises(FloatingPointError):
        fl.checked(fl.jit(branch))(-1.0)
    with pytest.raises(FloatingPointError):
        fl.checked(fl.jit(lambda x: fl.lax.while_loop(lambda c: c < 0, lambda c: fnp.sqrt(c), x)))(-1.0)


def test_only_the_kinds_asked_for():
    f = lambda x: fnp.log(x - 1) + 1 / x
    with pytest.raises(ZeroDivisionError):
        fl.checked(fl.jit(f), errors="div")(X)
    assert np.isnan(np.asarray(fl.checked(fl.jit(f), errors=("index",))(X))).any()
    with pytest.raises(ValueError, match="no kind of error"):
        fl.checked(f, errors="overflow")
    assert np.isnan(np.asarray(fl.checked(fl.jit(lambda x: x * 2))(X * np.nan))).all()  # it came in, it was not made


KEY = fl.random.key(0)
REUSED = {
    "twice": lambda k: fl.random.normal(k) + fl.random.normal(k),
    "split and used": lambda k: fl.random.normal(k) + fl.random.normal(fl.random.split(k)[0]),
    "same part": lambda k: fl.random.normal(fl.random.split(k)[0]) + fl.random.normal(fl.random.split(k)[0]),
    "in jit": lambda k: fl.jit(fl.random.normal)(k) + fl.random.normal(k),
    "in a loop": lambda k: fl.lax.while_loop(lambda c: c < 9, lambda c: c + fl.random.uniform(k) + 1, 0.0),
    "in a branch": lambda k: fl.random.normal(k) + fl.lax.cond(k is None, lambda: 0.0, lambda: fl.random.normal(k)),
}
FINE = {
    "split": lambda k: sum(fl.random.normal(s) for s in fl.random.split(k, 3)),
    "folded": lambda k: sum(fl.random.normal(fl.random.fold_in(k, i)) for i in range(3)),
    "rows": lambda k: fl.lax.scan(lambda c, s: (c + fl.random.normal(s), None), 0.0, fl.random.split(k, 3))[0],
    "carried": lambda k: fl.lax.scan(lambda c, _: (lambda a, b: (a, fl.random.normal(b)))(*fl.random.split(c)), k,
                                     None, length=3)[1],
    "branches": lambda k: fl.lax.cond(
        fl.random.key_data(k)[0] > 5, lambda: fl.random.normal(k), lambda: fl.random.uniform(k)),
}  # fmt: skip


@pytest.mark.parametrize("name", REUSED)
def test_a_key_used_twice(name):
    f = REUSED[name]
    for g in (fl.checked(f, "keys"), fl.jit(fl.checked(f, "keys")), fl.checked(fl.jit(f), "keys")):
        with pytest.raises(KeyReuseError, match=r"used at test_checks.py:\d+ and again at test_checks.py:\d+"):
            g(KEY)


@pytest.mark.parametrize("name", FINE)
def test_keys_used_well(name):
    f = FINE[name]
    np.testing.assert_allclose(fl.checked(fl.jit(f))(KEY), fl.jit(f)(KEY), rtol=1e-6)
