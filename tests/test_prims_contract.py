"""Laws of products that sum over shared axes, over drawn specs."""

import enum
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prim_laws import EVERY, agree, draw, graph_of, host, laws, near

from functorch_lite import dtypes, ir, lax
from functorch_lite.prims import contract as p
from functorch_lite.prims.elementwise import convert
from functorch_lite.prims.shape import transpose
from functorch_lite.transforms import reverse
from functorch_lite.transforms.simplify import simplify
from functorch_lite.transforms.vmap import vmap
from functorch_lite.xla.module import lower

SEEDS = st.integers(0, 2**31)


@st.composite
def specs(draw, letters="abcde"):
    """(spec, shape, shape): every letter is in two or three of the terms."""
    terms = [[], [], []]
    for c in draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))]:
        for k in draw(st.sampled_from([(0, 1), (0, 2), (1, 2), (0, 1, 2)])):
            terms[k].append(c)
    a, b, out = ["".join(draw(st.permutations(term))) for term in terms]
    size = {c: draw(st.integers(0 if c == "a" else 1, 3)) for c in letters}
    return f"{a},{b}->{out}", tuple([size[c] for c in a]), tuple([size[c] for c in b])


@settings(max_examples=80)
@given(specs(), SEEDS)
def test_laws_of_products(case, seed):
    spec, a, b = case
    rng = np.random.default_rng(seed)
    xs = [draw(rng, a), draw(rng, b)]
    graph = laws(lambda x, y: p.dot(x, y, spec), xs, rng, order=2)
    near(host(graph, xs)[0], np.einsum(spec, *xs), 16)
    laws(lambda x, y: p.dot(x, y, spec), [draw(rng, a, "complex128"), draw(rng, b, "complex128")], rng)
    laws(lambda x, y: p.dot(x, y, spec), [draw(rng, a, "int32"), draw(rng, b, "int32")], rng)


@settings(max_examples=8)
@given(st.lists(specs(), min_size=12, max_size=12), SEEDS)
def test_xla_agrees_on_drawn_specs(many, seed):
    rng = np.random.default_rng(seed)
    agree([(spec, lambda x, y, spec=spec: p.dot(x, y, spec), [draw(rng, a), draw(rng, b)]) for spec, a, b in many], 32)


@pytest.mark.parametrize("half", range(2))
def test_xla_agrees_for_every_dtype(half):
    """Sums, stacks of sums, outer and elementwise products; the same summed in wider dtypes."""
    rng, cases = np.random.default_rng(0), []
    for dtype in EVERY[half::2]:
        x, y = draw(rng, (4, 5), dtype), draw(rng, (4, 5), dtype)
        for spec in ("ij,kj->ki", "ij,ij->j", "ij,kl->lkji", "ij,ji->ij"):
            other = y if spec != "ij,ji->ij" else draw(rng, (5, 4), dtype)
            cases.append((f"{dtype} {spec}", lambda x, y, spec=spec: p.dot(x, y, spec), [x, other]))
        for wide in WIDER.get(dtype, ()):
            cases.append((f"{dtype} {wide}", lambda x, y, w=wide: p.dot(x, y, "ij,kj->ik", None, w), [x, y]))
    agree(cases, ulps=16)


WIDER = {
    "bool": ["int8", "int32"],
    "int2": ["int8", "int32"],
    "int4": ["int8", "int64"],
    "int8": ["int32", "int64"],
    "uint8": ["uint32", "int32"],
    "int32": ["int64"],
    "float8_e4m3fn": ["float16", "bfloat16", "float32"],
    "float8_e5m2": ["float32"],
    "float16": ["float32", "float64"],
    "bfloat16": ["float32"],
    "float32": ["float64"],
    "complex64": ["complex128"],
}


def test_empty_sums_are_zero():
    x, y = np.zeros((2, 0)), np.zeros((0, 3))
    near(np.asarray(lax.dot(x, y)), np.zeros((2, 3)))
    agree([("matrices", lambda x, y: p.dot(x, y, "ij,jk->ik"), [x, y]), ("all", lambda x: p.dot(x, x, "ij,ij->"), [x]),
           ("ints", lambda x: p.dot(x, x, "ij,kj->ik"), [x.astype(np.int8)])])  # fmt: skip


@pytest.mark.parametrize(("dtype", "wide"), [("bfloat16", "float32"), ("float16", "float32"), ("float32", "float64")])
def test_derivatives_of_a_product_summed_in_a_wider_dtype(dtype, wide):
    """Cotangents come back in the dtype of the operands, rounded once."""
    rng = np.random.default_rng(0)
    xs = [draw(rng, (3, 4), dtype), draw(rng, (4, 2), dtype)]
    graph = graph_of(lambda x, y: p.dot(x, y, "ij,jk->ik", None, wide), xs)
    halves, _ = reverse.linearize(graph, (True, True))
    back, mask = reverse.backward(graph, (True, True), (True,))
    assert mask == (True, True)
    ct = draw(rng, (3, 2), wide)
    got = host(ir.check(back), [*halves.forward(xs, host(halves.first, xs)), ct])
    x, y = [a.astype(wide) for a in xs]
    for ct_x, want in zip(got, (ct @ y.T, x.T @ ct), strict=True):
        near(ct_x, want.astype(dtypes.canonical(dtype)), 2)


def test_derivatives_through_mixed_conversions():
    rng = np.random.default_rng(0)
    xs = [draw(rng, (3, 4)), draw(rng, (4, 2))]
    wide = np.dtype("complex128")
    fun = lambda x, y: p.dot(convert(x, wide), convert(y, wide), "ij,jk->ik")
    laws(fun, xs, rng)


def test_vmap_until_the_letters_run_out():
    letters = string.ascii_letters
    graph = graph_of(lambda x: p.dot(x, x, f"{letters[:50]},{letters[:50]}->"), [np.ones((1,) * 50)])
    for _ in range(2):
        graph, _ = vmap(graph, 1, (True,))
    with pytest.raises(ValueError, match=r"no letter is left for the mapped axis"):
        vmap(graph, 1, (True,))


# ---- lax ----


def test_dot_general():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(5, 4, 2, 6))
    got = lax.dot_general(x, y, (((3, 2), (0, 1)), ((0,), (2,))))
    near(np.asarray(got), np.einsum("bijk,kjbl->bil", x, y), 16)
    near(np.asarray(lax.dot_general(x, y, (((-1,), (0,)), ((), ())))), np.einsum("bijk,kmnl->bijmnl", x, y), 16)
    near(np.asarray(lax.dot_general(x, x, (((), ()), ((0, 1, 2, 3), (0, 1, 2, 3))))), x * x, 1)
    near(np.asarray(lax.batch_matmul(x, np.swapaxes(x, 2, 3))), x @ np.swapaxes(x, 2, 3), 16)
    v = rng.normal(size=4)
    for a, b in ((v, v), (x[0, 0].T, v), (v, x[0, 0]), (x[0, 0].T, x[0, 0])):
        near(np.asarray(lax.dot(a, b)), np.asarray(np.dot(a, b)), 16)


def test_mixed_dtypes_are_taken_where_the_result_says_which():
    x, y = np.arange(6, dtype=np.int8).reshape(2, 3), np.arange(6, dtype=np.float32).reshape(3, 2)
    near(np.asarray(lax.dot(x, y, preferred_element_type=np.float32)), x.astype("f4") @ y, 4)
    near(np.asarray(lax.dot(x, x.T, preferred_element_type="int32")), x.astype("i4") @ x.T.astype("i4"))
    with pytest.raises(TypeError, match=r"dtypes differ, i8\[2,3\] and f32\[3,2\], at test_prims_contract.py"):
        lax.dot(x, y)


def test_precision_is_told_to_xla():
    """Enumerations and words mean the same; what is the default anyway leaves no trace."""
    x = np.ones((2, 2), np.float32)

    class Other(enum.Enum):  # as another library has it
        HIGHEST = 2

    def said(precision):
        (eqn,) = graph_of(lambda x: lax.dot(x, x, precision=precision), [x]).eqns
        return dict(eqn.params)["precision"]

    for precision in (lax.Precision.HIGHEST, "highest", "float32", Other.HIGHEST, ("highest", lax.Precision.HIGHEST)):
        assert said(precision) == "highest"
    assert said(None) is said("default") is said(lax.Precision.DEFAULT) is None
    assert said(("high", None)) == ("high", "default")
    agree([(str(q), lambda x, q=q: lax.dot(x, x, precision=q), [x]) for q in (None, "high", "highest", ("high", None))])
    text = str(xla_module(lambda x: lax.dot(x, x, precision=("high", "highest")), [x]))
    assert "precision = [HIGH, HIGHEST]" in text


def xla_module(fun, xs):
    return lower(graph_of(fun, xs))[0]


def test_transposed_operands_are_read_in_place():
    rng = np.random.default_rng(0)
    xs = [draw(rng, (2, 3, 4)), draw(rng, (3, 4, 2))]
    fun = lambda x, y: p.dot(transpose(x, (2, 0, 1)), transpose(transpose(y, (1, 2, 0)), (2, 0, 1)), "kij,jkl->il")
    graph = graph_of(fun, xs)
    simple = simplify(graph)
    assert [eqn.prim.name for eqn in simple.eqns] == ["dot"]
    near(host(simple, xs)[0], host(graph, xs)[0], 4)


def test_products_without_sums_are_multiplications():
    """XLA fuses them with what is around, which it does not do with its products of matrices."""
    x = np.ones((2, 3), np.float32)
    for spec in ("ij,ij->ij", "ij,kl->ijkl", "ij,ij->ji"):
        assert "dot_general" not in str(xla_module(lambda x, spec=spec: p.dot(x, x, spec), [x]))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: p.dot(x, x, "ii,jk->ijk"), ValueError, "a letter is repeated"),
        (lambda x: p.dot(x, x, "ij,kl->ik"), ValueError, "two of the three terms"),
        (lambda x: p.dot(x, x, "i,j->ij"), ValueError, "have 2 and 2 axes"),
        (lambda x: p.dot(x, x, "ij,jk->ik"), ValueError, r"sizes disagree between f32\[2,3\] and f32\[2,3\]"),
        (lambda x: p.dot(x, x, "ij,ij->", None, "int32"), TypeError, "cannot be summed as i32"),
        (lambda x: p.dot(x, x, "ij,ij->", None, "float16"), TypeError, "cannot be summed as f16"),
        (lambda x: p.dot(x, x, "ij,ij->", None, "complex64"), TypeError, "cannot be summed as c64"),
        (lambda x: p.dot(x > 0, x > 0, "ij,ij->", None, "float32"), TypeError, "cannot be summed as f32"),
        (lambda x: lax.dot(x, x), ValueError, "do not fit"),
        (lambda x: lax.dot(x[None], x), ValueError, "vectors and matrices"),
        (lambda x: lax.batch_matmul(x, x[None]), ValueError, "with as many axes"),
        (lambda x: lax.dot_general(x, x, (((0,), (0,)), ((0,), (0,)))), ValueError, "both summed over and of the"),
        (lambda x: lax.dot_general(x, x, (((0, 0), (0, 0)), ((), ()))), ValueError, "twice"),
        (lambda x: lax.dot_general(x, x, (((2,), (0,)), ((), ()))), ValueError, "no axis"),
        (lambda x: lax.dot(x, x.T, precision="best"), ValueError, "no precision"),
    ],
)
def test_mistakes_are_told(call, error, text):
    with pytest.raises(error, match=text) as caught:
        call(np.ones((2, 3), np.float32))
    assert "test_prims_contract.py:" in str(caught.value)


def test_more_axes_than_letters():
    x = np.ones((1,) * 30)
    with pytest.raises(ValueError, match="more than there are letters for"):
        lax.dot_general(x, x, (((), ()), ((), ())))
