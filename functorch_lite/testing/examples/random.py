"""How the primitives of `prims/random.py` stand in drawn programs: numbers of constant keys."""

from functorch_lite.testing.examples.record import example


@example("random_bits")
def uniform(b):
    x = b.operand("f")
    key = f"fl.random.key({b.choices.integer(99)})"
    b.emit("random_bits", f"{{0}} + fl.random.uniform({key}, {x.shape}, '{b.plan.dtype}')", x)


@example("random_fold_in")
def folded(b):
    x = b.operand("f")
    key = f"fl.random.fold_in(fl.random.key({b.choices.integer(99)}), {b.choices.integer(9)})"
    b.emit("random_fold_in", f"{{0}} * fl.random.normal({key}, {x.shape}, '{b.plan.dtype}')", x)


@example("random_split")
def split(b):
    x = b.operand("f")
    key = f"fl.random.split(fl.random.key({b.choices.integer(99)}))[{b.choices.integer(1)}]"
    b.emit("random_split", f"{{0}} - fl.random.uniform({key}, {x.shape}, '{b.plan.dtype}')", x)
