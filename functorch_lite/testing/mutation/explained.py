"""Why no law finds some mutants: they compute the same, or something else that is right too."""

from __future__ import annotations

# (part of the place, part of the change) -> the reason
EXPLAINED: dict[tuple[str, str], str] = {}


def explanation(place: str, text: str) -> str | None:
    """What is known of a survivor."""
    for (where, what), why in EXPLAINED.items():
        if where in place and what in text:
            return why
    return None
