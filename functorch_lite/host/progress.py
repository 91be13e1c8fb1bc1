"""The host function of `progress`, and what compiled programs call."""

from __future__ import annotations

from collections.abc import Callable

from functorch_lite.control.counted import due
from functorch_lite.control.loops import running
from functorch_lite.host.registry import host
from functorch_lite.prims.progress import Displays, progress_p


@host(progress_p)
def _progress(in_types, out_types):
    def tell(handle, done, total, going):
        if due(int(done), int(total), bool(going)):
            running.displays.tell(int(handle), int(done), int(total), bool(going))
        return ()

    return tell


def closing(python: Callable) -> Callable:
    """A loop in Python that closes the displays of its turns if one fails."""

    def fun(*values):
        before = len(running.displays.open)
        try:
            return python(*values)
        except BaseException:
            running.displays.abandon(before)
            raise

    return fun


class Telling:
    """What a compiled program calls to tell; each program has its own."""

    def __init__(self):
        self.displays = Displays()

    def __call__(self, handle, done, total, going):
        self.displays.tell(int(handle), int(done), int(total), bool(going))
        return []

    def abandon(self) -> None:
        self.displays.abandon()
