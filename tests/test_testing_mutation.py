"""The mutation harness: mistakes are made and taken back, the laws find them, and what they leave is said."""

import os
import subprocess
import sys

import numpy as np
import pytest

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.ir import PRIMITIVES
from functorch_lite.testing import laws
from functorch_lite.testing.mutation import cases, judge, pool, records, run, swap
from functorch_lite.testing.mutation.__main__ import main, selection

X = np.array([0.3, 0.7, 1.2])
MODULES = ["functorch_lite.prims.elementwise", "functorch_lite.transforms.jvp"]


@pytest.fixture(scope="module")
def sources():
    return swap.sources(MODULES)


def site(sources, module, text):
    found = [s for s in sources[module].sites(passes="transforms" in module) if s.mutation.text == text]
    assert found, text
    return found[0]


@pytest.mark.parametrize("text, law, f", [
    ("cos(x) -> sin(x)", "jvp", fnp.sin),
    ("neg(mul(t, sin(x))) -> mul(t, sin(x))", "vjp", fnp.cos),
    ("mul(t, y) -> t", "jvp", fnp.exp),
    ("y -> x", "jvp", fnp.tanh),
])  # fmt: skip
def test_a_changed_rule_is_found_and_taken_back(sources, text, law, f):
    forget = judge.forgetter(MODULES)
    laws.LAWS[law](f, X)
    lines = sources[MODULES[0]].text.splitlines()
    changed = next(s for s in sources[MODULES[0]].sites(passes=False)
                   if s.mutation.text == text and f'"{f.__name__}"' in lines[s.mutation.line - 1])  # fmt: skip
    with swap.Swapped(sources[MODULES[0]], changed, forget):
        with pytest.raises(laws.LawError):
            laws.LAWS[law](f, X)
    laws.LAWS[law](f, X)


def test_a_changed_pass_is_found(sources):
    changed = site(sources, MODULES[1], "add(total, part) -> total")
    with swap.Swapped(sources[MODULES[1]], changed, judge.forgetter(MODULES)):
        with pytest.raises(laws.LawError):
            laws.jvp(lambda x: x * fnp.sin(x), X)
    laws.jvp(lambda x: x * fnp.sin(x), X)


@pytest.mark.parametrize("name, rule, position, kind", [
    ("sin", "jvp", 0, "sign"),
    ("mul", "jvp", 1, "term"),
    ("mul", "jvp", 0, "factor"),
    ("mul", "transpose", -1, "sign"),
    ("mul", "vmap", -1, "batching"),
    ("reduce_sum", "vmap", -1, "axis"),
    ("transpose", "transpose", -1, "term"),
    ("scan", "jvp", -1, "sign"),
    ("max", "jvp", -1, "sign"),
])
def test_a_record_with_a_mistake_is_found(name, rule, position, kind):
    site = records.RecordSite(name, rule, position, kind)
    assert site in records.sites() and name in site.place
    before = getattr(PRIMITIVES[name], rule)

    def f(w, x):
        y, _ = fl.lax.scan(lambda c, r: (fnp.maximum(fnp.sin(c * r), -2 + c), c), x, w)
        return fnp.sum(fnp.transpose(w * x) * y, 0)

    args = np.array([[0.5, 0.1, 0.2], [0.1, 0.7, 0.4], [1.1, 0.3, 0.6]]), X
    with records.Wrong(site, judge.forgetter(MODULES)):
        with pytest.raises((laws.LawError, TypeError, ValueError, AssertionError)):
            laws.all(f, *args, compiled=False)
    assert getattr(PRIMITIVES[name], rule) is before
    laws.all(f, *args, compiled=False)


def test_every_case_is_there_once_and_reaches_its_rules():
    names = [case.name for case in cases.CASES]
    assert len(names) == len(set(names)) > 350
    mul = next(k for k, name in enumerate(names) if name == "mul")
    modules = judge.modules()
    found = judge.reach([mul], judge.forgetter(modules), judge.by_file(modules))
    assert not found.failing
    assert {t.law for t in found.tries["mul", "jvp", 1]} >= {"jvp", "vjp", "adjoint"}
    assert ("sin", "jvp", 0) not in found.tries


def quitting(at):
    """Work that ends the process at one item."""
    return lambda k: os._exit(3) if k == at else 10 * k


def test_a_process_that_ends_is_replaced():
    assert dict(pool.spread(quitting, (2,), range(5), 2)) == {0: 0, 1: 10, 2: None, 3: 30, 4: 40}


def test_which_mutants_are_selected(tmp_path):
    verdicts = tmp_path / "verdicts.json"
    verdicts.write_text('[{"place": "prims/a.py:7 f", "text": "x -> y", "found": null},'
                        ' {"place": "prims/b.py:9 g", "text": "x -> y", "found": "vmap"}]')  # fmt: skip
    only = selection(["prims/a"], None)
    assert only("prims/a.py:8 f", "any") and not only("prims/b.py:1 g", "any")
    again = selection(None, str(verdicts))
    assert again("prims/a.py:12 f", "x -> y") and not again("prims/a.py:7 f", "x -> z")
    assert not again("prims/b.py:9 g", "x -> y")


def test_what_is_left_out():
    assert run.left_out("functorch_lite.transforms.budget", "anything")
    assert run.left_out("functorch_lite.control.scan", "normal")
    assert not run.left_out("functorch_lite.control.scan", "_jvp")
    assert not run.left_out("functorch_lite.prims.elementwise", "_jvp_abs")


@pytest.mark.slow
def test_a_run_reports_what_was_found(tmp_path):
    command = [sys.executable, "-m", "functorch_lite.testing.mutation", "--only", "activation", "--processes", "1",
               "--json", str(tmp_path / "verdicts.json"), "--at-least", "50"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mutants found" in done.stdout and (tmp_path / "verdicts.json").exists()


def test_arguments():
    with pytest.raises(SystemExit):
        main(["--profile", "thorough"])
