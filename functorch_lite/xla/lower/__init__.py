"""Lowerings to StableHLO: one function per primitive, in files that mirror `prims` and `control`."""

from functorch_lite.xla.lower import contract, control, elementwise, index, shape, slicing  # noqa: F401  they register themselves
