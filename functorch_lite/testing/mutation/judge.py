"""Which laws of which cases reach a function, and whether one of them notices that it has been changed."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import NamedTuple

from functorch_lite.api.caches import clear_caches
from functorch_lite.config import disable_jit
from functorch_lite.testing.checkers import assert_same
from functorch_lite.testing.laws import LAWS
from functorch_lite.testing.mutation.cases import CASES
from functorch_lite.testing.mutation.records import Watched
from functorch_lite.testing.mutation.swap import name_of
from functorch_lite.testing.report import LawError, NotApplicableError

# In the order in which they are tried: the cheap ones first.
NAMES = (
    "same", "dtypes", "simplify", "vmap", "adjoint", "linearize", "transpose_twice", "jvp", "vjp", "vmap_sizes",
    "derivatives_of_no_rows", "shared_cotangents", "vmap_of_derivatives", "vmap_twice", "remat", "grad",
    "jacobian", "complex_step", "jvp_linear", "vjp_linear", "second_order", "hvp", "hessian",
)  # fmt: skip
# They take half of the time, and find hardly anything that the others do not.
COSTLY = {"second_order", "hessian", "hvp", "remat", "vmap_twice", "jvp_linear", "vjp_linear"}
PACKAGES = ("prims", "transforms", "control")


class Try(NamedTuple):
    """A law on a case, and the seconds that they took."""

    case: int
    law: str
    seconds: float


def modules() -> list[str]:
    """The modules that hold rules and passes."""
    wanted = tuple([f"functorch_lite.{name}." for name in PACKAGES])
    return sorted([name for name, module in sys.modules.items() if name.startswith(wanted) and module is not None])


def remembering(names: Iterable[str]) -> list[Callable]:
    """What forgets, of every function in these modules that remembers its results."""
    found = []
    for name in names:
        values = vars(sys.modules[name]).values()
        found.extend([f.cache_clear for f in values if isinstance(f, functools._lru_cache_wrapper)])
    return found


def forgetter(names: Iterable[str]) -> Callable[[], None]:
    """A function that drops all results of passes and rules."""
    clears = remembering(names)

    def forget():
        clear_caches()
        for clear in clears:
            clear()

    return forget


class Hung(BaseException):
    """A try takes much longer than it should; not an Exception, so that nothing on the way catches it."""


@contextmanager
def _limited(seconds: float):
    """Interrupt what takes longer, where the system can."""

    def stop(*_):
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def attempt(case: int, law: str, limit: float = 20.0) -> str | None:
    """None if the law holds; else what it said, shortened, or the error that the change caused."""
    fun, args, other = CASES[case].fun, CASES[case].args, CASES[case].same
    try:
        with disable_jit(), _limited(limit):
            if law != "same":
                LAWS[law](fun, *args)
            elif other is not None:
                assert_same(fun, other, *args)
    except NotApplicableError:
        return None
    except LawError as error:
        return f"{law} of {CASES[case].name}: {str(error).splitlines()[0][:160]}"
    except Hung:
        return f"{law} of {CASES[case].name}: it does not end"
    except Exception as error:  # a changed rule may fail in any way, which is as good as being found
        return f"{law} of {CASES[case].name}: {type(error).__name__}: {error}".splitlines()[0][:200]
    return None


class Reach(NamedTuple):
    """Per line, function and rule of a record, the tries that run it; those that fail unchanged and tell nothing."""

    tries: dict[tuple, list[Try]]
    failing: list[str]


def reach(
    cases: Iterable[int], forget: Callable[[], None], files: dict[str, str], names: Iterable[str] = NAMES
) -> Reach:
    """Try these laws on the unchanged library, with a record of the functions called; `files`: file -> module."""
    found: dict[tuple, list[Try]] = {}
    failing = []
    for case in cases:
        forget()
        seen: set[tuple] = set()
        for law in names:
            start = time.perf_counter()
            called, problem = _called(case, law, files)
            if problem is not None:
                failing.append(problem)
                continue
            seen |= called
            made = Try(case, law, time.perf_counter() - start)
            for key in seen:  # what an earlier law had computed is remembered here, and is not when a rule has changed
                found.setdefault(key, []).append(made)
    return Reach(found, failing)


def _called(case: int, law: str, files: dict[str, str]) -> tuple[set[tuple], str | None]:
    """The lines and the rules that a try runs, as (module, line) and (primitive, rule, position)."""
    lines: set[tuple] = set()

    def each(frame, event, _):
        if event == "line":
            lines.add((frame.f_code, frame.f_lineno))
        return each

    def enter(frame, event, _):
        code = frame.f_code
        if code.co_filename in files:
            lines.add((code, code.co_firstlineno))
            return each
        return None

    with Watched() as watched:
        sys.settrace(enter)
        try:
            made = attempt(case, law)
        finally:
            sys.settrace(None)
    keys = {(files[code.co_filename], line) for code, line in lines}
    keys |= {(files[code.co_filename], name_of(code), code.co_firstlineno) for code, _ in lines}
    return keys | watched.called, made


def by_file(names: Iterable[str]) -> dict[str, str]:
    """file -> module, of modules of these names."""
    return {str(sys.modules[name].__file__): name for name in names}


def chosen(tries: list[Try], cases: int) -> list[Try]:
    """The tries of some cases, laws in turn: those that more laws reach, of these the quicker ones; and a few others,
    as what is quick may all be alike."""
    laws: dict[int, int] = {}
    cost: dict[int, float] = {}
    for each in tries:
        laws[each.case] = laws.get(each.case, 0) + 1
        cost[each.case] = cost.get(each.case, 0.0) + each.seconds
    order = sorted(cost, key=lambda case: (-laws[case], cost[case]))
    best, rest = order[: cases // 2], order[cases // 2 :]
    step = max(1, len(rest) // max(1, cases - len(best)))
    kept = {case: k for k, case in enumerate([*best, *rest[::step]][:cases])}
    return sorted([t for t in tries if t.case in kept], key=lambda t: (NAMES.index(t.law), kept[t.case]))


def killed(tries: list[Try], budget: float) -> tuple[str | None, int]:
    """(what a law said, how many were tried), trying until one says something or the seconds are used up."""
    end = time.perf_counter() + budget
    for k, each in enumerate(tries):
        said = attempt(each.case, each.law, max(2.0, 50 * each.seconds))
        if said is not None:
            return said, k + 1
        if time.perf_counter() > end:
            return None, k + 1
    return None, len(tries)
