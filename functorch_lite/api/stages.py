"""The stages of a jitted function, one by one: Traced, Lowered, Compiled."""

from __future__ import annotations

from typing import Any

from functorch_lite.api.arguments import name_of
from functorch_lite.api.inspect import struct
from functorch_lite.array import ShardedArray, backend
from functorch_lite.trace import Tracer, at


class _Stage:
    """What the stages tell of the function they belong to."""

    _entry: Any

    @property
    def in_tree(self) -> Any:
        """The structure of the arguments (args, kwargs) that are not static."""
        return self._entry.structure

    @property
    def out_tree(self) -> Any:
        """The structure of the result."""
        return self._entry.out.structure

    @property
    def args_info(self) -> Any:
        """The tree (args, kwargs) of ShapeDtypeStruct of the arguments that are not static."""
        types = self._entry.graph.in_types[len(self._entry.captured) :]
        return self._entry.structure.unflatten([struct(t) for t in types])

    in_avals = args_info

    @property
    def out_info(self) -> Any:
        """The tree of ShapeDtypeStruct of the result."""
        return self._entry.out.build([struct(t) for t in self._entry.graph.out_types])


class Traced(_Stage):
    """A function traced for certain types. `graph` (also `jaxpr`) is what it does; `lower()` goes on."""

    def __init__(self, jitted, entry):
        self._jitted, self._entry = jitted, entry
        self.graph = self.jaxpr = entry.graph
        self.fun_name = name_of(jitted.fun)

    def lower(self) -> Lowered:
        """Lower to StableHLO."""
        return Lowered(self._jitted, self._entry)

    def __repr__(self) -> str:
        return f"<traced `{self.fun_name}`>\n{self.graph}"


class Lowered(_Stage):
    """A function lowered to StableHLO; `compile()` goes on."""

    def __init__(self, jitted, entry):
        self._jitted, self._entry = jitted, entry
        self._module = backend.module(jitted._program(entry), name_of(jitted.fun), jitted._donated(entry))

    def as_text(self, dialect: str | None = None) -> str:
        """The module as text. `dialect`: "stablehlo", the default, or "hlo"."""
        if dialect in (None, "stablehlo"):
            return str(self._module)
        if dialect == "hlo":
            return backend.hlo_text(str(self._module))
        raise ValueError(f'as_text: there is no dialect {dialect!r}, at {at()}; use "stablehlo" or "hlo"')

    def compiler_ir(self, dialect: str | None = None) -> Any:
        """The module as an MLIR object."""
        return self._module

    def cost_analysis(self) -> dict:
        """XLA's estimate of the compiled program: flops, bytes accessed."""
        return self.compile().cost_analysis()

    def compile(self) -> Compiled:
        """Compile for the default device."""
        return Compiled(self._jitted, self._entry)

    def __repr__(self) -> str:
        return f"<lowered `{name_of(self._jitted.fun)}`>"


class Compiled(_Stage):
    """A compiled function: call it with arguments of the types it was lowered for."""

    def __init__(self, jitted, entry):
        self._jitted, self._entry = jitted, entry
        self._executable = jitted._several(entry) if entry.spread else jitted._compiled(entry).executable

    def __call__(self, *args, **kwargs):
        """Run. Raises TypeError if the types of the arguments are not those it was compiled for."""
        entry = self._entry
        found, inputs = self._jitted._inputs(args, kwargs)
        if any(isinstance(x, Tracer) for x in inputs):
            raise TypeError(f"`{name_of(self._jitted.fun)}`, compiled ahead of time, was given a traced value at "
                            f"{at()}; call the jitted function itself inside of transformed functions")  # fmt: skip
        wanted = entry.graph.in_types[len(entry.captured) :]
        if found != entry.structure or [t.strong() for t in wanted] != [x.type.strong() for x in inputs]:
            got, want = ", ".join([str(x.type) for x in inputs]), ", ".join(map(str, wanted))
            raise TypeError(f"`{name_of(self._jitted.fun)}` was compiled for ({want}), got ({got}), at {at()}; "
                            "lower it again")  # fmt: skip
        if entry.spread or any(type(x) is ShardedArray for x in inputs):
            return self._jitted._run_on_several(entry, inputs)
        return self._jitted._run(self._jitted._compiled(entry), inputs, [x._buffer for x in inputs])

    def as_text(self) -> str:
        """The optimised HLO."""
        return "\n".join([m.to_string() for m in self.runtime_executable().hlo_modules()])

    def cost_analysis(self) -> dict:
        """XLA's estimate: flops, bytes accessed, transcendentals."""
        found = self.runtime_executable().cost_analysis()
        return found[0] if isinstance(found, list) else found

    def memory_analysis(self) -> Any:
        """Bytes of arguments, results, temporaries and code."""
        return self.runtime_executable().get_compiled_memory_stats()

    def runtime_executable(self) -> Any:
        """jaxlib's executable."""
        return self._executable.loaded

    def __repr__(self) -> str:
        return f"<compiled `{name_of(self._jitted.fun)}`>"

