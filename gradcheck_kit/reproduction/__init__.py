"""How can this be repeated? Lines to paste into a fresh interpreter, from a subject and the options of a check."""
