"""`where` leaks nothing from a branch that is not taken, through elementwise operations, in derivatives of any order.

Every program is written once and run twice: with `select`, on arrays some of whose elements are singular points of a
function that the masks hide; and element by element in Python, where the branch not taken does not exist.
"""

import numpy as np
import pytest
from laws import check_derivatives, compiled, graph_of, host, pullback, typed

from functorch_lite import ir
from functorch_lite.prims import elementwise as e
from functorch_lite.prims import special as s
from functorch_lite.transforms import jvp as forward

# name: (function, a point where it or a derivative is infinite or has no value, two regular points)
SINGULAR = {
    "log": (e.log, 0.0, 0.7, 2.0), "sqrt": (e.sqrt, 0.0, 0.7, 2.0), "rsqrt": (e.rsqrt, 0.0, 0.7, 2.0),
    "root of a negative": (e.sqrt, -1.0, 0.7, 2.0), "cbrt": (s.cbrt, 0.0, 0.7, 2.0),
    "reciprocal": (lambda x: e.div(1.0, x), 0.0, -0.7, 2.0), "x / x": (lambda x: e.div(e.sin(x), x), 0.0, -0.7, 2.0),
    "x ** 0.5": (lambda x: e.pow_(x, 0.5), 0.0, 0.7, 2.0), "x ** -1.5": (lambda x: e.pow_(x, -1.5), 0.0, 0.7, 2.0),
    "x ** x": (lambda x: e.pow_(x, x), 0.0, 0.7, 2.0), "x ** -2": (lambda x: e.integer_pow(x, -2), 0.0, 0.7, 2.0),
    "log1p": (s.log1p, -1.0, 0.7, 2.0), "asin": (s.asin, 1.0, 0.7, -0.2), "acos": (s.acos, -1.0, 0.7, -0.2),
    "acosh": (s.acosh, 1.0, 1.7, 3.0), "atanh": (s.atanh, 1.0, 0.7, -0.2), "erf_inv": (s.erf_inv, 1.0, 0.7, -0.2),
    "digamma": (s.digamma, 0.0, 0.7, 2.0), "exp(1 / x)": (lambda x: e.exp(e.div(1.0, x)), 0.0, 0.7, 2.0),
    "x log x": (lambda x: e.mul(x, e.log(x)), 0.0, 0.7, 2.0),
    "norm": (lambda x: e.sqrt(e.add(e.mul(x, x), e.square(x))), 0.0, -0.7, 2.0),
    "atan2": (lambda x: s.atan2(x, e.mul(x, 2.0)), 0.0, 0.7, 2.0),
    "log of sqrt": (lambda x: e.log(e.sqrt(x)), 0.0, 0.7, 2.0),
    "through complex": (lambda x: e.real(e.log(e.complex_(e.sqrt(x), e.log(x)))), 0.0, 0.7, 2.0),
    "overflow": (lambda x: e.div(e.exp(x), e.add(e.exp(x), 1.0)), 1000.0, 0.7, 2.0),
}  # fmt: skip


def _shared(where, f, x, p, q):
    u = f(x)
    return e.add(where(e_and(p, q), u, 0.0), where(e_and(p, e_not(q)), e.mul(u, u), x))


def e_and(p, q):
    return (p and q) if isinstance(p, bool) else e.and_(p, q)


def e_not(p):
    return (not p) if isinstance(p, bool) else e.not_(p)


# (where, f, x, p, q) -> y; f(x) is defined wherever p holds, whatever q is
PROGRAMS = {
    "one": lambda where, f, x, p, q: where(p, f(x), 0.0),
    "the other branch": lambda where, f, x, p, q: where(e_not(p), e.sin(x), f(x)),
    "inside another": lambda where, f, x, p, q: where(q, where(p, f(x), 3.0), where(p, e.mul(x, f(x)), x)),
    "around another": lambda where, f, x, p, q: where(p, where(q, f(x), e.sin(f(x))), e.cos(x)),
    "around a negated one": lambda where, f, x, p, q: where(e_not(p), x, where(q, f(x), 1.0)),
    "both negated": lambda where, f, x, p, q: where(e_not(p), x, where(e_not(q), x, f(x))),
    "the same twice": lambda where, f, x, p, q: where(p, where(p, f(x), x), x),
    "the opposite within": lambda where, f, x, p, q: where(p, f(x), where(e_not(p), e.cos(x), f(x))),
    "used twice": lambda where, f, x, p, q: where(p, e.mul(f(x), e.exp(f(x))), x),
    "literals and signs": lambda where, f, x, p, q: where(p, e.sub(1.0, e.mul(-2.0, e.neg(f(x)))), 0.0),
    "sum of masks": lambda where, f, x, p, q: e.add(where(e_and(p, q), f(x), 0.0), where(e_and(p, e_not(q)), f(x), x)),
    "shared beneath masks": _shared,
    "after it": lambda where, f, x, p, q: e.exp(e.mul(where(p, f(x), 0.5), x)),
    "deep": lambda where, f, x, p, q: where(p, e.exp(where(q, e.mul(f(x), 0.5), e.sin(f(x)))), x),
}  # fmt: skip


def masked(program, f):
    """The program on arrays."""
    return lambda x, p, q: PROGRAMS[program](e.select, f, x, p, q)


def plain(program, f, p, q):
    """The program for one element, with Python's own choice; what is not taken has no cotangent."""
    return lambda x: e.add(PROGRAMS[program](lambda c, a, b: a if c else b, f, x, p, q), e.mul(x, 0.0))


def orders(fun, x, *others):
    """First derivative; second by forward and by reverse mode over reverse mode. Elementwise, so sums tell all."""
    n = len(others)
    active = (True,) + (False,) * n
    graph, _, _ = pullback(graph_of(fun, *typed(x, *others)), active)
    ones = np.ones_like(x)
    (first,) = host(graph, [x, *others, ones])
    pushed, mask = forward.jvp(graph, (*active, False))
    second = host(ir.check(pushed), [x, *others, ones, ones])[1] if any(mask) else np.zeros_like(x)
    twice, mask, _ = pullback(graph, (*active, False))
    third = host(twice, [x, *others, ones, ones])[0] if any(mask) else np.zeros_like(x)
    return first, second, third


P, Q = np.array([False, False, True, True]), np.array([False, True, False, True])


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", SINGULAR)
def test_nothing_leaks(name, program):
    f, singular, *regular = SINGULAR[name]
    x = np.array([singular, singular, *regular])
    made = orders(masked(program, f), x, P, Q)
    for i in range(4):
        with np.errstate(all="ignore"):
            want = orders(plain(program, f, bool(P[i]), bool(Q[i])), x[i : i + 1])
        got = [y[i] for y in made]
        np.testing.assert_allclose(got, np.concatenate(want), rtol=1e-9, atol=1e-12, err_msg=f"{program} at {x[i]}")


def test_the_select_moves_outward_and_costs_nothing():
    """Two products behind one select, in the backward graph as in the forward one."""
    x = ir.array_type((3,), np.dtype(np.float32))
    graph, _, _ = pullback(graph_of(lambda x: e.select(e.gt(x, 0), e.log(e.sqrt(x)), 0), x), (True,))
    assert "\n".join(line.split("#")[0].rstrip() for line in str(graph).splitlines()) == """\
graph(a:f32[3], b:f32[3]):
  c:bool[3] = gt a 0.0
  d:f32[3] = sqrt a
  e:f32[3] = div 0.5 d
  f:f32[3] = div b d
  g:f32[3] = mul f e
  h:f32[3] = select c g 0.0
  return h"""


def test_complementary_masks_join_without_a_sum():
    x = ir.array_type((3,), np.dtype(np.float32))
    graph, _, _ = pullback(graph_of(lambda x: e.select(e.gt(x, 0), e.mul(x, 2), e.mul(x, 3)), x), (True,))
    assert [eqn.prim.name for eqn in graph.eqns] == ["gt", "mul", "mul", "select"]


def test_the_backward_graph_grows_as_the_program():
    def chain(n):
        def fun(x):
            for k in range(n):
                x = e.select(e.gt(x, k), e.mul(e.exp(x), x), e.sin(x))
            return x

        made, _, _ = pullback(graph_of(fun, ir.array_type((3,), np.dtype(np.float64))), (True,))
        return len(made.eqns)

    small, large = chain(10), chain(80)
    assert large < 8.5 * small, (small, large)


def test_a_predicate_without_axes():
    x, p = np.zeros(3), np.array(False)
    one = lambda x, p: e.select(p, e.log(x), 0)
    two = lambda x, p: e.select(e.eq(x, 0), 1, e.select(p, e.sqrt(x), e.log(x)))
    for fun in (one, two):
        assert orders(fun, x, p)[0].tolist() == [0, 0, 0]


def test_the_mask_belongs_to_the_cotangent_and_not_to_the_value():
    """Where a masked and a plain use of one value meet, the sum is not masked."""
    x = np.array([4.0, 9.0])
    p = np.array([True, False])
    got = orders(lambda x, p: (lambda u: e.add(e.select(p, u, 0), e.mul(u, u)))(e.sqrt(x)), x, p)[0]
    np.testing.assert_allclose(got, [1 + 0.25, 1])


def test_masked_derivatives_obey_the_laws():
    rng = np.random.default_rng(0)
    x, p, q = rng.uniform(0.5, 2, 4), P, Q
    for program in PROGRAMS:
        check_derivatives(masked(program, e.log), x, p, q, rng=rng)


def test_compiled_gradients_are_masked_too():
    x = np.array([0.0, -1.0, 2.0])

    def fun(x):
        parts = [e.select(e.gt(x, 0), f(x), 0.0) for f, *_ in SINGULAR.values()]
        total = parts[0]
        for part in parts[1:]:
            total = e.add(total, part)
        return total

    graph, _, _ = pullback(graph_of(fun, *typed(x)), (True,))
    ct = np.ones(3)
    got, want = compiled(graph, [x, ct])[0], host(graph, [x, ct])[0]
    assert got[:2].tolist() == want[:2].tolist() == [0, 0]


def test_max_hides_the_operand_that_loses():
    x = np.array([0.0])
    assert orders(lambda x: e.max_(e.mul(e.sqrt(x), -1.0), 1.0), x)[0] == 0
    assert orders(lambda x: e.clamp(1.0, e.log(e.add(x, 0)), 2.0), x)[0] == 0
