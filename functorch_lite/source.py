"""Where in the user's program something happens: for messages and for graphs."""

from __future__ import annotations

import os
import sys
import threading
from types import CodeType
from typing import NamedTuple

import numpy as np

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class _Inside(dict):
    """File name -> whether it belongs to this library; filled on demand."""

    def __missing__(self, filename):
        inside = self[filename] = filename.startswith(_PACKAGE) or filename == "<string>"
        return inside


_inside = _Inside()


class Source(NamedTuple):
    """A place in the user's program; the line is looked up only when somebody asks."""

    code: CodeType
    offset: int

    file = property(lambda self: self.code.co_filename)

    @property
    def line(self) -> int:
        for start, end, line in self.code.co_lines():
            if start <= self.offset < end and line is not None:
                return line
        return self.code.co_firstlineno

    def __str__(self) -> str:
        return f"{_name_of_file(self.file)}:{self.line}"


def _name_of_file(path: str) -> str:
    """`model.py`; of a cell of a notebook, `In[3]`."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    cell = shell.compile.format_code_name(path) if shell is not None else None  # ("Cell", "In[3]")
    return cell[1] if cell else os.path.basename(path)


def caller() -> Source:
    """The innermost call outside this library."""
    frame = sys._getframe(1)
    inside = _inside
    while inside[frame.f_code.co_filename]:
        if frame.f_back is None:
            break
        frame = frame.f_back
    return tuple.__new__(Source, (frame.f_code, frame.f_lasti))


def at() -> str:
    """`model.py:12`: the user's line, for error messages; while a graph runs, the line its equation came from."""
    return str(caller()) if running.source is None else str(running.source)


class _Running(threading.local):
    """Per thread, the source of the equation being computed; None: what the caller does."""

    source: Source | None = None


running = _Running()


def one_line(value) -> str:
    """An array as a part of a message."""
    text = np.array2string(np.asarray(value), threshold=20, separator=" ")
    return " ".join(text.split())
