"""The pytest plugin: profiles, the block that a failing law prints, marks; and what it costs where it is not used."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent

LAWS = """
import numpy as np
from hypothesis import given, settings, strategies as st
import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.testing import laws

@fl.custom_vjp
def wrong(x):
    return fnp.sin(x)

wrong.defvjp(lambda x: (fnp.sin(x), x), lambda x, ct: (ct * x,))

@given(st.floats(0.5, 2))
def test_rule(x):
    laws.vjp(wrong, x)

def test_rows():
    laws.vmap(fnp.sin, np.ones(3))

def test_examples():
    assert settings.default.max_examples == EXAMPLES
"""


def run(folder, text, *options):
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_functorch_lite", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


@pytest.mark.parametrize("profile, count", [("quick", 10), ("ci", 100), ("deep", 2000)])
def test_profiles_and_the_block_of_a_failing_law(tmp_path, profile, count):
    options = ["--laws=" + profile, *(["--laws-seed=7"] if profile == "deep" else [])]
    said = run(tmp_path, LAWS.replace("EXAMPLES", str(count)), *options)
    assert "1 failed, 2 passed" in said, said
    assert "law `vjp` does not hold for `wrong`" in said and "a law does not hold" in said, said
    seed = ", seed 7; run again: pytest --laws=deep --laws-seed=7" if profile == "deep" else "; run again: pytest"
    assert f"profile {profile}{seed}" in said, said


def test_tests_are_marked_by_transform(tmp_path):
    said = run(tmp_path, LAWS.replace("EXAMPLES", "100"), "-m", "vmap", "--strict-markers")
    assert "1 passed, 2 deselected" in said, said


def test_where_it_is_not_used_the_library_is_not_imported(tmp_path):
    text = """
import sys

def test_nothing():
    assert not {"functorch_lite", "jaxlib", "hypothesis"} & set(sys.modules)
"""
    said = run(tmp_path, text, "-p", "no:hypothesispytest")
    assert "1 passed" in said, said


def test_a_profile_that_does_not_exist(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nlaws = thorough\n")
    said = run(tmp_path, "def test_nothing(): pass")
    assert "laws = 'thorough' in the configuration is none of quick, ci, deep" in said, said
