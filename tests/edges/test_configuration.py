"""`[tool.gradcheck_kit]`: found upwards, and a misspelt key is an error that says which was meant."""

from pathlib import Path

import pytest

from gradcheck_kit.cli import configuration
from gradcheck_kit.subject import UsageError


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_nearest_file_with_our_table_is_read(tmp_path: Path) -> None:
    written(tmp_path, "[tool.gradcheck_kit]\nseed = 7\nrequire = 1e-8\n[tool.gradcheck_kit.inventory]\nwaivers = []\n")
    inner = written(tmp_path / "a" / "b", "[project]\nname = 'x'\n")
    found = configuration.read(inner)
    assert found.path == tmp_path / "pyproject.toml"
    assert found.get("seed", 0) == 7
    assert found.get("examples", 200) == 200
    assert found.table("inventory", keys=("waivers",)) == {"waivers": []}


def test_without_a_table_there_are_the_defaults(tmp_path: Path) -> None:
    found = configuration.read(written(tmp_path, "[tool.gradcheck_kit]\n"))
    assert (dict(found.values), dict(found.table("inventory", keys=("waivers",)))) == ({}, {})


BAD = {
    "a misspelt key": ("[tool.gradcheck_kit]\nexmaples = 3\n", "did you mean 'examples'?"),
    "no key like it": ("[tool.gradcheck_kit]\nzzz = 3\n", "The keys are seed, require"),
    "a negative seed": ("[tool.gradcheck_kit]\nseed = -1\n", "seed = -1; write a non-negative integer"),
    "a seed that is a truth value": ("[tool.gradcheck_kit]\nseed = true\n", "seed = True; write a non-negative"),
    "no examples": ("[tool.gradcheck_kit]\nexamples = 0\n", "examples = 0; write a positive integer"),
    "a resolution of 2": ("[tool.gradcheck_kit]\nrequire = 2.0\n", "write a relative resolution between 0 and 1"),
    "an unknown format": ('[tool.gradcheck_kit]\nformat = "xml"\n', "write one of text, json"),
    "an unknown dtype": ('[tool.gradcheck_kit]\ndtype = "double"\n', "write one of float64, float32"),
    "a table that is a number": ("[tool.gradcheck_kit]\ninventory = 3\n", "write [tool.gradcheck_kit.inventory]"),
    "our table a number": ("[tool]\ngradcheck_kit = 3\n", "write a table [tool.gradcheck_kit]"),
    "no TOML": ("[tool.gradcheck_kit\n", "is no TOML"),
    "a misspelt key of a sub-table": ("[tool.gradcheck_kit.inventory]\nwaiver = []\n", "did you mean 'waivers'?"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_meant_is_an_error_that_says_what_to_write(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        configuration.read(written(tmp_path, text)).table("inventory", keys=("waivers",))
    assert words in str(error.value)
    assert str(tmp_path / "pyproject.toml") in str(error.value)
