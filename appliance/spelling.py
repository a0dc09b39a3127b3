"""The nearest word that is known, for the end of a refusal."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(word: str, known: Collection[str], *, cutoff: float = 0.5) -> str | None:
    """The known word most like `word`, capitals aside; None where none is. cutoff: how alike, 0…1."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=cutoff)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, known: Collection[str]) -> str:
    """The end of a sentence about a word that is not known: the nearest known one, or all of them."""
    close = nearest(word, known)
    if close is not None:
        return f". Did you mean {close!r}?"
    return f". There is {', '.join(known)}." if known else ""
