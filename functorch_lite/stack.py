"""The frames that are open in each thread, and how operations compute where there is none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

from functorch_lite.ir import Graph, Primitive
from functorch_lite.source import Source, running


class _Thread(threading.local):
    """What belongs to one thread: its open frames, innermost last."""

    def __init__(self):
        self.frames: list[Any] = []


thread = _Thread()
tracing: list[Any] = []  # the open frames of all threads: empty means that no thread has to look at its own


@contextmanager
def alone(source: Source | None = None):
    """Compute: this thread's frames are put aside, so nothing is recorded."""
    frames, before = thread.frames, running.source
    thread.frames = []
    if source is not None:
        running.source = source
    try:
        yield
    finally:
        thread.frames, running.source = frames, before


class Executor:
    """The hook between floors: how operations compute when nothing is recorded. Filled in by `array` and `host`."""

    bind: Callable[[Primitive, Sequence, dict], Any]
    execute: Callable[[Graph, Sequence, Any], list]
    asarray: Callable[[Any], Any]


executor = Executor()
