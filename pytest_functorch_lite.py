"""The pytest plugin of `functorch_lite.testing`: profiles, one block per law that fails, marks by transform.

A module beside the package, as importing anything inside it imports the library: a run of tests that never uses the
library pays for this file alone. Hypothesis is imported where a profile is asked for, by `--laws` or `laws` in the
configuration file.
"""

from __future__ import annotations

import importlib
import random
import sys
from typing import Any

import pytest

# How many examples, and whether they are the same each time.
PROFILES: dict[str, dict[str, Any]] = {
    "quick": {"max_examples": 10, "derandomize": True},
    "ci": {"max_examples": 100, "derandomize": True},
    "deep": {"max_examples": 2000, "derandomize": False},
}
TRANSFORMS = ("jit", "jvp", "vjp", "vmap", "pmap", "remat", "linearize", "custom_rules", "effects", "hvp")
_CHOSEN: pytest.StashKey[str] = pytest.StashKey()
_SEED: pytest.StashKey[int] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("functorch_lite", "laws of functorch_lite.testing")
    group.addoption("--laws", choices=sorted(PROFILES), help="how hard property tests try: quick, ci, deep")
    group.addoption("--laws-seed", type=int, help="the seed of a deep run, as a failing one printed it")
    parser.addini("laws", "the profile without --laws: quick, ci, deep, or nothing", default="")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks for the profile that its own option names
def pytest_configure(config: pytest.Config) -> None:
    for name in TRANSFORMS:
        config.addinivalue_line("markers", f"{name}: uses the law or transform `{name}`; set by functorch_lite")
    asked = config.getoption("--laws") or config.getini("laws")
    if not asked:
        return
    if asked not in PROFILES:
        raise pytest.UsageError(f"laws = {asked!r} in the configuration is none of {', '.join(PROFILES)}")
    hypothesis = importlib.import_module("hypothesis")
    settings, slow = hypothesis.settings, hypothesis.HealthCheck.too_slow
    for name, profile in PROFILES.items():
        # deadline: the first example of a test may compile
        settings.register_profile(name, deadline=None, print_blob=True, suppress_health_check=[slow], **profile)
    settings.load_profile(asked)
    config.stash[_CHOSEN] = asked
    if asked == "deep" or config.getoption("--laws-seed") is not None:
        seed = config.getoption("--laws-seed")
        config.stash[_SEED] = seed if seed is not None else random.SystemRandom().randrange(2**32)
        importlib.import_module("hypothesis.core").global_force_seed = config.stash[_SEED]


def pytest_report_header(config: pytest.Config) -> str | None:
    chosen = config.stash.get(_CHOSEN, None)
    return None if chosen is None else f"laws: {chosen}{_seed_text(config)}"


def _seed_text(config: pytest.Config) -> str:
    seed = config.stash.get(_SEED, None)
    return "" if seed is None else f", seed {seed}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that name a law or a transform of it are marked by it, so that `-m vmap` runs them alone."""
    if "functorch_lite.testing" not in sys.modules:
        return
    for item in items:
        function = getattr(item, "function", None)
        for name in set(_names(function)) & set(TRANSFORMS):
            item.add_marker(name)


def _names(function: Any) -> list[str]:
    """The names that a test function mentions, and those of the functions in it."""
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    code = getattr(inner, "__code__", None)
    todo, found = [code] if code is not None else [], []
    while todo:
        code = todo.pop()
        found.extend(code.co_names)
        todo.extend([const for const in code.co_consts if hasattr(const, "co_names")])
    return found


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    outcome = yield
    module = sys.modules.get("functorch_lite.testing.report")
    if module is None or call.excinfo is None:
        return
    error = _law_error(call.excinfo.value, module.LawError)
    if error is not None:
        text = f"{error}\n{_again(item)}"
        outcome.get_result().sections.append(("a law does not hold", text))


def _law_error(error: BaseException | None, wanted: type) -> BaseException | None:
    """The LawError that a test ended with, or that is among several it ended with."""
    while error is not None and not isinstance(error, wanted):
        inner = getattr(error, "exceptions", None)
        error = inner[0] if inner else error.__cause__ or error.__context__
    return error


def _again(item: pytest.Item) -> str:
    config = item.config
    chosen, seed = config.stash.get(_CHOSEN, None), config.stash.get(_SEED, None)
    if chosen is None:
        return f"run again: pytest {item.nodeid!r}"
    options = f"--laws={chosen}" + ("" if seed is None else f" --laws-seed={seed}")
    return f"profile {chosen}{_seed_text(config)}; run again: pytest {options} {item.nodeid!r}"
