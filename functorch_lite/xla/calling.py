"""Programs that call back into Python."""

from __future__ import annotations


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
