"""Frozen features on disk: what one run has encoded, every later run of that data reads.

An entry is found by what its features depend on: weights, precision, device, transform, draft
decoding, batch size (it decides the last bits) and the images' paths, sizes and times. It is one
file, `<key>-<sha256 of the content>.pt`: written aside and renamed, so that it is whole for every
process, and checked when it is read, so that a damaged one is made again.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from promptkit import ranks
from promptkit.files import beside, checksum, sweep

FORMAT = 3  # raise it when the same key would mean other features
ENVIRONMENT = "PROMPTKIT_FEATURES"
TRAINING = "training"  # folder of training views, with a limit of its own
ENTRY = re.compile(r"[0-9a-f]{32}-[0-9a-f]{64}\.pt")
LIMIT_GB = 20.0
MAP_BYTES = 1 << 28  # larger entries are mapped, not read


def default_folder() -> Path:
    """$PROMPTKIT_FEATURES, or ~/.cache/promptkit/features."""
    return Path(os.environ.get(ENVIRONMENT) or "~/.cache/promptkit/features").expanduser()


def image_files_key(paths: list[str]) -> str:
    """Hash of paths, sizes and modification times, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        found = os.stat(path)
        line = f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))  # names may be of any encoding
    return digest.hexdigest()


class FeatureStore:
    """Entries in one folder.

    Args:
        folder: of the entries; made on the first write.
        limit_gb: above it the least recently used entries are deleted after a write.
    """

    def __init__(self, folder: Path, *, limit_gb: float = LIMIT_GB) -> None:
        self.folder, self.limit_gb = folder, limit_gb
        self._said: set[str] = set()

    def get(
        self, depends_on: dict[str, Any], compute: Callable[[], Tensor], *, say: bool = True
    ) -> Tensor:
        """The features that belong to `depends_on`, read or else computed and written.

        Args:
            depends_on: plain data, everything that decides the features.
            compute: makes them.
            say: print where they were read; what goes wrong is always said.
        """
        text = json.dumps({"format": FORMAT, **depends_on}, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        sweep(self.folder)
        path, features = self._find(key)
        if all(ranks.of_all(features is not None)):  # processes of one run make them together
            if say:
                print(f"Read the features of {len(features)} images from {path}")
            return features
        features = compute()
        if ranks.rank() > 0:
            return features
        try:
            self._write(key, features)
        except (OSError, RuntimeError) as error:  # a full or read-only disk is no reason to end
            # torch has no class for a write that fails, and does not name the file.
            reason = getattr(error, "strerror", None) or "the disk is full or cannot be written"
            place = getattr(error, "filename", None) or self.folder
            if reason not in self._said:  # once for all epochs of a run
                print(f"Image features are not kept: {place}: {reason}")
            self._said.add(reason)
        return features

    def _find(self, key: str) -> tuple[Path | None, Tensor | None]:
        """The entry of a key, and its features; None, None where there is none that is whole."""
        for path in sorted(self.folder.glob(f"{key}-*.pt")):
            features = self._read(path)
            if features is not None:
                return path, features
        return None, None

    def _read(self, path: Path) -> Tensor | None:
        try:
            if checksum(path) != path.stem.split("-")[1]:
                print(f"Stored image features {path} are damaged, they are made again")
                path.unlink()
                return None
            with contextlib.suppress(PermissionError):  # in a shared store: another user's
                os.utime(path)  # for the order of deletion
            mapped = path.stat().st_size > MAP_BYTES
            features = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except FileNotFoundError:  # another process deleted it
            return None
        except OSError as error:  # another user's, who lets nobody read it
            print(f"Stored image features {path} cannot be used: {error.strerror}")
            return None
        return features

    def _write(self, key: str, features: Tensor) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = beside(self.folder / key)
        try:
            # To a file, not to a path: torch writes a path's name into what it saves, and two
            # processes with the same features would make two entries.
            with open(partial, "wb") as file:
                torch.save(features.contiguous(), file)
            os.replace(partial, self.folder / f"{key}-{checksum(partial)}.pt")
        finally:
            partial.unlink(missing_ok=True)
        self.prune(self.limit_gb)

    def entries(self) -> list[tuple[Path, os.stat_result]]:
        """Files and their status, the most recently used first."""
        found = []
        for path in self.folder.glob("*.pt"):
            if not ENTRY.fullmatch(path.name):  # somebody else's
                continue
            try:
                found.append((path, path.stat()))
            except FileNotFoundError:  # another process deleted it
                continue
        return sorted(found, key=lambda entry: -entry[1].st_mtime_ns)

    def prune(self, limit_gb: float) -> int:
        """Deletes the least recently used entries above `limit_gb`; returns how many.

        Also what killed processes left half written.
        """
        sweep(self.folder)
        total, deleted = 0, 0
        for path, status in self.entries():
            total += status.st_size
            if total > limit_gb * 1e9:
                with contextlib.suppress(PermissionError):  # another user's
                    path.unlink(missing_ok=True)
                    deleted += 1
        return deleted
