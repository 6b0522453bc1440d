"""What somebody who gave an unknown name, of an option or of a parameter, may have meant."""

import difflib
from collections.abc import Iterable

ALIKE = 0.6  # of the letters, as difflib counts them


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like this one, upper and lower case being alike; None where none is like it."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=ALIKE)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'name'?" or nothing, to stand at the end of a message."""
    name = closest(word, known)
    return "" if name is None else f"; did you mean {name!r}?"
