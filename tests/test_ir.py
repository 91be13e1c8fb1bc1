"""Graphs are values: equality, literals, interning, printing, the checker."""

import copy
import pickle

import numpy as np
import pytest

from functorch_lite import ir
from functorch_lite.control.call import call
from functorch_lite.ir import array_type, check, intern, literal
from functorch_lite.prims.contract import dot
from functorch_lite.prims.elementwise import add, convert, exp, mul, sin
from functorch_lite.prims.shape import full, reduce_sum
from functorch_lite.trace import bind, trace
from functorch_lite.transforms import jvp, partition, reverse, simplify, transpose, vmap

F64 = np.dtype(np.float64)
X = array_type((3,), F64)


def graph_of(fun, *types):
    return check(trace(fun, types or (X,), transform="test").graph)


def test_types_are_interned():
    assert array_type((3,), F64) is X and array_type((3,), F64, True) is not X
    assert str(X) == "f64[3]" and str(array_type((), np.dtype(np.int32))) == "i32[]"
    assert pickle.loads(pickle.dumps(X)) is X and copy.deepcopy(X) is X


def test_equal_programs_are_equal_graphs():
    f = graph_of(lambda x: [reduce_sum(mul(sin(x), x), (0,))])
    g = graph_of(lambda y: [reduce_sum(mul(sin(y), y), (0,))])
    assert f == g and hash(f) == hash(g) and f is not g
    assert intern(f) is intern(g)


SCALARS = [0.0, -0.0, 1, 1.0, True, False, 0, float("nan"), float("inf"), -float("inf"), 1j,
           complex(0.0, -0.0), complex(0, 0)]  # fmt: skip


@pytest.mark.parametrize("a", SCALARS, ids=repr)
@pytest.mark.parametrize("b", SCALARS, ids=repr)
def test_literals_compare_by_kind_and_bits(a, b):
    """x * -0.0 is not x * 0.0, full(True) not full(1), and nan is equal to itself."""
    dtype = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}
    make = lambda v: graph_of(lambda x: [full((2,), v, dtype[type(v)])])
    same = type(a) is type(b) and np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert (make(a) == make(b)) == same
    in_operand = lambda v: graph_of(lambda x: [mul(convert(x, np.dtype(np.complex128)), v)])
    value = lambda v: np.asarray(v, np.complex128).tobytes()
    assert (in_operand(a) == in_operand(b)) == (value(complex(a)) == value(complex(b)))


def test_literals_that_do_not_fit_are_refused():
    i8 = array_type((2,), np.dtype(np.int8))
    with pytest.raises(OverflowError, match=r"mul: 1000 does not fit i8, .*test_ir.py:\d+"):
        graph_of(lambda x: [mul(x, 1000)], i8)
    with pytest.raises(TypeError, match=r"mul: 1.5 is no value of i8.*test_ir.py:\d+"):
        graph_of(lambda x: [mul(x, 1.5)], i8)
    assert literal(2, F64) is literal(2.0, F64)


def test_parameters_are_values():
    with pytest.raises(TypeError, match="`axes` holds a ndarray"):
        graph_of(lambda x: [bind(ir.PRIMITIVES["reduce_sum"], x, axes=(np.zeros(2),))])
    with pytest.raises(TypeError, match=r"takes the parameters \('axes',\)"):
        graph_of(lambda x: [bind(ir.PRIMITIVES["reduce_sum"], x, axis=0)])
    with pytest.raises(ValueError, match="exists already"):
        ir.Primitive("sin", infer=None, jvp=(), vmap=None)


def test_print():
    graph = graph_of(lambda x: [reduce_sum(mul(sin(x), 2.0), (0,))])
    lines = [line.split("#")[0].rstrip() for line in str(graph).splitlines()]
    assert lines == [
        "graph(a:f64[3]):", "  b:f64[3] = sin a", "  c:f64[3] = mul b 2.0", "  d:f64[] = reduce_sum c axes=(0,)",
        "  return d"]  # fmt: skip
    assert "# test_ir.py:" in str(graph)
    html = graph._repr_html_()
    assert html.count("<tr>") == 4 and "reduce_sum c axes=(0,)" in html


def test_nested_graphs_print_once():
    inner = graph_of(lambda x: [sin(x)])
    text = str(graph_of(lambda x: [add(call(inner, [x], "f")[0], call(inner, [x], "f")[0])]))
    assert text.count("graph0(") == 1 and text.count("graph=graph0") == 2


def test_check_refuses_malformed_graphs():
    good = graph_of(lambda x: [sin(x)])
    wrong_type = ir.Graph((X, array_type((4,), F64)), good.ins, good.eqns, good.outs, good.sources)
    with pytest.raises(AssertionError, match="rule"):
        check(wrong_type)
    early = good.eqns[0]._replace(ins=(1,))
    with pytest.raises(AssertionError, match="too early"):
        check(ir.Graph(good.types, good.ins, (early,), good.outs, good.sources))


def test_graphs_pickle():
    graph = graph_of(lambda x: [reduce_sum(mul(sin(x), -0.0), (0,))])
    again = pickle.loads(pickle.dumps(graph))
    assert again == graph and check(again) == graph


def test_dce_is_tracing_without():
    assert simplify.dce(graph_of(lambda x: [sin(x), exp(x)][:1])) == graph_of(lambda x: [sin(x)])
    f = graph_of(lambda x: [sin(x), exp(sin(x))])
    assert simplify.dce(ir.compact(f.types, f.ins, f.eqns, f.outs[:1], f.sources)) == graph_of(lambda x: [sin(x)])


def nest(depth):
    """Each level calls the level below twice, built anew each time."""
    if depth == 0:
        return graph_of(lambda x: [sin(x)])
    below = nest(depth - 1)
    return graph_of(lambda x: [mul(call(below, [x], "f")[0], call(below, [x], "f")[0])])


def test_shared_graphs_are_visited_once():
    """Equality, hashing, every pass, check and print are linear in the distinct graphs, not in the paths to them."""
    a, b = nest(40), nest(40)  # two to the fortieth paths: whoever follows them all does not end
    assert a == b and hash(a) == hash(b)
    check(a)
    str(a)
    both, _ = jvp.jvp(a, (True,))
    vmap.vmap(a, 3, (True,))
    halves = partition.partition(both, (True, False))
    transpose.transpose(halves.second, (*[False] * (len(halves.second.ins) - 1), True), (True,))
    simplify.simplify(both)


def test_deep_nesting_is_a_sentence():
    graph = graph_of(lambda x: [sin(x)])
    for _ in range(130):
        inner = graph
        graph = graph_of(lambda x: call(inner, [x], "f"))
    with pytest.raises(RecursionError, match="nested deeper than 100 calls"):
        reverse.linearize(graph, (True,))


def test_dot_refuses_specs_it_does_not_hold():
    m = array_type((3, 3), F64)
    with pytest.raises(ValueError, match="repeated in one term"):
        graph_of(lambda x: [dot(x, x, "ii,jk->jk")], m)
    with pytest.raises(ValueError, match="two of the three terms"):
        graph_of(lambda x: [dot(x, x, "ij,kl->jl")], m)


def test_tables_hold_nothing_alive():
    before = ir.table_sizes()["literals"]
    for k in range(10_000):
        literal(k + 0.125, F64)
    assert ir.table_sizes()["literals"] - before < 5_000  # the most recent ones are kept at hand
