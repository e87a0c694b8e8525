"""Downloads what is openly available: `python -m datasets.fetch <name ...> [--root data]`.

An interrupted download goes on where it stopped. An archive is unpacked beside its place and moved
there when all of it is good: there is never half of one. What has to be done by hand is printed,
and what could not be verified, since its publisher gives no checksum.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path, PurePosixPath

import requests
from tqdm import tqdm

from datasets.sources import SOURCES, Download, Source, named
from datasets.unpacking import FetchError, Limits, refuse_links, unpack

CHUNK_BYTES = 1 << 16
TIMEOUT_SEC = 30


def fetch(source: Source, root: str, limits: Limits | None = None) -> list[str]:
    """Makes everything of `source.downloads` that is not there yet.

    Returns:
        What was downloaded and could not be verified, in words.

    Raises:
        FetchError: a download is incomplete or damaged, or an archive is unsafe.
    """
    unverified = []
    for item in source.downloads:
        target = Path(root, item.makes)
        if target.exists():
            print(f"{target} is there (to fetch it anew, move it away)")
            continue
        folder = target.parent if item.into is None else Path(root, item.into)
        refuse_links(folder, Path(root))
        folder.mkdir(parents=True, exist_ok=True)
        archive = target if item.into is None else folder / _file_name(item)
        download(item, archive)
        if not item.md5 and not item.sha256:
            unverified.append(_unverified(item, archive))
        if item.into is None:
            continue
        unpack(archive, folder, take=item.take, limits=limits)
        if item.inner:
            inner = folder / item.inner
            unpack(inner, inner.parent, limits=limits)
            inner.unlink()
        if not target.exists():
            raise FetchError(f"{archive} does not hold {item.makes}: the source has changed.")
        archive.unlink()
        print(f"{target} is complete")
    return unverified


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
    refuse_links(part, part.parent)
    if item.url:
        _from_url(item.url, part)
    else:
        _from_drive(item.drive, part)
    wrong = _wrong(item, part)
    if wrong:
        part.unlink()
        raise FetchError(
            f"{item.url or item.drive}: {wrong}. The download was deleted; try again, or get the "
            "file from another place."
        )
    os.replace(part, path)


def _wrong(item: Download, path: Path) -> str:
    """What of a downloaded file is not as it should be; "" where nothing is."""
    size = path.stat().st_size
    if item.size and size != item.size:
        return f"it has {size:,} bytes, expected {item.size:,}"
    for algorithm, expected in (("md5", item.md5), ("sha256", item.sha256)):
        if expected and (found := _digest(path, algorithm)) != expected:
            return f"the checksum is {found}, expected {expected}"
    return ""


def _unverified(item: Download, path: Path) -> str:
    checked = "its size alone" if item.size else "nothing of it"
    return (
        f"{item.makes}: no checksum is published, {checked} could be checked; what came has "
        f"{path.stat().st_size:,} bytes and the sha256 {_digest(path, 'sha256')}"
    )


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
            if url.startswith("https:") and not answer.url.startswith("https:"):
                raise FetchError(
                    f"{url} leads to {answer.url}, which anybody on the way can change."
                )
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


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Fetches the data sets of the command line; 1 if something failed or is left to be done."""
    parser = argparse.ArgumentParser(prog="python -m datasets.fetch", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="name", help=f"of: {', '.join(SOURCES)}")
    parser.add_argument("--root", default="data", help="DATASET.ROOT (default: data)")
    usual = Limits()
    parser.add_argument(
        "--max-gigabytes", type=float, default=usual.gigabytes, metavar="GB",
        help="refuse archives that unpack to more (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-entries", type=int, default=usual.entries, metavar="N",
        help="refuse archives with more files and folders (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    limits = Limits(options.max_gigabytes, options.max_entries)
    try:
        names = named(options.names)
    except ValueError as error:
        parser.error(str(error))
    code, unverified = 0, []
    for name in names:
        source = SOURCES[name]
        try:
            unverified += fetch(source, options.root, limits)
        except (FetchError, OSError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            code = 1
        if source.by_hand:
            steps = "\n".join(f"  {i}. {step}" for i, step in enumerate(source.by_hand, 1))
            print(f"{name} cannot be downloaded whole ({source.page}). In {options.root}:\n{steps}")
            code = 1
    for line in unverified:
        print(f"Not verified: {line}")
    print(f"Then: python -m datasets.check {options.root} {' '.join(names)}")
    return code


if __name__ == "__main__":
    sys.exit(main())
