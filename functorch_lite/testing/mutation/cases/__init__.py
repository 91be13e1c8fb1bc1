"""The functions on which the laws are tried when a rule has been changed: every primitive, in the ways it is used.

Which law of which case reaches a rule is measured, not written down.
"""

from functorch_lite.testing.mutation.cases import arrays, elementwise, maps, programs, rows  # noqa: F401  they fill it
from functorch_lite.testing.mutation.cases.common import CASES, Case

__all__ = ["CASES", "Case"]
