"""How branches and loops stand in drawn programs; each with what Python does in its place."""

import functorch_lite.numpy as fnp
from functorch_lite.testing.examples.record import construct
from functorch_lite.testing.scope import Style, run_body


def operands(b, most=2):
    """Up to `most` floats that a construct is given."""
    return [b.operand("f") for _ in range(b.choices.integer(most))]


def listed(text, xs, first=0):
    """Source of the operands `first`, `first + 1`, ... after `text`."""
    return ", ".join([text, *[f"{{{first + k}}}" for k in range(len(xs))]])


@construct("cond")
def cond(b, room):
    p, xs = b.predicate(), operands(b)
    yes = b.inner([x.example for x in xs], room)
    outs = [yes.result() for _ in range(1 + b.choices.integer(1))]
    no = b.inner([x.example for x in xs], room - yes.scope.size())
    for v in outs:
        no.result_like(v.example)

    def run(statement, env):
        body = statement.bodies[0 if env[statement.ins[0]] else 1]
        return run_body(body, [env[v] for v in statement.ins[1:]], env)

    b.hold("cond", listed("lax.cond({0}, {f0}, {f1}", xs, 1) + ")", [p, *xs], [yes, no], run)


@construct("cond")
def switch(b, room):
    """Three branches; the index may lie outside, where the nearest branch is taken."""
    i = b.emit("convert", f"2 * {{0}}.astype('int32') - {b.choices.integer(2)}", b.predicate())
    xs = operands(b)
    first = b.inner([x.example for x in xs], room)
    like, branches = first.result().example, [first]
    for _ in range(2):
        branches.append(b.inner([x.example for x in xs], 2))
        branches[-1].result_like(like)

    def run(statement, env):
        k = min(max(int(env[statement.ins[0]]), 0), 2)
        return run_body(statement.bodies[k], [env[v] for v in statement.ins[1:]], env)

    b.hold("cond", listed("lax.switch({0}, [{f0}, {f1}, {f2}]", xs, 1) + ")", [i, *xs], branches, run)


@construct("scan")
def scan(b, room):
    """One or two carried values, rows or none, rows of results or none, from either end."""
    carry = [b.operand("f") for _ in range(1 + b.choices.integer(1))]
    rows = [b.operand("f", lambda v: v.ndim and 0 < v.shape[0] <= 4)] if b.choices.chance(2) else []
    m, n = len(carry), rows[0].shape[0] if rows else 1 + b.choices.integer(2)
    options = b.among("", ", reverse=True") + b.among("", "", ", unroll=2")
    body = b.inner([*[v.example for v in carry], *[v.example[0] for v in rows]], room, loops=True)
    for v in carry:
        body.result_like(v.example)
    if collects := b.choices.chance(2):
        body.result()
    backward, last = "reverse" in options, f"{{{m}}}" if collects else "None"
    row = f"{{{m}}}" if rows else "_"
    body.scope.style = (
        Style(signature=f"{{0}}, {row}", last=f"{{0}}, {last}") if m == 1 else
        Style(signature=f"carry, {row}", opening="{0}, {1} = carry", last=f"({{0}}, {{1}}), {last}"))  # fmt: skip

    def run(statement, env):
        state, xs = [env[v] for v in statement.ins[:m]], [env[v] for v in statement.ins[m:]]
        made = []
        for k in reversed(range(n)) if backward else range(n):
            results = run_body(statement.bodies[0], [*state, *[x[k] for x in xs]], env)
            state, made = results[:m], [*made, *results[m:]]
        return (*state, fnp.stack(made[::-1] if backward else made)) if collects else state

    source = f"{{{m}}}" if rows else f"None, length={n}"
    start, got = ("{0}", "{0}") if m == 1 else ("({0}, {1})", "({0}, {1})")
    outs = f"{got}, {last}" if collects else f"{got}, _"
    b.hold("scan", f"lax.scan({{f0}}, {start}, {source}{options})", [*carry, *rows], [body], run, outs)


@construct("while_loop")
def while_loop(b, room):
    """A loop that counts and, where jumps are admitted, looks at what it carries."""
    start, n = b.operand("f"), b.choices.integer(3)
    body = b.inner([start.example], room, loops=True)
    body.result_like(start.example)
    body.scope.style = Style(signature="state", opening="turn, {0} = state", last="turn + 1, {0}")
    bound = None if b.plan.smooth or b.choices.chance(2) else b.scalar()
    test = f"s[0] < {n}" if bound is None else f"(s[0] < {n}) & (fnp.sum(s[1]) < {bound})"

    def run(statement, env):
        x = env[statement.ins[0]]
        for _ in range(n):
            if bound is not None and not fnp.sum(x) < float(bound):
                break
            x, = run_body(statement.bodies[0], [x], env)
        return (x,)

    b.hold("while_loop", f"lax.while_loop(lambda s: {test}, {{f0}}, (0, {{0}}))", [start], [body], run, "_, {0}")


@construct("progress", jax=False)
def watched(b, room):
    """A loop with a bar that nobody sees."""
    start = b.operand("f")
    body = b.inner([start.example], room, loops=True)
    body.result_like(start.example)
    body.scope.style = Style(signature="{0}, _", last="{0}, None")

    def run(statement, env):
        x = run_body(statement.bodies[0], [env[statement.ins[0]]], env)
        return run_body(statement.bodies[0], x, env)

    bar = "bar=lambda **_: type('Bar', (), dict(update=lambda *_: None, close=lambda *_: None))()"
    b.hold("progress", f"lax.scan(fl.progress({{f0}}, {bar}), {{0}}, None, length=2)[0]", [start], [body], run)


@construct("scan")
def fori_loop(b, room):
    """A loop whose body may use its index."""
    start, low, n = b.operand("f"), b.choices.integer(1), b.choices.integer(3)
    body = b.inner([fnp.array(low, "int32"), start.example], room, loops=True)
    body.result_like(start.example)

    def run(statement, env):
        x = env[statement.ins[0]]
        for i in range(low, n):
            x, = run_body(statement.bodies[0], [fnp.array(i, "int32"), x], env)
        return (x,)

    b.hold("scan", f"lax.fori_loop({low}, {n}, {{f0}}, {{0}})", [start], [body], run)
