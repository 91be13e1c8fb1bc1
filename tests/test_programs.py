"""Drawn programs: they are their source, they are what Python computes, every primitive is in some, and they shrink."""

import random
import re

import numpy as np
import pytest
from hypothesis import find, given, settings

import functorch_lite as fl
from functorch_lite import ir
from functorch_lite.errors import DtypeError
from functorch_lite.testing import differential
from functorch_lite.testing.choices import Recorded, Seeded, smaller
from functorch_lite.testing.examples import DERIVED, EXAMPLES, INTERNAL
from functorch_lite.testing.programs import Program, draw, plan, seeded, shrunk
from functorch_lite.testing.strategies import programs

CONSTRUCTS = {"jvp", "vjp", "grad", "vmap", "pmap"}  # examples that are transforms, not primitives


def near(got, want, tol=1e-8):
    got, want = (x if isinstance(x, tuple) else (x,) for x in (got, want))
    for a, b in zip(got, want, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)


# ---- what a program is ----


@settings(max_examples=50)
@given(programs())
def test_programs_give_what_python_gives(p):
    """Loops, branches, maps, collectives and rules: run by Python one by one, and as they are written."""
    near(p(*p.args), p.expected)


@settings(max_examples=25)
@given(programs(kinds="fibc", smooth=False, inputs="fi"))
def test_programs_of_all_kinds_of_numbers(p):
    near(p(*p.args), p.expected)


@settings(max_examples=25)
@given(programs())
def test_the_printed_program_is_the_program(p):
    space = {}
    exec(repr(p), space)
    near(space["program"](*space["args"]), p(*p.args), 0)
    imports = [line for line in repr(p).splitlines() if "import" in line]
    modules = ["import functorch_lite as fl", "import functorch_lite.numpy as fnp", "from functorch_lite import lax"]
    assert imports == modules
    assert 0 <= p.equations <= 12


@settings(max_examples=25)
@given(programs(scalar=True, args=(2, 2)))
def test_scalar_programs_have_gradients(p):
    assert len(p.args) == 2 and p.argnums == (0, 1)
    y, gradient = fl.value_and_grad(p, p.argnums)(*p.args)
    assert y.shape == () and all(np.all(np.isfinite(g)) for g in gradient)


@settings(max_examples=25)
@given(programs(control_flow=False, dtype="float32", only=("sin", "mul", "dot")))
def test_what_is_asked_for_is_what_is_there(p):
    assert p.names <= {"sin", "mul", "dot", "constant"} and all(x.dtype == np.float32 for x in p.args)
    assert "def f1" not in p.source


def test_a_program_replays_from_its_decisions():
    for seed in range(20):
        p = seeded(seed, plan())
        assert seeded(seed, plan()).source == p.source == draw(Recorded(p.record), p.plan).source


@pytest.mark.slow
def test_the_executors_agree():
    """Values, gradients, second derivatives and transforms around them, by NumPy and compiled by XLA."""
    cases = [differential.case(seed, plan(scalar=True)) for seed in range(24)]
    assert {len(c.chain) for c in cases} >= {0, 1, 2}
    hosts, compiled = differential.on_host(cases), differential.compiled(cases)
    for case, got, want in zip(cases, compiled, hosts, strict=True):
        assert differential.apart(got, want) <= max(1e-9, differential.shaken(case)), case


def test_how_far_results_are_apart():
    one, nan = np.ones(2), np.array([1.0, np.nan])
    assert differential.apart([one], [one]) == 0 and differential.apart([nan], [nan]) == 0
    assert differential.apart([one * 200], [one * 100]) == 1 and differential.apart([nan], [one]) == np.inf
    assert differential.apart([one], [np.ones(3)]) == differential.apart([one], [one.astype("float32")]) == np.inf


# ---- the table of examples ----


@pytest.fixture
def recorded(monkeypatch):
    """(name, call) -> whether the graph that the call returns holds a primitive, or its rules were used for it."""

    def found(name, call):
        prim, seen = ir.PRIMITIVES[name], []
        with monkeypatch.context() as patch:
            for slot in ("vmap", "jvp", "transpose"):
                if callable(rule := getattr(prim, slot)):
                    told = lambda *args, rule=rule, **params: (seen.append(name), rule(*args, **params))[1]
                    patch.setattr(prim, slot, told)
            fl.clear_caches()
            graph = call()
        return bool(seen) or name in {eqn.prim.name for g in (graph, *ir.nested(graph)) for eqn in g.eqns}

    return found


def drawn_with(name, **options):
    """Programs in which this example is, with what it needs: booleans, integers, complex numbers, a mapped axis."""
    helpers = ("sin", "mul", "gt", "convert", "lt", "complex", "broadcast", "reshape", "vmap", "add")
    chosen = plan(only=(name, *helpers), kinds="fibc", smooth=False, max_eqns=8, **options)
    return (p for seed in range(2000) if name in (p := seeded(seed, chosen)).names)


def test_every_primitive_has_an_example():
    assert set(EXAMPLES) - CONSTRUCTS - set(ir.PRIMITIVES) == set()
    assert set(ir.PRIMITIVES) - set(EXAMPLES) - set(DERIVED) - set(INTERNAL) == set()


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - CONSTRUCTS - set(DERIVED)))
def test_the_example_of_a_primitive_holds_it(name, recorded):
    for p in drawn_with(name):
        near(p(*p.args), p.expected)
        if recorded(name, lambda p=p: fl.make_graph(p.function)(*p.args)):
            return
    raise AssertionError(f"no program with the example of {name} holds it")


TRANSFORMED = {
    "graph": lambda p: fl.make_graph(p.function)(*p.args),
    "grad": lambda p: fl.make_graph(fl.grad(p.function, p.argnums))(*p.args),
    "jvp": lambda p: fl.make_graph(lambda *xs: fl.jvp(p.function, xs, xs))(*p.args),
    "vmap": lambda p: fl.make_graph(fl.vmap(p.function))(*[np.asarray(x)[None] for x in p.args]),
}


@pytest.mark.parametrize("name", DERIVED)
def test_what_makes_the_other_primitives(name, recorded):
    example, transform = DERIVED[name]
    found = drawn_with(example, scalar=True)
    assert any(recorded(name, lambda p=p: TRANSFORMED[transform](p)) for p in found)


# ---- shrinking ----


@pytest.mark.slow
def test_hypothesis_finds_the_fewest_equations():
    quiet = {"settings": settings(max_examples=1000, database=None), "random": random.Random(1)}
    p = find(programs(control_flow=False), lambda p: "tanh" in p.names and len(p.names) > 2, **quiet)
    assert p.equations == 3 and len(p.args) == 1


@pytest.mark.parametrize("names", [{"cond", "dot"}, {"scan", "reduce_sum"}], ids=["cond", "scan"])
def test_a_seeded_program_shrinks_without_hypothesis(names):
    chosen = plan()
    start = next(p for s in range(2000) if names <= (p := seeded(s, chosen)).names and p.equations > 6)
    p = shrunk(start, lambda p: names <= p.names)
    assert p.equations <= 5 and names <= p.names


def test_smaller_records():
    has = lambda record: len(record) if 7 in record else None
    assert smaller([3, 9, 7, 1, 4], has) == [7]
    assert smaller([0, 0], lambda r: len(r) if len(r) > 1 else None) == [0, 0]
    assert Seeded(1).integer(0) == 0 and Recorded([9]).integer(3) == 3


# ---- what cannot be asked for ----


@pytest.mark.parametrize(("error", "message", "options"), [
    (ValueError, "max_eqns is 0", {"max_eqns": 0}),
    (ValueError, "depth is 0", {"depth": 0}),
    (ValueError, "every is 2.5", {"every": 2.5}),
    (ValueError, "args is 9", {"args": 9}),
    (ValueError, r"args is \(3, 1\)", {"args": (3, 1)}),
    (DtypeError, "it is the dtype of floats", {"dtype": "int32"}),
    (ValueError, "'nope' is no primitive with an example", {"only": ("nope",)}),
    (ValueError, "no operations are left", {"only": ("sin",), "without": ("sin",)}),
    (ValueError, "no operations are left of .* and no control flow", {"only": ("cond",), "control_flow": False}),
    (TypeError, "only is 'sin'; give a tuple of names", {"only": "sin"}),
    (ValueError, "inputs is 'c'", {"inputs": "c"}),
    (ValueError, "kinds is 'q'", {"kinds": "q"}),
])  # fmt: skip
def test_programs_that_cannot_be_drawn(error, message, options):
    with pytest.raises(error, match=message) as caught:
        programs(**options)
    assert "\n" not in str(caught.value) and re.match("programs: ", str(caught.value))


def test_a_program_is_small_to_draw():
    """Types come from the examples of values: nothing is traced while a program is drawn."""
    assert isinstance(seeded(0, plan()), Program)
    before = fl.cache_sizes()
    for seed in range(20):
        seeded(seed, plan(control_flow=False, without=("linear_solve", "root")))
    assert fl.cache_sizes()["jit traces"] == before["jit traces"] and fl.cache_sizes()["jvp"] == before["jvp"]
