"""What may have been meant by an unknown name: one rule for options, targets, inputs and parameters."""

import difflib
from pathlib import Path

import pytest

import gradcheck_kit
from gradcheck_kit.spelling import closest, did_you_mean

WORDS = [
    ("lineerity", ["linearity", "layout"], "linearity"),
    ("LINEARITY", ["linearity", "layout"], "linearity"),
    ("w", ["b", "W"], "W"),
    ("--epoch", ["--epochs", "--examples"], "--epochs"),
    ("0.weight", ["1.weight", "0.weights"], "0.weights"),
    ("weight", ["W", "b"], None),
    ("anything", [], None),
    ("", ["W"], None),
]


@pytest.mark.parametrize(("word", "known", "meant"), WORDS)
def test_the_closest_name_is_the_one_that_may_have_been_meant(word: str, known: list[str], meant: str | None) -> None:
    assert closest(word, known) == closest(word, reversed(known)) == meant
    assert did_you_mean(word, iter(known)) == ("" if meant is None else f"; did you mean {meant!r}?")


@pytest.mark.parametrize("shared", range(1, 10))
def test_a_name_is_alike_from_six_letters_in_ten_on(shared: int) -> None:
    word, known = "a" * shared + "b" * (10 - shared), "a" * shared + "c" * (10 - shared)
    assert difflib.SequenceMatcher(None, word, known).ratio() == shared / 10
    assert closest(word, [known]) == (known if shared >= 6 else None)


def test_nothing_else_in_the_package_compares_spellings_by_a_rule_of_its_own() -> None:
    package = Path(gradcheck_kit.__file__).parent
    users = [file.name for file in package.rglob("*.py") if "difflib" in file.read_text(encoding="utf-8")]
    assert users == ["spelling.py"]
