"""Programs that call back into Python, and programs that may never end."""

from __future__ import annotations

import threading
import time

_QUICK = 0.005  # seconds: a program that takes less is run without a thread of its own


class Callback:
    """A function that a program calls, which keeps its exception: XLA would turn it into text."""

    __slots__ = ("error", "run")

    def __init__(self, run):
        self.run, self.error = run, None

    def abandon(self) -> None:
        """The program has failed: what its callbacks began is brought to an end."""
        end = getattr(getattr(self.run, "run", None), "abandon", None)
        if end is not None:
            end()

    def __call__(self, *args):
        try:
            return tuple(self.run(*args))
        except BaseException as error:
            self.error = error
            raise


class Calling:
    """Execution of a program that calls back: it has ended when the call returns, and raises what a callback raised."""

    __slots__ = ("callbacks", "loaded")

    def __init__(self, loaded, callbacks):
        self.loaded, self.callbacks = loaded, callbacks

    def __call__(self, buffers):
        try:
            results = self.loaded.execute_sharded(buffers, with_tokens=True)
            results.consume_token().block_until_ready()
            return results
        except BaseException:
            for c in self.callbacks:
                c.abandon()
            errors = [c.error for c in self.callbacks if c.error is not None]
            for c in self.callbacks:
                c.error = None
            if errors:
                raise errors[0] from None
            raise


class Stoppable:
    """Execution of a program that loops until a predicate fails: Ctrl-C gives the session back while it runs.

    The thread of the user waits for another one, which it can leave alone; the program itself cannot be stopped. That
    costs some 50 us, so a program whose last run was short does without.
    """

    __slots__ = ("loaded", "quick")

    def __init__(self, loaded):
        self.loaded, self.quick = loaded, False

    def __call__(self, buffers):
        if self.quick:
            return self.loaded.execute_sharded(buffers)
        if threading.current_thread() is not threading.main_thread():  # signals go to that one
            return self.loaded.execute_sharded(buffers)
        ended, made = threading.Event(), []

        def run():
            start = time.perf_counter()
            try:
                results = self.loaded.execute_sharded(buffers, with_tokens=True)
                results.consume_token().block_until_ready()
                made.append(results)
            except Exception as error:
                made.append(error)
            self.quick = time.perf_counter() - start < _QUICK
            ended.set()

        threading.Thread(target=run, daemon=True, name="functorch_lite loop").start()
        ended.wait()
        if isinstance(made[0], Exception):
            raise made[0]
        return made[0]
