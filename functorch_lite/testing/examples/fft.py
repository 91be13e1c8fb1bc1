"""How the primitive of `prims/fft.py` stands in drawn programs."""

from functorch_lite.testing.examples.record import example


@example("fft")
def spectrum(b):
    x = b.operand("f", lambda v: v.ndim and v.size)
    axis, name = b.choices.integer(x.ndim - 1), b.choices.among(["fft", "ifft", "rfft", "ihfft"])
    b.emit("fft", f"fnp.fft.{name}({{0}}, axis={axis}).{b.choices.among(['real', 'imag'])}", x)


@example("fft")
def signal(b):
    x = b.operand("f", lambda v: v.ndim and v.size and v.shape[-1] > 1)
    b.emit("fft", f"fnp.fft.{b.choices.among(['irfft', 'hfft'])}({{0}})", x)
