"""How the primitives of `prims/index.py` stand in drawn programs; indices stay in bounds."""

from functorch_lite.testing.examples.record import example


def position(b, size):
    """A source of an index below `size` that is computed, or of a constant one."""
    found = [v for v in b.scope.visible() if v.kind == "i" and v.ndim == 0]
    if found and b.choices.chance(2):
        i = b.choose(found)
        return b.emit("rem", f"{{0}} % {size}", i)
    return str(b.choices.integer(size - 1))


@example("gather")
def take(b):
    x = b.operand("ficb", lambda v: v.ndim and v.shape[0])
    rows = [b.choices.integer(x.shape[0] - 1) for _ in range(1 + b.choices.integer(2))]
    b.emit("gather", f"{{0}}[fnp.array({rows})]", x)


@example("gather", kinds="i")
def take_computed(b):
    x = b.operand("f", lambda v: v.ndim and v.shape[0])
    i = b.emit("rem", f"{{0}} % {x.shape[0]}", b.operand("i", lambda v: v.ndim < 2))
    b.emit("gather", "{0}[{1}]", x, i)


@example("dynamic_slice")
def dynamic_slice(b):
    x = b.operand("f", lambda v: v.ndim and v.shape[0])
    n = 1 + b.choices.integer(x.shape[0] - 1)
    b.emit("dynamic_slice", f"lax.dynamic_slice_in_dim({{0}}, {{1}}, {n})", x, position(b, x.shape[0] - n + 1))


@example("dynamic_update_slice")
def dynamic_update_slice(b):
    x = b.operand("f", lambda v: v.ndim and v.shape[0])
    y = b.operand("f", lambda v: v.shape == x.shape[1:] and v.dtype == x.dtype)
    i = position(b, x.shape[0])
    b.emit("dynamic_update_slice", "lax.dynamic_update_index_in_dim({0}, {1}, {2}, 0)", x, y, i)


@example("dynamic_update_slice")
def put(b):
    x = b.operand("f", lambda v: v.ndim and v.shape[0])
    y = b.operand("f", lambda v: v.shape == x.shape[1:] and v.dtype == x.dtype)
    b.emit("dynamic_update_slice", "{0}.at[{2}].set({1})", x, y, position(b, x.shape[0]))


@example("scatter")
def put_distinct(b):
    """Rows at indices that differ."""
    x = b.operand("f", lambda v: v.ndim and v.shape[0])
    y = b.operand("f", lambda v: v.shape == x.shape[1:] or v.ndim == 0)
    b.emit("scatter", f"{{0}}.at[fnp.array({distinct(b, x)})].set({{1}})", x, y)


def distinct(b, x):
    return list(dict.fromkeys([b.choices.integer(x.shape[0] - 1) for _ in range(1 + b.choices.integer(2))]))


for _name, _method in [("scatter_add", "add"), ("scatter_mul", "multiply")]:

    @example(_name)
    def put_rows(b, name=_name, method=_method):
        """Rows at indices that may be equal."""
        x = b.operand("f", lambda v: v.ndim and v.shape[0])
        rows = [b.choices.integer(x.shape[0] - 1) for _ in range(1 + b.choices.integer(2))]
        if method == "multiply":
            rows = list(dict.fromkeys(rows))
        y = b.operand("f", lambda v: v.shape == x.shape[1:] or v.ndim == 0)
        unique = ", unique_indices=True" if method == "multiply" else ""
        b.emit(name, f"{{0}}.at[fnp.array({rows})].{method}({{1}}{unique})", x, y)


for _name, _method in [("scatter_min", "min"), ("scatter_max", "max")]:

    @example(_name)
    def put_extreme(b, name=_name, method=_method):
        x = b.operand("f", lambda v: v.ndim and v.shape[0])
        y = b.operand("f", lambda v: v.shape == x.shape[1:])
        k = distinct(b, x)
        b.emit(name, f"{{0}}.at[fnp.array({k})].{method}({{1}})", x, y, check=b.check(lambda x, y: x[k] - y))
