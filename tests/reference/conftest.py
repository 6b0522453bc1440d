"""The fixture of the tests that look for MNIST: a cache of their own."""

import sys
from pathlib import Path

import pytest

from reference_impls.datasets import mnist
from tests.reference.small_mnist import FILES


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory that `load` uses, with the small files as MNIST and nothing explicit."""
    monkeypatch.setattr(mnist, "FILES", FILES)
    monkeypatch.setattr(mnist, "SOURCES", ())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache home"))
    monkeypatch.delenv("GRADCHECK_KIT_MNIST", raising=False)
    directory = tmp_path / "cache home" / "gradcheck-kit" / "mnist"
    directory.mkdir(parents=True)
    return directory
