"""Which mutants cannot be told from the right code by any test, and why?

Each is named as the page names it: file, function, change. A name that no mutant has any more is an error.
"""

from collections.abc import Collection, Mapping, Sequence

Key = tuple[str, str, str]

EQUIVALENT: dict[Key, str] = {}


def check_stale(keys: Collection[Key], files: Sequence[str], table: Mapping[Key, str] = EQUIVALENT) -> None:
    """ValueError if the table names, in one of the files, a mutant that is not among the keys."""
    stale = sorted(key for key in table if key[0] in files and key not in set(keys))
    if stale:
        named = "\n".join(" | ".join(key) for key in stale)
        raise ValueError(f"benchmarks/mutation/equivalent.py names mutants that do not exist; take them out:\n{named}")
