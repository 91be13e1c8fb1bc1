"""How functions under transforms stand inside drawn programs: jit, checkpoint, derivatives, vmap, rules of users."""

import functorch_lite as fl
import functorch_lite.numpy as fnp
from functorch_lite.testing.examples.control import operands
from functorch_lite.testing.examples.record import construct
from functorch_lite.testing.scope import Rejected, Style, run_body, run_rows, traced


def plainly(statement, env):
    """What the function gives without what is around it."""
    return run_body(statement.bodies[0], [env[v] for v in statement.ins], env)


def called(b, room, name, style, text, xs, closes=True, results=2):
    body = b.inner([x.example for x in xs], room, closes=closes)
    for _ in range(1 + b.choices.integer(results - 1)):
        body.result()
    body.scope.style = style
    arguments = ", ".join([f"{{{k}}}" for k in range(len(xs))])
    b.hold(name, f"{text}({arguments})", xs, [body], plainly)


@construct("call")
def jit(b, room):
    called(b, room, "call", Style(before=("@fl.jit",)), "{f0}", operands(b))


@construct("remat")
def remat(b, room):
    called(b, room, "remat", Style(before=("@fl.checkpoint",)), "{f0}", operands(b))


@construct("with_jvp")
def custom_jvp(b, room):
    """A rule that is right, written with the plain function."""
    rule = ("{0}_ruled = fl.custom_jvp({0})", "{0}_ruled.defjvp(lambda xs, ts: fl.jvp({0}, xs, ts))")
    xs = [b.operand("f"), *operands(b, 1)]
    called(b, room, "with_jvp", Style(after=rule), "{f0}_ruled", xs, closes=False, results=1)


@construct("with_vjp")
def custom_vjp(b, room):
    rule = ("{0}_ruled = fl.custom_vjp({0})",
            "{0}_ruled.defvjp(lambda *xs: ({0}(*xs), xs), lambda xs, ct: fl.vjp({0}, *xs)[1](ct))")  # fmt: skip
    xs = [b.operand("f"), *operands(b, 1)]
    called(b, room, "with_vjp", Style(after=rule), "{f0}_ruled", xs, closes=False, results=1)


@construct("with_vmap", jax=False)
def custom_vmap(b, room):
    """A rule for vmap that is right; derivatives are those of the function. Not inside other functions."""
    if b.nesting:
        raise Rejected
    rule = ("{0}_ruled = fl.custom_batching.custom_vmap({0})",
            "{0}_ruled.def_vmap(lambda n, mapped, *xs: "
            "(fl.vmap({0}, tuple([0 if m else None for m in mapped]), axis_size=n)(*xs), True))")  # fmt: skip
    xs = [b.operand("f"), *operands(b, 1)]
    called(b, room, "with_vmap", Style(after=rule), "{f0}_ruled", xs, closes=False, results=1)


@construct("pmap", jax=False)
def pmap(b, room):
    """The rows of the first axis on the devices there are: all on one, if it is the only one."""
    x = b.operand("f", lambda v: v.ndim and 0 < v.shape[0])
    body = b.inner([x.example[0]], room, loops=True, closes=False)
    body.result()

    def run(statement, env):
        rows = env[statement.ins[0]]
        made = run_rows(statement.bodies[0], [[rows[i]] for i in range(rows.shape[0])], env)
        return (fnp.stack([ys[0] for ys in made]),)

    b.hold("pmap", "fl.pmap({f0}, devices=fl.devices()[:1])({0})", [x], [body], run)


def outside_names(b):
    if b.scope.inside:
        raise Rejected
    return b


@construct("grad")
def grad(b, room):
    """A derivative inside the program; values the function closes over vary as well.

    Not under a named axis, where the gradient in what rows share is by design that of the sum of their losses.
    """
    x = outside_names(b).operand("f")
    body = b.inner([x.example], room)
    y = body.result()
    body.scope.style = Style(last="fnp.sum({0})" if y.ndim else "")

    def run(statement, env):
        plainly(statement, env)
        f = traced(statement.bodies[0], env)
        return (fl.grad(lambda x: fnp.sum(f(x)[0]))(env[statement.ins[0]]),)

    b.hold("grad", "fl.grad({f0})({0})", [x], [body], run)


@construct("jvp")
def jvp(b, room):
    x = b.operand("f")
    t = b.alike(x)
    body = b.inner([x.example], room)
    body.result()

    def run(statement, env):
        x, t = (env[v] for v in statement.ins)
        run_body(statement.bodies[0], [x], env)
        f = traced(statement.bodies[0], env)
        return fl.jvp(lambda x: f(x)[0], (x,), (t,))

    b.hold("jvp", "fl.jvp({f0}, ({0},), ({1},))", [x, t], [body], run)


@construct("vjp")
def vjp(b, room):
    x = outside_names(b).operand("f")
    body = b.inner([x.example], room)
    y = body.result()
    ct = b.constant(y.shape)

    def run(statement, env):
        x, ct = (env[v] for v in statement.ins)
        run_body(statement.bodies[0], [x], env)
        f = traced(statement.bodies[0], env)
        return fl.vjp(lambda x: f(x)[0], x)[1](ct)

    b.hold("vjp", "fl.vjp({f0}, {0})[1]({1})[0]", [x, ct], [body], run)


@construct("vmap")
def vmap(b, room):
    """A mapped function of one or two operands, along any axes; the mapped axis may have a name."""
    x = b.operand("f", lambda v: v.ndim and 0 < v.shape[0])
    xs, axes, n = [x], [b.choices.integer(x.ndim - 1)], x.shape[0]
    n = x.shape[axes[0]]
    if b.choices.chance(2):
        y = b.operand("f")
        xs.append(y)
        axes.append(b.among(None, *[k for k, size in enumerate(y.shape) if size == n]))
    rows = lambda xs, i: [x if a is None else fnp.moveaxis(x, a, 0)[i] for x, a in zip(xs, axes, strict=True)]
    name = f"i{b.nesting}" if b.choices.chance(2) else None
    body = b.inner(rows([x.example for x in xs], 0), room, loops=True, named=((name, n),) if name else ())
    y = body.result()
    out = b.among(0, *range(1, y.ndim + 1))

    def run(statement, env):
        made = run_rows(statement.bodies[0], [rows([env[v] for v in statement.ins], i) for i in range(n)], env)
        return (fnp.stack([ys[0] for ys in made], out),)

    arguments = ", ".join([f"{{{k}}}" for k in range(len(xs))])
    options = "" if axes == [0] else f", in_axes={axes[0] if len(axes) == 1 else tuple(axes)}"
    options += f", out_axes={out}" if out else ""
    options += f', axis_name="{name}"' if name else ""
    b.hold("vmap", f"fl.vmap({{f0}}{options})({arguments})", xs, [body], run)
