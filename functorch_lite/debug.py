"""Look into running programs: print and callback."""

from functorch_lite.api.callbacks import debug_callback as callback
from functorch_lite.api.callbacks import debug_print as print

__all__ = ["callback", "print"]
