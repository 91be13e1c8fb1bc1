"""Progress bars for loops, also inside compiled programs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from functorch_lite.api.arguments import check_callable, name_of
from functorch_lite.api.callbacks import handle_of
from functorch_lite.lax.carry import Watched
from functorch_lite.trace import at

__all__ = ["progress"]


def progress(
    body: Callable, description: str | None = None, *, total: int | None = None, bar: Callable | None = None
) -> Callable:
    """The body of a loop, with a progress bar while the loop runs: scan(progress(body), init, xs).

    body: what `scan`, `map`, `fori_loop` or `while_loop` takes. description: stands before the bar; None: the name of
    `body`, if it has one. total: the number of turns to expect of a `while_loop`, if known; that of other loops is.
    bar: called as bar(total=, desc=), with None for an unknown total, returns an object with update(n) and close();
    None: `tqdm.tqdm`, or a line of text where that is not installed.
    The bar moves some hundred times in all, without leaving the compiled program in between. It shows the loop itself,
    once: not its derivative, and all rows of `vmap` together. Raises TypeError if `body` is no function.
    """
    check_callable("progress", body)
    if total is not None and (isinstance(total, bool) or not isinstance(total, int) or total < 0):
        raise TypeError(f"progress: the total must be a number of turns, got {total!r} at {at()}")
    name = name_of(body)
    given = description if description is not None else "" if name == "<lambda>" else name
    display = Display(given, bar or default_bar)
    return Watched(body, handle_of(display), total or 0)


def default_bar(total: int | None, desc: str) -> Any:
    """tqdm's bar if there is tqdm, else a line of text."""
    if importlib.util.find_spec("tqdm") is None:
        return Line(total, desc)
    return importlib.import_module("tqdm").tqdm(total=total, desc=desc)


class Line:
    """A line of text that is written anew at most ten times per second."""

    def __init__(self, total: int | None, desc: str):
        self.total, self.desc, self.done, self.shown = total, desc, 0, 0.0
        self.update(0)

    def update(self, n: int) -> None:
        self.done += n
        now = time.monotonic()
        if now - self.shown > 0.1:
            self._write("")
            self.shown = now

    def close(self) -> None:
        self._write("\n")

    def _write(self, end: str) -> None:
        share = f"{100 * self.done // self.total}% {self.done}/{self.total}" if self.total else str(self.done)
        sys.stderr.write(f"\r{self.desc}{': ' if self.desc else ''}{share}{end}")
        sys.stderr.flush()


class Display:
    """What a running loop tells how far it is: it opens a bar, moves it, and closes it."""

    def __init__(self, description: str, make: Callable):
        self.description, self.make = description, make
        self.bar: Any = None
        self.done = 0
        self.lock = threading.Lock()

    def __call__(self, done: int, total: int, going: bool) -> None:
        with self.lock:
            if self.bar is not None and done < self.done:  # the loop starts again
                self._close()
            if self.bar is None:
                if not going and done == 0:
                    return
                self.bar, self.done = self.make(total=total or None, desc=self.description), 0
            self.bar.update(done - self.done)
            self.done = done
            if not going:
                self._close()

    def close(self) -> None:
        """Leave the bar where it is: the loop has failed."""
        with self.lock:
            self._close()

    def _close(self) -> None:
        bar, self.bar, self.done = self.bar, None, 0
        if bar is not None:
            bar.close()
