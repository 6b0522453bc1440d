"""What runs of `gradcheck-kit parity` need: the pair in a folder of its own, and few images in place of MNIST."""

import shutil
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pair lies and the command runs, with a cache of its own."""
    shutil.copy(Path(__file__).with_name("parity_pair.py"), tmp_path / "pair.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """250 images of blobs where the real data are loaded; those have checksums that no others fulfil."""
    from gradcheck_kit.cli import mnist_run  # torch is not everywhere that these tests are
    from reference_impls.datasets import mnist

    generator = np.random.default_rng(0)
    labels = (np.arange(300) % 10).astype(np.uint8)
    blobs = generator.integers(0, 256, (10, 28, 28))
    images = (0.7 * blobs[labels] + 0.3 * generator.integers(0, 256, (300, 28, 28))).astype(np.uint8)
    data = mnist.MNIST(images[:250], labels[:250], images[250:], labels[250:])
    monkeypatch.setattr(mnist_run.mnist, "load", lambda *_, **__: data)
