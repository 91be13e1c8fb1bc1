"""`cond` and `switch`: every transform gives what it gives of the branch that is taken, written out in Python."""

import numpy as np
import pytest
from laws import check_graphs, same

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite import ir, lax, tree
from functorch_lite.control import cond as control
from functorch_lite.control import rows
from functorch_lite.errors import ConcretizationError
from functorch_lite.trace import trace
from functorch_lite.transforms import common, jvp, partition, simplify, transpose, vmap

F64 = fnp.float64
X, W = fnp.array([0.3, -0.7, 1.2], F64), fnp.array([[0.5, -1.0, 0.2], [0.1, 0.7, -0.4], [1.1, 0.3, 0.6]], F64)
XS = fnp.array([[0.3, -0.7, 1.2], [0.4, 0.1, -0.2], [-0.5, 0.9, 0.8], [1.0, 0.6, -1.3]], F64)
ONE = fnp.array(1.0, F64)


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    """Every graph that a pass or a rule makes is type-checked, with the graphs inside it."""
    check_graphs(monkeypatch, rebuild=(common, jvp, transpose, vmap, control, rows), compact=(partition, simplify),
                 rewired=(control,))  # fmt: skip


def staged(f):
    """`f` traced with types only, and recorded in place: what is computed of it is computed by NumPy."""
    return fl.jit(f, inline=True)


# ---- programs: (cond, i, w, x) -> an array; `i` chooses ----


def python_cond(pred, true_fun, false_fun, *operands):
    return true_fun(*operands) if pred else false_fun(*operands)


def python_switch(index, branches, *operands):
    return branches[max(0, min(int(index), len(branches) - 1))](*operands)


PYTHON, LAX = (python_cond, python_switch), (lax.cond, lax.switch)


def plain(ops, i, w, x):
    """Branches of different size, one that returns an operand as it is."""
    y, z = ops[0](i > 0, lambda a, b: (fnp.sin(w @ a) * b, b), lambda a, b: (a, a * b), x, x * 2)
    return fnp.sum(y * z)


def captured(ops, i, w, x):
    """Branches take nothing and close over all, each over something else."""
    v = x * x
    return fnp.sum(ops[0](i == 1, lambda: fnp.exp(w @ v), lambda: v + x)) + v[0]


def constant(ops, i, w, x):
    """A branch that does not depend on what is differentiated, and a result that no branch makes of it."""
    y, z = ops[0](i > 1, lambda x: (fnp.ones(3, F64), fnp.floor(x)), lambda x: (fnp.cos(x), fnp.zeros(3, F64)), x)
    return fnp.sum(w @ y + z)


def several(ops, i, w, x):
    """Trees in and out, integers among them."""

    def branch(k):
        return lambda t: {"y": t["a"] * k + fnp.tanh(t["b"] @ t["a"]), "n": t["n"] + k}

    made = ops[1](i, [branch(k) for k in range(3)], {"a": x, "b": w, "n": i})
    return fnp.sum(made["y"]) * made["n"]


def nested(ops, i, w, x):
    """Three branches deep; the innermost capture values of every level."""
    cond, switch = ops

    def outer(x):
        u = fnp.sin(x)

        def inner(y):
            v = u * y
            return switch(i - 1, [lambda: v * u, lambda: w @ v, lambda: fnp.exp(v) * x])

        return cond(fnp.sum(u) > 0.1, inner, lambda y: y - u, x * 2)

    return fnp.sum(cond(i < 3, outer, lambda x: w @ x, x))


def chained(ops, i, w, x):
    """What one choice makes, the next one is made on."""
    for k in range(3):
        x = ops[0](x[k] * i > 0.2, lambda x: fnp.sin(w @ x), lambda x: x * x, x)
    return x[0] * x[1] + x[2]


PROGRAMS = [plain, captured, constant, several, nested, chained]


def derivatives(f):
    """{name: (w, x) -> a tree of arrays} of a function of (w, x)."""
    along = lambda g: lambda w, x: fl.jvp(g, (w, x), (w * 0.3, x + 1))[1]
    return {
        "value": f,
        "jvp": along(f),
        "grad": fl.grad(f, (0, 1)),
        "vjp": lambda w, x: fl.vjp(f, w, x)[1](ONE),
        "linearize": lambda w, x: fl.linearize(f, w, x)[1](w, x),
        "jvp of grad": along(fl.grad(f, 1)),
        "grad of jvp": fl.grad(along(f), 1),
        "grad of grad": fl.grad(lambda w, x: fnp.sum(fl.grad(f, 1)(w, x) * x), (0, 1)),
        "hessian": fl.hessian(f, 1),
        "jacrev of jacfwd": fl.jacrev(fl.jacfwd(f, 1), 0),
    }


NAMES = list(derivatives(lambda w, x: x[0]))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("index", [0, 1, 3])
def test_derivatives(program, index):
    """Eager, where Python chooses the branch, and staged, where the NumPy executor does."""
    i = fnp.array(index)
    wants = derivatives(lambda w, x: program(PYTHON, i, w, x))
    eager = derivatives(lambda w, x: program(LAX, i, w, x))
    for name, want in wants.items():
        wanted = want(W, X)
        same(eager[name](W, X), wanted)
        hidden = derivatives(staged(lambda w, x: program(LAX, i, w, x)))
        same(hidden[name](W, X), wanted)


@pytest.mark.parametrize(
    "program", [plain, *[pytest.param(p, marks=pytest.mark.slow) for p in PROGRAMS[1:]]], ids=lambda f: f.__name__)
def test_compiled(program):
    """All derivatives in one compiled program, for every index; and derivatives of the compiled function."""
    every = fl.jit(lambda i, w, x: [f(w, x) for f in derivatives(lambda w, x: program(LAX, i, w, x)).values()])
    for index in (0, 2, 3):
        i = fnp.array(index)
        wants = [f(W, X) for f in derivatives(lambda w, x: program(PYTHON, i, w, x)).values()]
        same(every(i, W, X), wants)
    inner = fl.jit(lambda i, w, x: program(LAX, i, w, x))
    same(fl.grad(inner, 2)(fnp.array(1), W, X), fl.grad(lambda x: program(PYTHON, 1, W, x))(X))


def rowwise(f, axes):
    """What `vmap` of `f` means."""

    def rows(*args):
        made = [f(*[x if a is None else x[k] for x, a in zip(args, axes, strict=True)]) for k in range(4)]
        return tree.map(lambda *ys: fnp.stack([fnp.asarray(y) for y in ys]), *made)

    return rows


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("axes", [(0, None, 0), (0, None, None), (None, None, 0), (0, 0, None), (None, 0, 0)], ids=str)
def test_vmap(program, axes):
    """Rows that choose differently, alike, and what is mapped outside of what is differentiated and inside."""
    args = [fnp.array([0, 1, 3, 2]), fnp.stack([W, W.T, W + 1, W * 2]), XS]
    args = [x if a == 0 else x[1] for x, a in zip(args, axes, strict=True)]
    f, g = (lambda i, w, x, ops=ops: program(ops, i, w, x) for ops in (LAX, PYTHON))
    for op in (lambda f: f, lambda f: fl.grad(f, (1, 2)), lambda f: fl.hessian(f, 2)):
        same(fl.vmap(op(f), axes)(*args), rowwise(op(g), axes)(*args))
    total = lambda h: lambda w, x: fnp.sum(h(args[0], w, x))
    got = fl.grad(total(fl.vmap(f, axes)), (0, 1))(*args[1:])
    same(got, fl.grad(total(rowwise(g, axes)), (0, 1))(*args[1:]))


@pytest.mark.parametrize("program", [plain, nested], ids=lambda f: f.__name__)
def test_vmap_compiled(program):
    """A predicate that turns out the same in every row, and one that does not, in one program."""
    f, g = (lambda i, x, ops=ops: program(ops, i, W, x) for ops in (LAX, PYTHON))
    for op in (lambda f: f, lambda f: fl.grad(f, 1)):
        compiled = fl.jit(fl.vmap(op(f)))
        for indices in ([1, 1, 1, 1], [0, 0, 0, 0], [1, 0, 1, 1]):
            i = fnp.array(indices)
            same(compiled(i, XS), rowwise(op(g), (0, 0))(i, XS))


def test_vmap_of_vmap():
    i = fnp.array([1, 0, 2, 1])
    twice = fl.vmap(fl.vmap(lambda i, x: plain(LAX, i, W, x), (None, 0)), (0, None))(i, XS)
    same(twice, fnp.stack([fnp.stack([plain(PYTHON, k, W, x) for x in XS]) for k in i]))


# ---- what is computed ----


def equations(fun, *args):
    """The names of the primitives in the graph of a call, at any depth."""
    graph = fl.make_graph(fun)(*args)
    return [eqn.prim.name for g in (graph, *ir.nested(graph)) for eqn in g.eqns]


def test_a_known_predicate_is_python_control_flow():
    calls = []

    def branch(name):
        def run(x):
            assert float(x) == 2.0  # the value may be looked at
            calls.append(name)
            return x * x

        return run

    def f(x):
        return lax.cond(x > 1, branch("true"), branch("false"), x)

    x = fnp.array(2.0)
    f(x), fl.grad(f)(x), fl.jvp(f, (x,), (x,)), fl.hessian(f)(x)
    assert set(calls) == {"true"}
    mapped = fl.vmap(lambda x, n: lax.switch(n, [lambda x: x, lambda x: -x], x), (0, None))
    same(mapped(X, fnp.array(1)), -X)


def test_branches_not_taken_are_compared_where_they_can_be_traced():
    calls = []
    other = lambda x: calls.append(1) or (x, x)
    for pred in (True, fnp.array(True)):
        error(TypeError, lambda: lax.cond(pred, lambda x: x, other, 1.0), "same tree")
        error(TypeError, lambda: lax.cond(pred, lambda x: x, lambda x: X, 1.0), "all     f64[3]     f32[]")
    once = lambda x: calls.append(1) or x
    calls.clear()
    for i in range(5):
        lax.cond(True, lambda x: x, once, float(i))
    assert len(calls) == 1
    known_only = lambda n: lax.cond(n < 1, lambda: n, lambda: n + known_only(n - 1))
    assert known_only(fnp.array(3)) == 6  # a recursion that ends by known values


def test_known_python_values_choose_under_jit():
    for pred, want in ((True, 1), (np.bool_(False), 2), (3, 1), (0.0, 2)):
        f = fl.jit(lambda x, pred=pred: lax.cond(pred, lambda: x * 1, lambda: x * 2))
        assert float(f(fnp.array(1.0))) == want
        assert "cond" not in equations(lambda x, pred=pred: lax.cond(pred, lambda: x * 1, lambda: x * 2), X)


def test_numbers_that_branches_return_are_arrays():
    got = lax.cond(True, lambda: (1.5, 2, True), lambda: (0.0, 0, False))
    assert all(isinstance(y, fl.Array) for y in got)
    assert [y.dtype for y in got] == [np.float32, np.int32, np.bool_] and got[0].weak_type


def test_one_branch_is_computed_for_rows_that_agree():
    """NaN would come out of a branch that is computed though no row takes it, and be seen by a callback."""
    seen = []

    def watched(x):
        fl.debug.callback(lambda v: seen.append(float(v)), x)
        return fnp.sum(x)

    f = lambda p, x: lax.cond(p, lambda x: watched(x[0]), lambda x: watched(x[1]), x)
    fl.vmap(f)(fnp.array([True] * 4), XS), fl.jit(fl.vmap(f))(fnp.array([False] * 4), XS)
    fl.vmap(f)(fnp.array([True, False, False, True]), XS)
    assert seen == [*map(float, XS[:, 0]), *map(float, XS[:, 1]), *[float(XS[k, int(k in (1, 2))]) for k in range(4)]]


def test_a_mapped_cond_computes_one_branch_as_it_is():
    """The graph for equal rows holds no select."""
    heavy = lambda x: lax.cond(x[0] > 0, lambda x: fnp.sum(fnp.tanh(W @ x)), lambda x: fnp.sum(W @ W @ x), x)
    graph = fl.make_graph(fl.vmap(heavy))(XS)
    (eqn,) = [eqn for eqn in graph.eqns if eqn.prim is control.cond_p]
    first, second, mixed = dict(eqn.params)["branches"]
    names = [{e.prim.name for e in g.eqns} for g in (first, second)]
    assert not names[0] & {"select", "cond"} and not names[1] & {"select", "cond"}
    assert [e.prim.name for e in mixed.eqns].count("cond") == 2
    assert sum(len(g.eqns) for g in (graph, *ir.nested(graph))) < 80


def test_code_grows_linearly_with_depth():
    def nest(depth, x):
        if depth == 0:
            return fnp.sum(fnp.tanh(W @ x)) * x
        return lax.cond(x[depth % 3] > 0, lambda x: nest(depth - 1, x), lambda x: W @ x, x)

    def size(depth):
        graph = fl.make_graph(fl.vmap(lambda x: nest(depth, x)))(XS)
        return sum(len(g.eqns) for g in (graph, *ir.nested(graph)))

    sizes = [size(d) for d in (2, 4, 6)]
    assert sizes[2] - sizes[1] <= 1.5 * (sizes[1] - sizes[0])


@pytest.mark.parametrize("op", [lambda f: f, fl.grad, lambda f: lambda x: fl.jvp(fl.grad(f), (x,), (ONE,))[1]])
@pytest.mark.parametrize("compile", [False, True])
def test_rows_elsewhere_do_no_harm(op, compile):
    """A branch is not computed where it has no derivative, or would not end."""
    jit = fl.jit if compile else (lambda f: f)
    xs = fnp.array([4.0, 0.0, -1.0, 2.0], F64)
    root = lambda x: lax.cond(x > 0, lambda x: fnp.sqrt(x) * fnp.log(x), lambda x: x * 3.0, x)
    roots = lambda x: lax.cond(x > 0, lambda x: fnp.sum(fnp.log(W * W * x)), lambda x: x * 3.0, x)
    endless = lambda x: lax.cond(
        x > 0, lambda x: lax.while_loop(lambda v: v < 50.0, lambda v: v * (1 + x), 1.0 + x), lambda x: x * 3.0, x)
    for f in (root, roots, endless):
        with np.errstate(all="raise"):
            same(jit(fl.vmap(op(f)))(xs), fnp.stack([op(f)(x) for x in xs]))
        if op is fl.grad:
            got = jit(fl.grad(lambda xs, f=f: fnp.sum(fl.vmap(f)(xs))))(xs)
            same(got, fnp.stack([fl.grad(f)(x) for x in xs]))


def test_linear_branches_have_transposes():
    f = lambda p, x: lax.cond(p, lambda x: W @ x, lambda x: x * 2, x)
    p = fnp.array([True, False, False, True])
    (got,) = fl.linear_transpose(lambda xs: fl.vmap(f)(p, xs), XS)(XS)
    same(got, fnp.stack([W.T @ x if take else x * 2 for take, x in zip(p, XS)]))


def test_no_row_takes_a_branch():
    f = lambda x: lax.switch(fnp.int32(x[0] > 9) * 2, [lambda x: fnp.sum(W @ x), lambda x: fnp.sum(fnp.log(x - 9)),
                                                       lambda x: fnp.sum(x)], x)  # fmt: skip
    same(fl.jit(fl.vmap(fl.grad(f)))(XS), fnp.stack([fl.grad(lambda x: fnp.sum(W @ x))(x) for x in XS]))


def test_an_empty_batch():
    f = lambda x: lax.cond(x[0] > 0, lambda x: fnp.sum(W @ x), lambda x: fnp.max(x), x)
    assert fl.vmap(f)(XS[:0]).shape == (0,) and fl.vmap(fl.grad(f))(XS[:0]).shape == (0, 3)


# ---- what is saved, and what is dropped ----


def branches_of(graph):
    return [dict(eqn.params)["branches"] for eqn in graph.eqns if eqn.prim is control.cond_p]


def test_residuals_of_branches_share_their_place():
    """Two branches that save two arrays each save two in all; inputs are handed over, not saved."""
    big = fnp.ones(1000)
    f = lambda i, x: fnp.sum(lax.switch(i, [lambda x: fnp.exp(fnp.sin(x)), lambda x: fnp.tanh(fnp.exp(x))], x) * x)
    graph = trace(lambda i, x: [f(i, x)], [fnp.int32(0).type, big.type], transform="t").graph
    halves, _ = fl.transforms.reverse.linearize(graph, (False, True))
    first = branches_of(halves.first)[0]
    assert len(first[0].outs) <= 1 + 3 and all(t.shape == (1000,) for t in first[0].out_types)
    assert [b.out_types for b in first] == [first[0].out_types] * 2
    matrix = lambda i, w, x: fnp.sum(lax.cond(i > 0, lambda: w @ x, lambda: x))
    graph = trace(lambda i, w, x: [matrix(i, w, x)], [fnp.int32(0).type, W.type, X.type], transform="t").graph
    halves, _ = fl.transforms.reverse.linearize(graph, (False, True, True))
    assert all(t.shape != (3, 3) for t in halves.first.out_types)


def test_what_nothing_needs_is_dropped():
    def f(i, x, y):
        a, _ = lax.cond(i > 0, lambda: (fnp.sin(x), fnp.exp(y)), lambda: (x * 2, y))
        return a

    graph = fl.make_graph(f)(fnp.array(1), X, X)
    ((first, second),) = branches_of(graph)
    assert len(first.outs) == 1 and len(first.ins) == 1 and "exp" not in str(graph)
    assert [e.prim.name for g in (first, second) for e in g.eqns] == ["mul", "sin"]


def test_zero_tangents_stay_absent():
    """A result on which no derivative depends has no tangent, and operands that are not reached no cotangent."""
    f = lambda i, x, y: lax.cond(i > 0, lambda: (x * 2, fnp.floor(y)), lambda: (fnp.sin(x), y * 0 + 1))
    graph = trace(lambda i, x, y: list(f(i, x, y)), [fnp.int32(0).type, X.type, X.type], transform="t").graph
    made, mask = fl.transforms.jvp.jvp(graph, (False, True, False))
    assert mask == (True, False) and len(branches_of(made)[-1][0].outs) == 3


def test_effects_act_once_for_the_branch_taken():
    log = []

    def branch(name):
        def run(x):
            fl.debug.callback(lambda v: log.append((name, round(float(v), 3))), x[0])
            return fnp.sum(fnp.sin(x))

        return run

    f = lambda i, x: lax.cond(i > 0, branch("a"), branch("b"), x)
    hvp = lambda g: lambda i, x: fl.jvp(lambda x: fl.grad(g, 1)(i, x), (x,), (x,))
    ops = [lambda g: g, lambda g: fl.grad(g, 1), hvp]
    for op in [*ops, *[lambda g, op=op: fl.jit(op(g)) for op in ops]]:
        log.clear()
        np.asarray(op(f)(fnp.array(1), X))
        assert log == [("a", 0.3)], op
    log.clear()
    fl.vmap(fl.grad(f, 1))(fnp.array([1, 0, 1, 0]), XS)
    assert log == [("a", 0.3), ("b", 0.4), ("a", -0.5), ("b", 1.0)]


# ---- arguments ----


def test_positions_are_clamped():
    branches = [lambda: 10, lambda: 20, lambda: 30]
    for dtype in ("int8", "uint8", "int32", "int64", "uint32"):
        f = fl.jit(lambda i: lax.switch(i, branches))
        for i, want in ((0, 10), (2, 30), (9, 30), (120, 30)):
            assert int(f(fnp.array(i, dtype))) == int(lax.switch(fnp.array(i, dtype), branches)) == want
    assert int(lax.switch(-5, branches)) == int(fl.jit(lambda i: lax.switch(i, branches))(fnp.array(-5))) == 10
    assert int(lax.switch(np.int64(7), branches[:1])) == 10


def test_other_spellings():
    x = fnp.array(2.0)
    assert float(lax.cond(True, x, lambda a: a + 1, x, lambda b: b * 5)) == 3.0
    assert float(fl.jit(lambda p: lax.cond(p, x, lambda a: a + 1, x, lambda b: b * 5))(False)) == 10.0
    assert float(lax.cond(True, lambda a: a + 1, lambda b: b * 5, operand=x)) == 3.0
    assert lax.cond(False, lambda _: 1, lambda _: 2, None).dtype == np.int32
    assert float(lax.switch(1, [lambda a: a, lambda a: a * 2], operand=x)) == 4.0


def test_numbers_take_the_dtype_of_the_other_branch():
    f = fl.jit(lambda p, x: lax.cond(p, lambda: x, lambda: 0.0))
    got = f(True, fnp.array(1.5, F64))
    assert got.dtype == np.float64 and not got.weak_type
    assert fl.jit(lambda p: lax.cond(p, lambda: 1, lambda: 2.0))(True).weak_type


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16", "bfloat16", "complex64"])
def test_dtypes(dtype):
    x = fnp.ones((2,), dtype)
    f = lambda p, x: lax.cond(p, lambda x: (x, x | x if dtype == "bool" else x + x), lambda x: (x, x), x)
    for p in (True, False):
        same(fl.jit(f)(fnp.array(p), x), f(p, x))
        same(fl.vmap(f)(fnp.array([p, not p]), x), fl.jit(fl.vmap(f))(fnp.array([p, not p]), x))


def test_complex_derivatives():
    z = fnp.array([1 + 2j, 0.5 - 1j])
    f = lambda p, z: lax.cond(p, lambda z: fnp.sum(fnp.abs(z) ** 2), lambda z: fnp.real(fnp.sum(z * z)), z)
    for p in (True, False):
        same(fl.jit(fl.grad(f, 1))(fnp.array(p), z), fl.grad(f, 1)(p, z), 1e-6)


def test_tracers_of_outer_frames():
    def f(x):
        inner = fl.jit(lambda y: lax.cond(fnp.sum(y) > 0, lambda: x * y, lambda: x - y))
        return fnp.sum(fl.vmap(lambda r: inner(r) * lax.cond(r[0] > 0.35, lambda: x, lambda: r))(XS))

    def want(x):
        rows = [(x * r if np.sum(np.asarray(r)) > 0 else x - r) * (x if float(r[0]) > 0.35 else r) for r in XS]
        return fnp.sum(fnp.stack(rows))

    same(fl.grad(f)(X), fl.grad(want)(X))
    same(fl.jit(fl.hessian(f))(X), fl.hessian(want)(X))


def error(kind, fun, *parts):
    with pytest.raises(kind) as caught:
        fun()
    message = str(caught.value)
    assert "test_cond.py:" in message, message
    for part in parts:
        assert part in message, message


def test_errors():
    p, x = fnp.array(True), fnp.array(1.0)
    jitted = lambda *args: fl.jit(lambda p: lax.cond(p, *args))(p)
    error(TypeError, lambda: jitted(lambda: (x, {"a": x}), lambda: (x, {"b": x})), "same tree", "false_fun", "'a'")
    error(TypeError, lambda: jitted(lambda: {"a": x, "b": x}, lambda: {"a": X, "b": x}), "shapes and dtypes",
          "  result  false_fun  true_fun\n  ['a']   f64[3]     f32[]")
    error(TypeError, lambda: jitted(lambda: fnp.int32(1), lambda: x), "all     f32[]      i32[]")
    error(TypeError, lambda: jitted(lambda: "text", lambda: x), "str")
    error(TypeError, lambda: lax.cond(X, lambda: x, lambda: x), "one boolean", "f64[3]")
    error(TypeError, lambda: lax.cond("yes", lambda: x, lambda: x), "one boolean", "str")
    error(TypeError, lambda: lax.cond(p, 3, lambda: x), "takes a function", "int")
    error(TypeError, lambda: lax.cond(p, lambda y: y, lambda y: y, "text"), "str")
    error(TypeError, lambda: jitted(lambda y: y, lambda y: y, "text"), "str")
    error(TypeError, lambda: lax.switch(1.5, [lambda: x]), "one integer", "f32[]")
    error(TypeError, lambda: lax.switch(X > 0, [lambda: x]), "one integer", "bool[3]")
    error(ValueError, lambda: lax.switch(0, []), "no branches")
    looking = fl.vmap(lambda p, x: lax.cond(p, lambda x: x if x > 0 else -x, lambda x: x, x))
    error(ConcretizationError, lambda: looking(X > 0, X), "`cond` of `<lambda>` traces with types only")


def test_tracers_do_not_leak():
    kept = []
    fl.jit(lambda p, x: lax.cond(p, lambda: kept.append(x * 2) or x, lambda: x))(True, fnp.array(1.0))
    with pytest.raises(fl.LeakedTracerError, match="cond"):
        kept[0] + 1
