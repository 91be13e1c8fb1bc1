"""Why no law finds some mutants: they compute the same, or something else that is right too."""

from __future__ import annotations

_GUARD = "the number only takes the place of one that is multiplied by 0 afterwards"
_ONE_UNIT = "a neighbouring float is inside every bound of rounding"
_EARLY = "a way out that is taken sooner or later; what is computed for nothing is 0"
_LAST = "on the host the last of several updates remains, so adding and writing zeros before it are the same"
_UNREACHED = "no case comes there: what joins pieces leaves one piece in every case that was found"
_SPACE = "what a saved value is kept in is wider than it needs to be, or one that is never read is another"
_POSITION = "positions of operands that these loops do not have: no constants and carried values at once"

# (part of the place, part of the change) -> the reason
EXPLAINED: dict[tuple[str, str], str] = {
    ("prims/elementwise.py", "_jvp_base: constant"): _GUARD,
    ("_jvp_base", "1 -> 2"): _GUARD,
    ("_jvp_exponent", "1 -> 2"): _GUARD,
    ("_jvp_sign", "1 -> 2"): _GUARD,
    ("_other_factors", "1 -> 2"): _GUARD,
    ("prims/elementwise.py", "low -> y"): "below the bound y is the bound, elsewhere neither is above x",
    ("prims/activation.py", "y -> x"): "x and relu(x) are positive together",
    ("prims/cumulative.py", "0 -> 1"): "the first element has none before it, so its factor is never read",
    ("_winners", "2 ** 31"): "arrays of two billion elements",
    ("_winners", "1 -> 2"): "the updates are numbered from another number on",
    ("_jvp_set", "scatter_add(below"): _LAST,
    ("_vmap_pad", "0 -> 1"): "what is padded with is overwritten",
    ("prims/slicing.py", "e.add(made, ct)"): _UNREACHED,
    ("_slice_of_joined", "before + part.shape[axis]"): "a slice is then not looked for inside what was joined",
    ("nextafter", "batching"): _ONE_UNIT,
    ("transforms/reverse.py", "any(out_active) -> all(out_active)"): _EARLY,
    ("_vmap_dot", "a + b -> a"): "letters of the second operand alone occur in no sum that has a mapped axis too",
    ("control/cond.py", "any(mask) -> all(mask)"): _EARLY,
    ("_split_starts", ""): "it is how starts are recorded, which is the function itself",
    ("control/record.py", ""): _SPACE,
    ("control/replay.py", ""): _POSITION,
    ("control/scan.py", "all(loop.parts(reached)[1])"): "a loop may be split before it is turned around",
}


def explanation(place: str, text: str) -> str | None:
    """What is known of a survivor."""
    for (where, what), why in EXPLAINED.items():
        if where in place and what in text:
            return why
    return None
