"""Unpacks archives of which nobody knows who made them: all or nothing, and never outside."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FILTER_ERROR = getattr(tarfile, "FilterError", ())  # not in Python before 3.10.12 and 3.11.4
ENCRYPTED = 0x1 | 0x40  # flags of an entry of a zip: with a password, in the old and the newer way


class FetchError(Exception):
    """A download or an archive is not good; the message says what to do."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold, itself and each one in it: a bomb is small until unpacked.

    The largest of the benchmarks, Food-101, has 101,000 images in 5 GB.

    Attributes:
        gigabytes: of content, 10**9 bytes each.
        entries: files and folders.
    """

    gigabytes: float = 20
    entries: int = 500_000


class _Counted:
    """Adds up the entries of one archive and refuses what goes over the limits."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive, self.limits = archive, limits
        self.entries = self.bytes = 0

    def add(self, size: int) -> None:
        self.entries += 1
        self.bytes += size
        if self.entries > self.limits.entries:
            found, option = f"more than {self.limits.entries:,} entries", "--max-entries"
        elif self.bytes > self.limits.gigabytes * 1e9:
            found, option = f"more than {self.limits.gigabytes:g} GB unpacked", "--max-gigabytes"
        else:
            return
        raise FetchError(
            f"{self.archive} holds {found}: nothing was unpacked. If that is as it should be, "
            f"raise {option}."
        )


def unpack(archive: Path, folder: Path, *, take: str = "", limits: Limits | None = None) -> None:
    """Unpacks a tar or zip into `folder`, all or nothing.

    Args:
        archive: the file.
        folder: gets the content.
        take: a folder in the archive whose content alone is wanted.
        limits: the usual ones by default.

    Raises:
        FetchError: it is damaged, encrypted or larger than the limits, or an entry, a link in it
            or a link that is there leads out of the folder.
    """
    counted = _Counted(archive, limits or Limits())
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as temporary:
        try:
            if zipfile.is_zipfile(archive):
                _unzip(archive, temporary, counted)
            else:
                _untar(archive, temporary, counted)
        except FILTER_ERROR as error:
            raise FetchError(f"{archive} is not safe, nothing was unpacked: {error}") from error
        except NotImplementedError as error:  # a way of packing that Python does not know
            raise FetchError(
                f"{archive} cannot be unpacked here ({error}). Unpack it by hand."
            ) from error
        except OSError as error:
            if error.errno is not None:  # the disk's, not the archive's
                raise FetchError(f"{archive} could not be unpacked: {error}") from error
            raise FetchError(_damaged(archive, error)) from error
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            EOFError,
            zlib.error,
            lzma.LZMAError,
        ) as error:
            raise FetchError(_damaged(archive, error)) from error
        content = Path(temporary, take)
        if not content.is_dir():
            raise FetchError(f"{archive} does not hold the folder {take}: the source has changed.")
        for entry in sorted(content.iterdir()):
            _check(archive, entry, folder / entry.name, folder)
        for entry in sorted(content.iterdir()):
            _move(entry, folder / entry.name)


def _damaged(archive: Path, error: Exception) -> str:
    return f"{archive} is damaged, nothing was unpacked ({error}). Delete it and call again."


def _untar(archive: Path, folder: str, counted: _Counted) -> None:
    def counting(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        counted.add(member.size)  # before its content is read
        return tarfile.data_filter(member, path)

    with tarfile.open(archive) as file:
        if hasattr(tarfile, "data_filter"):
            file.extractall(folder, filter=counting)
        else:
            file.extractall(folder, members=_safe_members(file, archive, folder, counted))


def _safe_members(
    file: tarfile.TarFile, archive: Path, folder: str, counted: _Counted
) -> Iterator[tarfile.TarInfo]:
    """What tarfile's `data` filter lets through, for a Python without it; asked one by one.

    Raises:
        FetchError: an entry or a link leads out of the folder, or is no file, folder or link.
    """
    root = Path(os.path.realpath(folder))
    for member in file:
        counted.add(member.size)
        name, fault = member.name, ""
        if not _is_inside(root, name):
            fault = "is outside"
        elif member.issym() or member.islnk():
            start = os.path.dirname(name) if member.issym() else ""
            if os.path.isabs(member.linkname) or not _is_inside(root, start, member.linkname):
                fault = "is a link that leads out"
        elif not member.isreg() and not member.isdir():
            fault = "is no file, folder or link"
        if fault:
            raise FetchError(f"{archive} is not safe, nothing was unpacked: {name!r} {fault}.")
        member.mode = member.mode & 0o755 | (0o700 if member.isdir() else 0o600)
        member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
        yield member


def _is_inside(root: Path, *parts: str) -> bool:
    """Whether a path leads below `root` through the links that are there by now."""
    return Path(os.path.realpath(os.path.join(root, *parts))).is_relative_to(root)


def _unzip(archive: Path, folder: str, counted: _Counted) -> None:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            counted.add(member.file_size)  # no more is read of it
            name, path = member.filename, PurePosixPath(member.filename.replace("\\", "/"))
            if member.flag_bits & ENCRYPTED:
                raise FetchError(
                    f"{archive} is encrypted, nothing was unpacked: {name!r} needs a password. "
                    "Unpack it by hand, with the password of its publisher."
                )
            if path.is_absolute() or ".." in path.parts or ":" in path.as_posix():
                raise FetchError(
                    f"{archive} is not safe, nothing was unpacked: {name!r} is outside."
                )
            if stat.S_ISLNK(member.external_attr >> 16):
                raise FetchError(
                    f"{archive} is not safe, nothing was unpacked: {name!r} is a link."
                )
        file.extractall(folder)


def refuse_links(path: Path, root: Path) -> None:
    """Refuses a link at `path`, or on the way to it from `root`: writing would go elsewhere.

    Raises:
        FetchError: there is one; `root` itself may be one.
    """
    for place in (path, *path.parents):
        if place == root:
            return
        if place.is_symlink():
            raise FetchError(
                f"{place} is a link (to {os.readlink(place)}), nothing was written through it. "
                "Move it away, or give the folder that it stands for as --root."
            )


def _check(archive: Path, source: Path, target: Path, folder: Path) -> None:
    """Refuses links that are there, and those of the archive that would lead out of `folder`."""
    if source.is_symlink():
        leads = os.path.normpath(target.absolute().parent / os.readlink(source))
        if not Path(leads).is_relative_to(folder.absolute()):
            raise FetchError(
                f"{archive} is not safe, nothing was unpacked: the link {source.name!r} leads out."
            )
    refuse_links(target, folder)
    if source.is_dir() and not source.is_symlink():
        for entry in source.iterdir():
            _check(archive, entry, target / entry.name, folder)


def _move(source: Path, target: Path) -> None:
    """Renames; folders that are there already get what is new."""
    if source.is_dir() and not source.is_symlink() and target.is_dir():
        for entry in sorted(source.iterdir()):
            _move(entry, target / entry.name)
    else:
        shutil.move(source, target)
