"""Why no law finds some mutants: they compute the same, or something else that is right too."""

from __future__ import annotations

_GUARD = "the number only takes the place of one that is multiplied by 0 afterwards"
_FIRST = "the first element has none before it, so what stands in its place is never read"

# (part of the place, part of the change) -> the reason
EXPLAINED: dict[tuple[str, str], str] = {
    ("_jvp_base", "1 -> 2"): _GUARD,
    ("_jvp_exponent", "1 -> 2"): _GUARD,
    ("_jvp_sign", "1 -> 2"): _GUARD,
    ("prims/elementwise.py", "low -> y"): "below the bound y is the bound, and elsewhere neither is above x",
    ("prims/activation.py", "y -> x"): "x and relu(x) are positive together",
    ("prims/cumulative.py", "0 -> 1"): _FIRST,
    ("_jvp_set", "-> scatter(below"): "what lost is 0 and what won is last, so to write and to add are the same",
    ("_vmap_pad", "0 -> 1"): "what is padded with is overwritten",
    ("_slice_of_joined", "before + part.shape[axis]"): "a slice is then not looked for inside what was joined",
}


def explanation(place: str, text: str) -> str | None:
    """What is known of a survivor."""
    for (where, what), why in EXPLAINED.items():
        if where in place and what in text:
            return why
    return None
