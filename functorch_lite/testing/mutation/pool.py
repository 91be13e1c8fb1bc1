"""Work on some processes, of which one may end: a mistake can bring the interpreter down, and that is one way to be
noticed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

_CONTEXT = multiprocessing.get_context("spawn")


def spread(make: Callable, arguments: tuple, items: Iterable, processes: int) -> Iterator[tuple[Any, Any]]:
    """(item, `make(*arguments)(item)`) in the order in which they are done; None for an item whose process has ended.

    `make` is called once per process. An error that it, or what it made, raises ends the process.
    """
    todo: list = list(items)[::-1]
    busy: dict[Any, tuple[BaseProcess, Any]] = {}  # by connection: the process there, and what it works on
    free: list[tuple[BaseProcess, Any]] = []
    try:
        while todo or busy:
            while todo and len(busy) < processes:
                process, connection = free.pop() if free else _begun(make, arguments)
                item = todo.pop()
                connection.send(item)
                busy[connection] = process, item
            ready = wait(list(busy))
            for connection in [each for each in busy if each in ready]:
                process, item = busy.pop(connection)
                try:
                    made = connection.recv()
                    free.append((process, connection))
                except EOFError:
                    process.join()
                    made = None
                yield item, made
    finally:
        for process, _ in [*busy.values(), *free]:
            process.terminate()
            process.join()


def _begun(make: Callable, arguments: tuple) -> tuple[BaseProcess, Any]:
    """A new process, and the connection to it."""
    near, far = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_serve, args=(far, make, arguments), daemon=True)
    process.start()
    far.close()
    return process, near


def _serve(connection: Connection, make, arguments) -> None:
    work = make(*arguments)
    while True:
        connection.send(work(connection.recv()))
