"""The library's advice in the words of the command line: options in the place of Python's keywords."""

import contextlib
import re
from collections.abc import Iterator, Sequence

from gradcheck_kit.subject import UsageError

TYPED = (
    (
        r"; one that returns \(value, gradient\) is passed as gk\.check\(.*\[1\]\)",
        "; take (value, gradient) apart into two functions",
    ),
    (r"vjp=your_backward", "--vjp NAME"),
    (r"with vjp=", "with --vjp NAME"),
    (r"\bwrt='([^']*)'", r"--wrt \1"),
    (r"\b(\w+)=\('n', 3\)", r"\1=n,3"),
    (r"gk\.axes\(\.\.\., within=\(low, high\)\)", "NAME=AXES:low..high"),
)


def as_typed(message: str, table: Sequence[tuple[str, str]] = TYPED) -> str:
    """The message, where Python's keywords have become options by a table of patterns and replacements."""
    for keyword, option in table:
        message = re.sub(keyword, option, message)
    return message


@contextlib.contextmanager
def advice_as_typed() -> Iterator[None]:
    """A UsageError of the library leaves here in the words of the command line."""
    try:
        yield
    except UsageError as error:
        raise UsageError(as_typed(str(error))) from error
