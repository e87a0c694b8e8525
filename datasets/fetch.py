"""Downloads what is openly available: `python -m datasets.fetch <name ...> [--root data]`.

An interrupted download goes on where it stopped. An archive is unpacked beside its place and moved
there when all of it is good: there is never half of one. What has to be done by hand is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import requests
from tqdm import tqdm

from datasets.sources import SOURCES, Download, Source, named

CHUNK_BYTES = 1 << 16
TIMEOUT_SEC = 30


class FetchError(Exception):
    """A download or an archive is not good; the message says what to do."""


def fetch(source: Source, root: str) -> None:
    """Makes everything of `source.downloads` that is not there yet.

    Raises:
        FetchError: a download is incomplete or damaged, or an archive is unsafe.
    """
    for item in source.downloads:
        target = Path(root, item.makes)
        if target.exists():
            print(f"{target} is there (to fetch it anew, move it away)")
            continue
        if item.into is None:
            download(item, target)
            continue
        folder = Path(root, item.into)
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / _file_name(item)
        download(item, archive)
        unpack(archive, folder, take=item.take)
        if item.inner:
            inner = folder / item.inner
            unpack(inner, inner.parent)
            inner.unlink()
        if not target.exists():
            raise FetchError(f"{archive} does not hold {item.makes}: the source has changed.")
        archive.unlink()
        print(f"{target} is complete")


def _file_name(item: Download) -> str:
    return PurePosixPath(item.url).name if item.url else f"{PurePosixPath(item.makes).name}.zip"


def download(item: Download, path: Path) -> None:
    """Downloads to `path` by way of `<path>.part`, which a later call goes on with.

    Raises:
        FetchError: the transfer broke off, or the checksum is wrong (then the part is deleted).
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    if item.url:
        _from_url(item.url, part)
    else:
        _from_drive(item.drive, part)
    if item.md5:
        found = _md5(part)
        if found != item.md5:
            part.unlink()
            raise FetchError(
                f"{item.url or item.drive}: the checksum is {found}, expected {item.md5}. The "
                "download was deleted; try again, or get the file from another place."
            )
    os.replace(part, path)


def _from_url(url: str, part: Path) -> None:
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SEC) as answer:
            if answer.status_code == 416:  # nothing is left to get
                if answer.headers.get("Content-Range", "").rsplit("/", 1)[-1] == str(start):
                    return
                part.unlink()
                raise FetchError(f"{url}: the part was of another file and is deleted. Call again.")
            answer.raise_for_status()
            if answer.status_code != 206:  # the server begins anew
                start = 0
            length = int(answer.headers.get("Content-Length", 0))
            total = start + length if length else None
            with (
                open(part, "ab" if start else "wb") as file,
                tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=url) as bar,
            ):
                for chunk in answer.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    bar.update(len(chunk))
    except requests.RequestException as error:
        raise FetchError(f"{url}: {error}. Call again to go on with it.") from error
    if total and part.stat().st_size != total:
        raise FetchError(
            f"{url} broke off after {part.stat().st_size:,} of {total:,} bytes. Call again to go "
            "on with it."
        )


def _from_drive(identity: str, part: Path) -> None:
    import gdown

    try:
        made = gdown.download(id=identity, output=str(part), resume=True)
    except Exception as error:  # gdown has many kinds
        raise FetchError(f"Google Drive file {identity}: {error}") from error
    if not made:
        raise FetchError(f"Google Drive file {identity} could not be downloaded. Try again later.")


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(archive: Path, folder: Path, *, take: str = "") -> None:
    """Unpacks a tar or zip into `folder`, all or nothing.

    Args:
        archive: the file.
        folder: gets the content.
        take: a folder in the archive whose content alone is wanted.

    Raises:
        FetchError: it is damaged, or an entry or a link leads out of the folder.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as temporary:
        try:
            if zipfile.is_zipfile(archive):
                _unzip(archive, temporary)
            elif not hasattr(tarfile, "data_filter"):
                raise FetchError(
                    f"Python {sys.version.split()[0]} cannot unpack {archive} safely. Take "
                    "3.10.12, 3.11.4 or a newer one."
                )
            else:
                with tarfile.open(archive) as file:
                    file.extractall(temporary, filter="data")
        except tarfile.FilterError as error:
            raise FetchError(f"{archive} is not safe, nothing was unpacked: {error}") from error
        except OSError as error:
            if error.errno is not None:  # the disk's, not the archive's
                raise FetchError(f"{archive} could not be unpacked: {error}") from error
            raise FetchError(_damaged(archive, error)) from error
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise FetchError(_damaged(archive, error)) from error
        content = Path(temporary, take)
        if not content.is_dir():
            raise FetchError(f"{archive} does not hold the folder {take}: the source has changed.")
        for entry in sorted(content.iterdir()):
            _move(entry, folder / entry.name)


def _damaged(archive: Path, error: Exception) -> str:
    return f"{archive} is damaged, nothing was unpacked ({error}). Delete it and call again."


def _unzip(archive: Path, folder: str) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            path = PurePosixPath(member.filename.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.as_posix():
                raise FetchError(
                    f"{archive} is not safe, nothing was unpacked: {member.filename!r} is outside."
                )
            if stat.S_ISLNK(member.external_attr >> 16):
                raise FetchError(
                    f"{archive} is not safe, nothing was unpacked: {member.filename!r} is a link."
                )
        file.extractall(folder)


def _move(source: Path, target: Path) -> None:
    """Renames; folders that are there already get what is new."""
    if source.is_dir() and target.is_dir():
        for entry in sorted(source.iterdir()):
            _move(entry, target / entry.name)
    else:
        shutil.move(source, target)


def main(arguments: list[str] | None = None) -> int:
    """Fetches the data sets of the command line; 1 if something failed or is left to be done."""
    parser = argparse.ArgumentParser(prog="python -m datasets.fetch", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="name", help=f"of: {', '.join(SOURCES)}")
    parser.add_argument("--root", default="data", help="DATASET.ROOT (default: data)")
    options = parser.parse_args(arguments)
    try:
        names = named(options.names)
    except ValueError as error:
        parser.error(str(error))
    code = 0
    for name in names:
        source = SOURCES[name]
        try:
            fetch(source, options.root)
        except (FetchError, OSError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            code = 1
        if source.by_hand:
            steps = "\n".join(f"  {i}. {step}" for i, step in enumerate(source.by_hand, 1))
            print(f"{name} cannot be downloaded whole ({source.page}). In {options.root}:\n{steps}")
            code = 1
    print(f"Then: python -m datasets.check {options.root} {' '.join(names)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
