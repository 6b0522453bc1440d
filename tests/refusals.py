"""A call that cannot be carried out is refused by an exception that says why."""

from collections.abc import Callable, Iterable

import pytest


def expect_refusal(call: Callable[[], object], error: type[Exception], words: Iterable[str]) -> None:
    """The call raises `error`, and every one of `words` stands in what that says."""
    with pytest.raises(error) as caught:
        call()
    said = str(caught.value)
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"
