"""The structure of the package: imports go down, files stay readable, and the mirrors are complete."""

import ast
import pathlib
import subprocess
import sys

import pytest

import functorch_lite
from functorch_lite.ir import PRIMITIVES
from functorch_lite.xla import compile as _registers_lowerings  # noqa: F401
from functorch_lite.xla.module import LOWERINGS

ROOT = pathlib.Path(functorch_lite.__file__).parent
# From the ground up; a module imports only from lower floors, or from its own folder.
FLOORS = [
    "errors", "config", "dtypes", "nodes", "tree", "tree_util", "singles", "ir", "source", "bulk", "stack", "silent",
    "values", "snapshot", "axes", "trace", "prims", "transforms", "control", "array", "typing", "host", "xla", "api",
    "lax", "numpy", "random", "nn", "flatten_util", "debug", "custom_batching", "custom_derivatives", "ad_checkpoint",
    "checks", "progress", "extend", "testing", "__init__",
]  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))


def floor_of(parts):
    return FLOORS.index(parts[0]) if parts else FLOORS.index("__init__")


def module_parts(path):
    return path.relative_to(ROOT).with_suffix("").parts


@pytest.mark.parametrize("path", FILES, ids=lambda p: "/".join(module_parts(p)))
def test_imports_go_down(path):
    here = module_parts(path)
    source = ast.parse(path.read_text())
    for node in ast.walk(source):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
            names = [f"{node.module}.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        for name in names:
            parts = name.split(".")
            assert parts[0] != "jax", f"{path.name}:{node.lineno} imports jax"
            if parts[0] != "functorch_lite":
                continue
            if len(parts) > 1 and parts[1] in FLOORS:
                same_folder = parts[1] == here[0]
                where = f"{'/'.join(here)}:{node.lineno}"
                assert same_folder or floor_of(parts[1:]) < floor_of(here), f"{where} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: "/".join(module_parts(p)))
def test_no_import_inside_functions(path):
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, (ast.FunctionDef, ast.Lambda)):
            for node in ast.walk(function):
                assert not isinstance(node, (ast.Import, ast.ImportFrom)), f"{path.name}:{node.lineno}"


def test_files_stay_readable():
    long = {"/".join(module_parts(p)): n for p in FILES if (n := p.read_text().count("\n")) > 600}
    assert not long, f"cut these: {long}"


def test_every_primitive_has_a_host_function_and_a_lowering():
    # a collective has no meaning outside of its axis, where vmap or pmap has made other operations of it
    assert {p.name for p in PRIMITIVES.values() if p.host is None and p.names_axis is None} == set()
    assert {p.name for p in PRIMITIVES.values() if p not in LOWERINGS} == set()


@pytest.mark.parametrize("floor", ["host", "xla/lower"])
def test_mirrors_have_the_same_files(floor):
    """A primitive's host function and lowering stand in files named like the file of its record."""
    makes = lambda p: "Primitive(" in p.read_text() or "elementwise(" in p.read_text()
    records = {p.stem for p in (ROOT / "prims").glob("*.py") if makes(p)}
    mirrored = {p.stem for p in (ROOT / floor).glob("*.py")}
    elsewhere = {"linear", "pointwise", *(["collective"] if floor == "host" else [])}
    assert records - mirrored - elsewhere == set()


def test_passes_name_no_primitive():
    """Passes see primitives through their records; the sums and zeros that calculus needs come as functions."""
    for path in (ROOT / "transforms").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                assert not node.id.endswith("_p"), f"{path.name}:{node.lineno} names {node.id}"


def test_jax_is_never_imported():
    program = """
import sys
import functorch_lite as fl
import functorch_lite.numpy as fnp
x = fnp.arange(3.0)
f = fl.jit(lambda x: fnp.sum(fnp.sin(x) * x))
f(x), fl.grad(f)(x), fl.vmap(fl.grad(f))(fnp.ones((2, 3))), fl.hessian(f)(x)
fl.random.normal(fl.random.key(0), (3,))
assert not [m for m in sys.modules if m == "jax" or m.startswith("jax.")]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
