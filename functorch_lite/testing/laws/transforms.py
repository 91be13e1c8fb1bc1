"""What a user's own transform must satisfy, tried on drawn programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.api.jit import jit
from functorch_lite.testing import report
from functorch_lite.testing.bounds import rounding
from functorch_lite.testing.laws.common import LAWS, Problem, arrays
from functorch_lite.testing.programs import Program, plan, seeded, shrunk

LAWS_OF_RESULTS = ("dtypes", "simplify", "jvp", "vjp", "adjoint", "vmap", "vmap_of_derivatives")


def transform(my_transform: Callable, *, like: Callable | None = None, examples: int = 20, seed: int = 0,
              skip: Iterable[str] = (), compiled: bool = True, **options: Any) -> None:  # fmt: skip
    """Try a transform, a function of functions, on drawn programs `f` with arguments `args`. It must satisfy that

    - my_transform(f)(*args) gives the same each time, and f gives afterwards what it gave before;
    - it is like(f)(*args), where `like` is a transform that is known to be right: `lambda f: f` for one that keeps
      values, `functorch_lite.grad` for another gradient;
    - my_transform(jit(f)) and jit(my_transform(f)) are my_transform(f);
    - my_transform(f) is a function like any other: the laws `dtypes`, `simplify`, `jvp`, `vjp`, `adjoint`, `vmap` and
      `vmap_of_derivatives` hold for it.

    examples, seed: how many programs, and which. skip: names of laws, or "jit". compiled=False leaves out jit. Other
    options are those of `strategies.programs`: scalar=True for a gradient. Raises LawError with the smallest program
    found for which something does not hold, or ValueError for options that no program has.
    """
    check_callable("laws.transform", my_transform)
    left_out = {skip} if isinstance(skip, str) else set(skip)
    if not compiled:
        left_out.add("jit")
    unknown = left_out - {*LAWS_OF_RESULTS, "jit"}
    if unknown:
        raise ValueError(f"laws.transform: skip names {', '.join(sorted(unknown))}; there are jit, "
                         f"{', '.join(LAWS_OF_RESULTS)}")  # fmt: skip
    options["without"] = (*options.get("without", ()), "stop_gradient")  # its derivative is none, by intention
    chosen = plan(**options)
    for k in range(examples):
        program = seeded(f"{seed}/{k}", chosen)
        error = _broken(my_transform, like, program, left_out)
        if error is not None:
            kind = type(error)
            fails = lambda p, kind=kind: type(_broken(my_transform, like, p, left_out)) is kind
            raise _told(my_transform, like, shrunk(program, fails, tries=400), left_out, seed, error) from None


def _told(my_transform, like, program: Program, left_out, seed, first: Exception) -> report.LawError:
    error = _broken(my_transform, like, program, left_out) or first
    name, n = name_of(my_transform), program.equations
    title = f"law `transform` does not hold for `{name}`, for a program of {n} equation{'s' * (n != 1)}"
    said = str(error).splitlines()[0] if isinstance(error, report.LawError) else f"{type(error).__name__}: {error}"
    rows = [("because", said), ("seed", str(seed))]
    apart, bound = getattr(error, "apart", 0.0), getattr(error, "bound", 0.0)
    if apart:
        rows.insert(1, ("apart", f"{apart:.3g}, the bound is {bound:.3g}"))
    text = report.block(title, rows, program.source.strip())
    return report.LawError(text, law="transform", apart=apart, bound=bound, program=program.source)


def _broken(my_transform: Callable, like: Callable | None, program: Program, left_out: set[str]) -> Exception | None:
    """What does not hold for a program, if anything."""
    try:
        _try(my_transform, like, program, left_out)
    except report.NotApplicableError:
        return None
    except (report.NotDifferentiableError, report.NotFiniteError):
        return None  # the program was smooth, what was made of it need not be
    except Exception as error:  # a transform of a user may fail in any way, and the program shows it
        return error
    return None


def _try(my_transform, like, program: Program, left_out: set[str]) -> None:
    args, before = program.args, arrays(Problem("transform", program, program.args).ys)
    made = my_transform(program)
    made_name = f"{name_of(my_transform)}(f)"
    problem = Problem("transform", _named(made, made_name), args)
    problem.steady()
    source = Problem("transform", program, args)
    source.agree(f"f after {made_name} and before", source.ys, before, lambda: rounding(source.flat, source.xs))
    if like is not None:
        other = Problem("transform", _named(like(program), f"{name_of(like)}(f)"), args)
        problem.agree(f"{made_name} and {other.name}", problem.ys, other.ys, lambda: rounding(other.flat, other.xs))
    if "jit" not in left_out:
        bound = lambda: rounding(problem.flat, problem.xs, compiled=True)
        inside = Problem("transform", _named(my_transform(jit(program)), f"{name_of(my_transform)}(jit(f))"), args)
        problem.agree(f"{inside.name} and {made_name}", inside.ys, problem.ys, bound)
        outside = jit(problem.flat)(*problem.xs)
        problem.agree(f"jit({made_name}) and {made_name}", outside, problem.ys, bound)
    for name in LAWS_OF_RESULTS:
        if name not in left_out:
            try:
                LAWS[name].on(Problem(name, problem.f, args))
            except report.NotApplicableError:
                continue


def _named(f: Callable, name: str) -> Callable:
    def made(*args):
        return f(*args)

    made.__name__ = name
    return made
