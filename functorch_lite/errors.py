"""Every error class of the library; each subclasses the builtin a user would catch."""


class ConcretizationError(TypeError):
    """A traced value without a known number was used where Python needs the number."""


ConcretizationTypeError = ConcretizationError  # the name JAX gives it


class TracerBoolConversionError(ConcretizationError):
    """`if`, `while`, `and`, `or`, `not` or `bool()` met a traced value without a known number."""


class TracerIntegerConversionError(ConcretizationError):
    """A traced value without a known number was used as a Python index, size or integer."""


class TracerArrayConversionError(ConcretizationError):
    """A traced value without a known number was handed to NumPy."""


class NonConcreteBooleanIndexError(ConcretizationError, IndexError):
    """A traced boolean mask was used as an index: the shape of the result depends on its values."""


class NonConcreteSliceError(TracerIntegerConversionError, IndexError):
    """A traced value without a known number was used as a bound of a slice."""


class LeakedTracerError(RuntimeError):
    """A traced value was used after the transformation that made it had ended, or in another thread."""


UnexpectedTracerError = LeakedTracerError  # the name JAX gives it


class CapturedError(TypeError, LeakedTracerError):
    """A function with a derivative rule of its own captured a traced value that is differentiated."""


class UnhashableStaticError(TypeError, ValueError):
    """A static argument or a parameter that has to be hashable is not."""


class DonatedError(RuntimeError):
    """An array was used after its memory had been donated to a compiled function."""


class ShapeError(ValueError, TypeError):
    """Shapes do not fit each other or the operation: a ValueError to users of NumPy, a TypeError to users of JAX."""


class TreeError(TypeError, ValueError):
    """A tree does not have the structure that is needed."""


class DtypeError(TypeError, ValueError):
    """An array does not have the dtype that is needed."""


class BadIndexError(IndexError, TypeError):
    """What was given as an index is none: an IndexError to users of NumPy, a TypeError to users of JAX."""


class AxisNameError(NameError, ValueError):
    """A named axis is not in scope, or is there already."""


class KeyReuseError(RuntimeError):
    """A random key was used twice while checked keys were on."""


def way_out(error: type[ConcretizationError], transform: str) -> str:
    """What to do about a value that is not known, as the end of a message."""
    if error is TracerBoolConversionError:
        return "use `where(cond, a, b)` or `lax.cond`, or mark the argument static"
    if error is TracerIntegerConversionError:
        return "mark the argument static (`static_argnums`), or use operations that take arrays"
    if error is TracerArrayConversionError:
        return "use `functorch_lite.numpy` in place of `numpy` here"
    return f"use operations on arrays, or compute the value outside `{transform}`"
