"""The laws: what holds passes, what does not is said in one block, and bad input in one sentence."""

import itertools
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import functorch_lite as fl
import functorch_lite.numpy as fnp
import functorch_lite.testing as flt
from functorch_lite import lax
from functorch_lite.testing import laws

X, W = np.array([0.3, -0.7, 1.2]), np.array([[0.5, -1.0, 0.2], [0.1, 0.7, -0.4], [1.1, 0.3, 0.6]])


def counted(f):
    def g(x):
        fl.debug.callback(lambda y: None, x)
        return f(x)

    return g


HOLD = {
    "tree": (lambda w, x: {"a": fnp.tanh(w @ x["b"]) * x["b"], "c": fnp.sum(x["b"])}, W, {"b": X}),
    "single": (lambda x, i: fnp.cumsum(x)[i] * 2, X.astype("f4"), np.int32(1)),
    "complex": (lambda z: fnp.exp(1j * z) * z, X + 0.2j),
    "loop": (lambda x, w: lax.scan(lambda c, r: (fnp.sin(c * r), c), x, w), X, W),
    "branch": (lambda x: lax.cond(x[0] > 0, lambda x: x * 2, lambda x: x * x, x), X),
    "while": (lambda x: lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, fnp.sin(c[1])), (0, x))[1], X),
    "effects": (counted(fnp.sin), X),
    "cancellation": (lambda x: fnp.exp(-fnp.sum(x * x)) * 1e8 - 1e8, X),
    "narrow": (lambda x: x.astype("bfloat16") * x.astype("bfloat16"), X),
    "integers": (lambda n: n * n + 1, np.array([1, 2, 3])),
    "nothing": (lambda: fnp.ones(3),),
}


@pytest.mark.parametrize("name", HOLD)
def test_they_hold(name):
    f, *args = HOLD[name]
    tried = laws.all(f, *args, skip=() if name in ("tree", "loop") else ("pmap", "jit_commutes"))
    assert {"jit", "deterministic", "simplify"} <= set(tried)
    assert ("jvp" in tried) == (name not in ("integers", "nothing"))


@fl.custom_vjp
def wrong(x):
    return fnp.sin(x) * x


wrong.defvjp(lambda x: (fnp.sin(x) * x, x), lambda x, ct: (ct * (fnp.sin(x) - x * fnp.cos(x)),))


@fl.custom_jvp
def wrong_forward(x):
    return fnp.sin(x)


wrong_forward.defjvp(lambda xs, ts: (fnp.sin(xs[0]), ts[0] * fnp.sin(xs[0])))


def wrong_rows(f):
    """A function whose vmap rule forgets that one operand may not be mapped."""
    made = fl.custom_rules(f, vmap=lambda size, batched, x, y: (f(x, y[0] if batched[1] else y), True))
    return lambda x, y: made(x, y)


BROKEN = {
    "rule of the function": ("custom_rules", wrong, (X,)),
    "forward rule": ("custom_rules", wrong_forward, (X,)),
    "forward": ("jvp", wrong, (X,)),
    "reverse": ("vjp", lambda x: 2 * wrong(x), (X,)),
    "forward by a forward rule": ("jvp", wrong_forward, (X,)),
    "rows": ("vmap", wrong_rows(lambda x, y: x * y), (X, X * 2)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_does_not_hold_is_one_block(name):
    law, f, args = BROKEN[name]
    with pytest.raises(laws.LawError) as caught:
        getattr(laws, law)(f, *args)
    assert type(caught.value) is laws.LawError
    text = str(caught.value)
    assert text.startswith(f"law `{law}` does not hold for `")
    for row in ("where", "got", "want", "apart", "the bound is", "arguments", "seed", "program", "graph("):
        assert row in text, text
    assert caught.value.apart > caught.value.bound > 0 and caught.value.program.startswith("graph(")


_calls = itertools.count()
SENTENCES = {
    "kink": (laws.jvp, fnp.abs, np.array([0.0, 1.0]), "NotDifferentiableError", "choose arguments away from the kink"),
    "tie": (laws.vjp, lambda x: fnp.max(x), np.array([1.0, 1.0]), "NotDifferentiableError", "different slopes"),
    "jump": (laws.jvp, fnp.floor, np.array([1.0, 1.5]), "NotDifferentiableError", "different slopes"),
    "edge": (laws.jvp, fnp.sqrt, np.array([0.0, 1.5]), "NotDifferentiableError", "away from the edge of its domain"),
    "nan": (laws.jvp, fnp.log, np.array([-1.0, 1.5]), "NotFiniteError", "choose arguments inside its domain"),
    "impure": (laws.jit, lambda x: x * np.random.rand(), X, "FlakyError", "pass what changes as an argument"),
    "flaky": (laws.deterministic, lambda x: x * np.random.rand(), X, "FlakyError", "two calls with the same arguments"),
    "seldom": (laws.jvp, lambda x: x * (1 + (next(_calls) % 5 == 2)), X, "FlakyError", "pass what changes"),
    "no array": (laws.jvp, fnp.sin, "a", "TypeError", "law jvp of `sin`: argument 0 (x) is no array: expected"),
    "python's if": (laws.vmap, lambda x: x if x[0] > 0 else -x, X, "TracerBoolConversionError", "but `vmap` of `<lam"),
    "integers": (laws.jvp, lambda x: x, np.arange(3), "NotApplicableError", "takes no floats"),
    "booleans": (laws.vjp, lambda x: x > 0, X, "NotApplicableError", "returns no floats"),
    "no rules": (laws.custom_rules, fnp.sin, X, "NotApplicableError", "no function with rules of its own"),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_bad_input_is_said_in_a_sentence(name):
    law, f, x, kind, words = SENTENCES[name]
    with pytest.raises((AssertionError, ValueError, TypeError)) as caught:
        law(f, x)
    assert type(caught.value).__name__ == kind
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_tolerance_that_is_too_strict_says_which_bound_it_breaks():
    f = lambda x: fnp.sum(fnp.sin(x.astype("f4") * 100))
    with pytest.raises(laws.ToleranceError, match=r"tol=1e-12 asks more of .* what rounding in f32 does to \d eq"):
        laws.jit(f, X, tol=1e-12)
    laws.jit(f, X, tol=1e-3)
    laws.vjp(wrong, X, tol=10.0)  # a tolerance larger than the bound is the user's word
    with pytest.raises(ValueError, match="tol must be a number that is not negative"):
        laws.jit(f, X, tol=-1)
    with pytest.raises(ValueError, match="tol must be a number that is not negative, got 'small'"):
        laws.jit(f, X, tol="small")
    with pytest.raises(ValueError, match="there is no law or group dervative; there are value"):
        laws.all(f, X, only="dervative")


def test_rows_of_ones_own():
    stacks = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]]), np.array([[1, 0], [0, 0], [1, 1]])
    laws.rows(lambda x, i: x[i] * 2, *stacks)
    wrong_rows = fl.custom_batching.custom_vmap(lambda x: x * 2)
    wrong_rows.def_vmap(lambda size, mapped, x: (x[::-1] * 2, True))
    with pytest.raises(laws.LawError, match="a loop over 3 rows"):
        laws.rows(wrong_rows, stacks[0])
    with pytest.raises(ValueError, match="takes arrays with as many rows each"):
        laws.rows(lambda x, y: x, stacks[0], stacks[1][:2])


def test_bounds_grow_with_the_condition():
    """What cancels has the larger bound, and no constant would serve both."""
    from_bound = lambda f: float(np.max(flt.laws.common.rounding(f, [X]).sizes[0]))
    calm, rough = (from_bound(lambda x, k=k: [fnp.sum((x + k) - k)]) for k in (0.0, 1e8))
    assert 0 < calm < 1e-13 and 1e-8 < rough < 1e-4


# ---- checkers ----


def test_check_grads():
    f = lambda x: fnp.sum(fnp.sin(x) ** 2)
    flt.check_grads(f, (X,), 3)
    flt.check_grads(f, (X.astype("f4"),), order=2, modes=["rev"], atol=1e-2, rtol=1e-2, eps=1e-3)
    flt.check_grads(f)(X)
    flt.check_grads(lambda a, b: a * b * b, argnum=(0, 1), order=1, modes="fwd")(1.0, X)
    with pytest.raises(laws.LawError):
        flt.check_grads(wrong, (X,), 1)
    flt.check_grads(lambda x: fl.lax.stop_gradient(x) * 0 + x, (X,), 1)
    with pytest.raises(ValueError, match="modes must be"):
        flt.check_grads(f, (X,), modes=["reverse"])
    with pytest.raises(ValueError, match="order must be a positive int"):
        flt.check_grads(f, (X,), 0)
    with pytest.raises(TypeError, match="as a tuple, got ndarray"):
        flt.check_grads(f, X)


def test_check():
    assert repr(flt.check(fnp.sin, X).jvp().vjp().vmap().second_order()) == "<check of `sin`>"
    flt.check(fnp.sin, X, tol=1e-6).all(only=["derivative"], compiled=False)
    with pytest.raises(AttributeError, match="there is no law `jvq`; there are"):
        flt.check(fnp.sin, X).jvq()
    with pytest.raises(laws.LawError):
        flt.check(wrong, X).vmap().vjp()


def test_assert_same():
    f, g = lambda x: fnp.sum(fnp.sin(x) ** 2), lambda x: fnp.sum((1 - fnp.cos(2 * x)) / 2)
    flt.assert_same(f, g, X, under=["jit", "grad", "vmap", "jvp@grad", "vmap@grad", "remat"])
    half = lambda x: f(0.5 * lax.stop_gradient(x) + 0.5 * x)
    flt.assert_same(f, half, X)
    with pytest.raises(laws.LawError, match="grad of `<lambda>` and of `<lambda>`"):
        flt.assert_same(f, half, X, under=["value", "grad"])
    with pytest.raises(laws.LawError, match="want the tree"):
        flt.assert_same(lambda x: (x,), lambda x: [x], X)
    with pytest.raises(ValueError, match="there is no transform gard in 'jvp@gard'"):
        flt.assert_same(f, g, X, under=["jvp@gard"])


def test_given_draws_what_depends_on_other_arguments():
    @flt.given(x=flt.arrays("float64"), v=lambda x: flt.like(x))
    def run(x, v):
        assert np.shape(x) == np.shape(v)

    run()
    with pytest.raises(TypeError, match="`v` depends on y, which is no argument before it"):
        flt.given(x=flt.arrays("float64"), v=lambda y: flt.like(y))
    with pytest.raises(TypeError, match="`x` is int; give a strategy"):
        flt.given(x=3)
    with pytest.raises(ValueError, match="the strategy of `x` is empty; give one"):
        flt.given(x=st.nothing())
    with pytest.raises(TypeError, match="the function of `v` gives a int; return a strategy"):
        flt.given(x=flt.arrays(), v=lambda x: 3)(lambda x, v: None)()


def test_given_has_no_deadline_of_its_own():
    made = flt.given(x=flt.arrays("float64"))(lambda x: None)
    assert made._hypothesis_internal_use_settings.deadline is None
    kept = hypothesis.settings(deadline=100)(flt.given(x=flt.arrays("float64"))(lambda x: None))
    assert kept._hypothesis_internal_use_settings.deadline.total_seconds() == 0.1


def test_a_wrong_rule_is_found_by_three_lines_and_its_program_is_small():
    tried = []

    @hypothesis.settings(max_examples=50, database=None, phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink])
    @flt.given(p=flt.programs(smooth=True, control_flow=False))
    def test_my_rule(p):
        tried.append(p)
        flt.laws.vjp(lambda *xs: fl.tree.map(wrong, p(*xs)), *p.args)

    with pytest.raises(laws.LawError) as caught:
        test_my_rule()
    equations = caught.value.program.split("graph0")[0].count(" = ")
    assert equations <= 4, caught.value.program
    first = next(k for k, p in enumerate(tried, 1) if not holds(p))
    assert first <= 50


def holds(p):
    try:
        flt.laws.vjp(lambda *xs: fl.tree.map(wrong, p(*xs)), *p.args)
    except laws.LawError:
        return False
    return True


def test_transforms_of_users():
    laws.transform(fl.remat, like=lambda f: f, examples=3, compiled=False)
    laws.transform(fl.grad, like=fl.jacfwd, examples=3, compiled=False, scalar=True, skip="simplify")

    def scaled(f):
        return lambda *args: fl.tree.map(lambda g: g * 1.0001, fl.grad(f)(*args))

    with pytest.raises(laws.LawError, match=r"`scaled`, for a program of 0 equations(.|\n)*def program\(") as caught:
        laws.transform(scaled, like=fl.grad, examples=3, compiled=False, scalar=True)
    assert "scaled(f) and grad(f)" in str(caught.value)
    with pytest.raises(ValueError, match="skip names jvq"):
        laws.transform(fl.remat, skip=["jvq"])


def test_import_functorch_lite_does_not_import_it():
    program = """
import sys, functorch_lite
assert not [m for m in sys.modules if m.startswith(("functorch_lite.testing", "hypothesis"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
