"""Whether an argument can be meant: a number that is no bool, an integer, a relative resolution."""

from numbers import Integral, Real


class UsageError(ValueError):
    """The call cannot be carried out as written; the message says what was passed and what to type instead."""


def as_number(value: object) -> float | None:
    """The number that a value is, of Python or NumPy; None where it is none, or a bool."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def as_integer(value: object, least: int | None = None) -> int | None:
    """The integer that a value is, of Python or NumPy; None where it is none, a bool, or below `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        return None
    number = int(value)
    return number if least is None or number >= least else None


def integer_in(text: str, least: int) -> int | None:
    """The integer that is typed in plain digits; None where something else is, or it is below `least`."""
    return as_integer(int(text), least) if text.isdecimal() else None


def integer(name: str, value: object, least: int, otherwise: str = "") -> int:
    """An argument that is an integer, as Python's own.

    Args:
        name: of the argument.
        value: what was passed.
        least: 0 or 1, the smallest that makes sense.
        otherwise: what else may be passed, to stand at the end of the message.

    Raises:
        UsageError: it is none (a bool and a float are none), or below `least`.
    """
    found = as_integer(value, least)
    if found is None:
        raise UsageError(f"{name}={value!r}; pass {INTEGERS[least]}, such as {name}={least}{otherwise}")
    return found


INTEGERS = ("a non-negative integer", "a positive integer")
"""What an integer is called whose least value is the position here."""


def as_resolution(value: object) -> float | None:
    """The relative gradient error that a value can mean; None where it is no number between 0 and 1."""
    number = as_number(value)
    return number if number is not None and 0.0 < number < 1.0 else None


RESOLUTION = "a relative resolution between 0 and 1, such as 1e-6"
