"""`given`: Hypothesis' own, whose strategies may depend on what was drawn before."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import strategies as st


def given(*strategies: Any, **named: Any) -> Callable:
    """Run a test with drawn arguments: `@given(x=arrays("float64"), v=lambda x: like(x))`.

    Strategies are those of Hypothesis and of `functorch_lite.testing`. In place of one, a function may be given that
    makes it of arguments drawn before it, which it takes by name. There is no limit of time per example unless
    `hypothesis.settings` sets one. Raises TypeError for anything else, or for a name
    that no argument before has.
    """
    for name, each in [*enumerate(strategies), *named.items()]:
        makes_one = isinstance(name, str) and inspect.isfunction(each)
        what = f"argument {name}" if isinstance(name, int) else f"`{name}`"
        if not (makes_one or isinstance(each, st.SearchStrategy)):
            raise TypeError(f"given: {what} is {type(each).__name__}; give a strategy, or by name a function that "
                            "makes one of the arguments before it")  # fmt: skip
        if not makes_one and each.is_empty:
            raise ValueError(f"given: the strategy of {what} is empty; give one that has an example to draw")
    if not any(inspect.isfunction(each) for each in named.values()):
        return lambda test: _patient(hypothesis.given(*strategies, **named)(test))
    if strategies:
        raise TypeError("given: where a strategy depends on arguments, name them all")
    needed = {name: list(inspect.signature(each).parameters) if inspect.isfunction(each) else None
              for name, each in named.items()}  # fmt: skip
    for k, (name, wanted) in enumerate(needed.items()):
        missing = set(wanted or ()) - set(list(named)[:k])
        if missing:
            raise TypeError(f"given: `{name}` depends on {', '.join(sorted(missing))}, which is no argument before it")
    return functools.partial(_with_drawn, _drawn(named, needed), tuple(named))


@st.composite
def _drawn(draw, named: dict, needed: dict) -> dict:
    made: dict[str, Any] = {}
    for name, each in named.items():
        wanted = needed[name]
        strategy = each if wanted is None else each(**{w: made[w] for w in wanted})
        if not isinstance(strategy, st.SearchStrategy):
            raise TypeError(f"given: the function of `{name}` gives a {type(strategy).__name__}; return a strategy")
        made[name] = draw(strategy)
    return made


def _with_drawn(drawn, names, test: Callable) -> Callable:
    """The test as one of `drawn`, a dictionary of arguments, and of its other parameters, such as fixtures."""

    @functools.wraps(test)
    def with_drawn(*args, drawn, **others):
        return test(*args, **others, **drawn)

    own = inspect.signature(test)
    rest = [p for name, p in own.parameters.items() if name not in names]
    last = inspect.Parameter("drawn", inspect.Parameter.KEYWORD_ONLY)
    with_drawn.__signature__ = own.replace(parameters=[*rest, last])
    return _patient(hypothesis.given(drawn=drawn)(with_drawn))


def _patient(test: Callable) -> Callable:
    """The test without Hypothesis' limit of time per example, unless `settings` set one: the first may compile."""
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is not None and own is hypothesis.settings.default:
        slow = [*own.suppress_health_check, hypothesis.HealthCheck.too_slow]
        patient = hypothesis.settings(own, deadline=None, suppress_health_check=slow)
        test._hypothesis_internal_use_settings = patient  # no decorator, as the user may add one still
    return test
