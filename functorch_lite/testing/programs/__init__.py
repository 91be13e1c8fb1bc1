"""Random well-typed programs, drawn from the examples of the primitives, that print as source that can be run."""

from functorch_lite.testing.programs.plans import plan
from functorch_lite.testing.programs.program import Plan, Program, draw, seeded, shrunk

__all__ = ["Plan", "Program", "draw", "plan", "seeded", "shrunk"]
