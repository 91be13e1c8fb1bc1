"""The few settings a user may change: each process-wide, or for one `with` block of one thread or task.

What a `with` block sets lives in a context variable, so threads and tasks never see each other's blocks. Reading costs
well under 100 ns, because every Python scalar asks.
"""

import os
import threading
import weakref
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import NamedTuple

import numpy as np


class _Defaults(NamedTuple):
    """The dtypes that Python scalars and creation functions without an explicit dtype get."""

    float: np.dtype
    int: np.dtype
    complex: np.dtype


_DEFAULTS = {
    "float32": _Defaults(np.dtype("float32"), np.dtype("int32"), np.dtype("complex64")),
    "float64": _Defaults(np.dtype("float64"), np.dtype("int64"), np.dtype("complex128")),
}

scoped_defaults: ContextVar[_Defaults | None] = ContextVar("default_dtype", default=None)
jit_disabled: ContextVar[bool] = ContextVar("disable_jit", default=False)


class _Setting:
    """What `config.default_dtype` returns: already in force; entering it limits it to the `with` block."""

    __slots__ = ("__weakref__", "_owner", "_set_by_call", "_tokens", "_value")

    def __init__(self, owner: "Config", value: _Defaults):
        self._owner = owner
        self._value = value
        self._set_by_call: Token | None = None
        self._tokens: list[Token] = []

    def __enter__(self) -> None:
        self._owner._withdraw(self)
        self._tokens.append(scoped_defaults.set(self._value))

    def __exit__(self, *_) -> None:
        scoped_defaults.reset(self._tokens.pop())


def _devices_of_environment() -> int:
    text = os.environ.get("FUNCTORCH_LITE_CPU_DEVICES", "1")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"the environment variable FUNCTORCH_LITE_CPU_DEVICES must be a positive int, got {text!r}")
    return int(text)


class Config:
    """The settings; `functorch_lite.config` is the only instance."""

    def __init__(self):
        self._lock = threading.Lock()
        self._cpu_devices, self._claimed = _devices_of_environment(), False
        self.process = _DEFAULTS["float32"]
        # Process-wide settings in order, the last one in force. A setting may still turn out to be a `with` block
        # until its handle is gone; a list, and not one saved value, lets two threads open blocks at the same moment.
        self._settings: list[tuple[weakref.ref[_Setting] | None, _Defaults]] = [(None, self.process)]

    def default_dtype(self, name) -> _Setting:
        """Set the dtype that floats get where none is given; `with config.default_dtype(...)` limits it to a block.

        name: "float32" (then int32 and complex64 are the other defaults) or "float64" (then int64 and complex128).
        Raises ValueError for anything else.
        """
        value = _DEFAULTS.get(getattr(name, "__name__", None) or getattr(name, "name", None) or str(name))
        if value is None:
            raise ValueError(f'config.default_dtype: got {name!r}; give "float32" or "float64"')
        setting = _Setting(self, value)
        if scoped_defaults.get() is not None:  # inside a block the call changes that block, not the process
            setting._set_by_call = scoped_defaults.set(value)
            return setting
        with self._lock:
            settled = max(i for i, (handle, _) in enumerate(self._settings) if handle is None or handle() is None)
            self._settings = [*self._settings[settled:], (weakref.ref(setting), value)]
            self.process = value
        return setting

    def _withdraw(self, setting: _Setting) -> None:
        """Undo what the call that made `setting` set, since it turns out to open a block."""
        if setting._set_by_call is not None:
            scoped_defaults.reset(setting._set_by_call)
            setting._set_by_call = None
            return
        with self._lock:
            self._settings = [entry for entry in self._settings if entry[0] is None or entry[0]() is not setting]
            self.process = self._settings[-1][1]

    @property
    def cpu_devices(self) -> int:
        """How many devices the CPU counts as; settable before the first use of one.

        The environment variable FUNCTORCH_LITE_CPU_DEVICES sets it too. Raises ValueError for what is no positive int,
        RuntimeError once the devices have been made.
        """
        return self._cpu_devices

    @cpu_devices.setter
    def cpu_devices(self, count: int) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"config.cpu_devices must be a positive int, got {count!r}")
        with self._lock:
            if self._claimed and count != self._cpu_devices:
                raise RuntimeError(
                    f"config.cpu_devices is set to {count} after the {self._cpu_devices} devices have been used; set "
                    "it first thing in the program, or set the environment variable FUNCTORCH_LITE_CPU_DEVICES")
            self._cpu_devices = count

    def claim_devices(self) -> int:
        """The number of CPU devices, from now on fixed."""
        with self._lock:
            self._claimed = True
        return self._cpu_devices

    @property
    def default_float(self) -> np.dtype:
        """float32 or float64; it decides the other defaults, so it alone belongs into the key of a trace."""
        return (scoped_defaults.get() or self.process).float

    @property
    def default_int(self) -> np.dtype:
        """int32 or int64."""
        return (scoped_defaults.get() or self.process).int

    @property
    def default_complex(self) -> np.dtype:
        """complex64 or complex128."""
        return (scoped_defaults.get() or self.process).complex

    @property
    def jit_disabled(self) -> bool:
        """Whether this thread or task is inside a `disable_jit()` block."""
        return jit_disabled.get()


config = Config()


@contextmanager
def disable_jit(disable: bool = True):
    """Inside the `with` block, functions under `jit` run operation by operation as if they were not compiled."""
    token = jit_disabled.set(bool(disable))
    try:
        yield
    finally:
        jit_disabled.reset(token)
