"""From what a user asks of drawn programs to the plan that draws them."""

from __future__ import annotations

import functools

from functorch_lite import dtypes
from functorch_lite.errors import DtypeError
from functorch_lite.testing.examples import EXAMPLES
from functorch_lite.testing.programs.program import Plan


@functools.lru_cache(256)
def plan(
    *,
    max_eqns: int = 12,
    args: int | tuple[int, int] = (1, 3),
    dtype: str = "float64",
    kinds: str = "fib",
    inputs: str = "f",
    smooth: bool = True,
    scalar: bool = False,
    control_flow: bool = True,
    only: tuple[str, ...] | None = None,
    without: tuple[str, ...] = (),
    jax: bool = False,
    depth: int = 2,
    every: int = 4,
) -> Plan:
    """What programs are drawn by: see `strategies.programs`."""
    if type(max_eqns) is not int or max_eqns < 1:
        raise ValueError(f"programs: max_eqns is {max_eqns!r}; it has to be an int of at least 1")
    for name, given in (("depth", depth), ("every", every)):
        if type(given) is not int or given < 1:
            raise ValueError(f"programs: {name} is {given!r}; it has to be an int of at least 1")
    low, high = (args, args) if isinstance(args, int) else args
    if not 1 <= low <= high <= 6:
        raise ValueError(f"programs: args is {args!r}; it has to be an int from 1 to 6, or the fewest and the most")
    if not dtypes.is_float(dtypes.canonical(dtype)):
        raise DtypeError(f"programs: dtype is {dtype!r}; it is the dtype of floats, such as 'float64'")
    if not set(kinds) <= set("fibc"):
        raise ValueError(f"programs: kinds is {kinds!r}; it has to be letters among 'f', 'i', 'b' and 'c'")
    kinds = "f" + "".join([k for k in dict.fromkeys(kinds) if k != "f"])
    if not inputs or not set(inputs) <= set(kinds):
        raise ValueError(f"programs: inputs is {inputs!r}; it names kinds of dtypes among {kinds!r}")
    for name, names in (("only", only), ("without", without)):
        if isinstance(names, str):
            raise TypeError(f"programs: {name} is {names!r}; give a tuple of names, such as ({names!r},)")
    unknown = [n for n in [*(only or ()), *without] if n not in EXAMPLES]
    if unknown:
        raise ValueError(f"programs: {unknown[0]!r} is no primitive with an example; `EXAMPLES` names them")
    admits = lambda e: set(e.kinds) <= set(kinds) and (e.jax or not jax) and (e.smooth or not smooth)
    named = EXAMPLES if only is None else [name for name in EXAMPLES if name in only]
    chosen = [e for name in named for e in EXAMPLES[name] if e.name not in without and admits(e)]
    operations = tuple([e.make for e in chosen if not e.construct])
    constructs = tuple([e.make for e in chosen if e.construct and control_flow])
    if not operations and not constructs:
        raise ValueError(f"programs: no operations are left of only={only!r} without {without!r} for kinds {kinds!r}"
                         f"{'' if control_flow else ' and no control flow'}")  # fmt: skip
    table = (operations or constructs, constructs)
    return Plan(max_eqns, (low, high), dtype, kinds, inputs, smooth, scalar, table, depth, every)
