"""`logits.npz`: what a test gave for each image, from which more than accuracy is computed later.

Half precision where it keeps the order of the classes for each image, which ties included are
what accuracy and ranks are made of; else single. In half precision the largest logit of an image is
kept apart and the others as what they are below it: near 25, halves are 0.016 apart. Of single
precision the upper two bytes of each number are kept apart and compressed, the lower two, which are
noise, are not: a file of ImageNet's test is written in seconds, not in a quarter of a minute.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

FORMAT = 3  # 1 had no other classes, 2 no `one_rule`
ROWS = 4096  # whose order is compared at once
# What reading a damaged file may raise.
DAMAGE = (EOFError, KeyError, MemoryError, NotImplementedError, OSError, OverflowError,
          RuntimeError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)  # fmt: skip
MOST_BYTES = 32 * 10**9  # unpacked; more is no file of ours


@dataclass(frozen=True, eq=False)
class Logits:
    """The outputs of one test, in the order of its images.

    Attributes:
        logits: [N, C], float32.
        labels: [N], the right columns.
        classnames: of the C columns.
        images: N paths relative to DATASET.ROOT; empty where they are not known.
        others: [N, C'], float32, of classes that the test did not tell apart; C' may be 0.
        other_classnames: of these columns.
        one_rule: [N, C], float32, of the C classes by the rule that also gives `others`, where the
            method has another for classes of its training; else [0, C'']: they are `logits`.
    """

    logits: np.ndarray
    labels: np.ndarray
    classnames: tuple[str, ...]
    images: tuple[str, ...] = field(default=())
    others: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    other_classnames: tuple[str, ...] = field(default=())
    one_rule: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        """Raises ValueError if the parts do not fit together, or a logit is not finite."""
        shape, count = self.logits.shape, len(self.labels)
        if len(shape) != 2 or 0 in shape or self.labels.shape != shape[:1]:
            raise ValueError(f"logits [N, C] and labels [N] needed; got {shape}, {count} labels")
        if len(self.classnames) != shape[1]:
            raise ValueError(f"{len(self.classnames)} class names for {shape[1]} columns")
        if self.images and len(self.images) != count:
            raise ValueError(f"{len(self.images)} image paths for {count} images")
        if self.labels.min() < 0 or self.labels.max() >= shape[1]:
            raise ValueError(f"labels must be columns, 0 to {shape[1] - 1}")
        if self.others.shape != (count * bool(self.other_classnames), len(self.other_classnames)):
            raise ValueError(
                f"{len(self.other_classnames)} names of other classes and {count} images for "
                f"logits {self.others.shape}"
            )
        if len(self.one_rule) and self.one_rule.shape != shape:
            raise ValueError(f"by one rule there are logits {self.one_rule.shape} for {shape}")
        if not all(np.isfinite(x).all() for x in (self.logits, self.others, self.one_rule)):
            raise ValueError("logits must be finite")

    @property
    def joint(self) -> np.ndarray:
        """[N, C + C'], of the classes of the test and of the others, by one rule."""
        if not self.other_classnames:
            return self.own
        return np.concatenate([self.own, self.others], axis=1)

    @property
    def own(self) -> np.ndarray:
        """[N, C], of the classes of the test, by the rule that holds for all classes."""
        return self.one_rule if len(self.one_rule) else self.logits

    @property
    def predictions(self) -> np.ndarray:
        """[N], the column of the largest logit, the first of equals."""
        return self.logits.argmax(axis=1)


def to_bytes(logits: Logits) -> tuple[bytes, str]:
    """The file's content, and its precision in a word: half or single.

    The same logits give the same bytes.
    """
    about = {
        "format": FORMAT,
        "classnames": logits.classnames,
        "other_classnames": logits.other_classnames,
        "images": logits.images,
        "has_one_rule": len(logits.one_rule) > 0,
    }
    values = _columns(logits)
    arrays = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "labels": logits.labels.astype(np.int32),
    }
    top, below = _halves(values)
    is_half = _same_order(values, below)
    if is_half:
        arrays |= {"top": top, "below": below}
    else:
        arrays["low"], arrays["high"] = _byte_planes(values)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            kind = zipfile.ZIP_STORED if name == "low" else zipfile.ZIP_DEFLATED
            entry = zipfile.ZipInfo(f"{name}.npy")  # without the time of day
            archive.writestr(entry, content.getbuffer(), compress_type=kind, compresslevel=1)
    return file.getvalue(), "half" if is_half else "single"


def from_bytes(content: bytes) -> Logits:
    """What a file holds.

    Raises:
        ValueError: it is none of ours, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise ValueError(f"unpacked, it is larger than {MOST_BYTES:,} bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            if about["format"] not in (1, 2, FORMAT):
                raise ValueError(f"format must be 1, 2 or {FORMAT}; got {about['format']!r}")
            if "high" in arrays:
                values = _from_byte_planes(arrays["low"], arrays["high"])
            else:
                values = arrays["top"] + arrays["below"].astype(np.float32)
            labels = arrays["labels"].astype(np.int64)
            if values.dtype != np.float32:
                raise ValueError(f"logits must be single or half precision; got {values.dtype}")
            names = _texts(about["classnames"])
            others = _texts(about["other_classnames"]) if about["format"] > 1 else ()
            widths = [len(names), len(others), len(names) * about.get("has_one_rule", False)]
            if values.ndim != 2 or values.shape[1] != sum(widths):
                raise ValueError(f"columns {' + '.join(map(str, widths))} in {values.shape}")
            parts = np.split(values, np.cumsum(widths)[:2], axis=1)
            own, rest, one_rule = map(np.ascontiguousarray, parts)
            beside = {"others": rest, "other_classnames": others} if others else {}
            beside |= {"one_rule": one_rule} if widths[2] else {}
            return Logits(own, labels, names, _texts(about["images"]), **beside)
    except DAMAGE as error:
        raise ValueError(f"no file of logits that can be read ({error})") from error


def content_hash(logits: Logits) -> str:
    """sha256 of the values, labels and names: what `result.json` says of the file."""
    texts = [logits.classnames, logits.images]
    texts += [logits.other_classnames] if logits.other_classnames else []
    digest = hashlib.sha256(json.dumps(texts).encode())
    digest.update(np.ascontiguousarray(logits.labels.astype(np.int64)))
    digest.update(np.ascontiguousarray(_columns(logits)))
    return digest.hexdigest()


def _columns(logits: Logits) -> np.ndarray:
    """All columns side by side."""
    parts = [logits.logits, *(x for x in (logits.others, logits.one_rule) if len(x))]
    return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def _byte_planes(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N, C] to the lower and the upper two bytes of each number: two times [2, N, C]."""
    planes = logits.astype("<f4")[..., None].view(np.uint8).transpose(2, 0, 1)
    return np.ascontiguousarray(planes[:2]), np.ascontiguousarray(planes[2:])


def _from_byte_planes(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    planes = np.concatenate([low, high]).transpose(1, 2, 0)
    return np.ascontiguousarray(planes).view("<f4")[..., 0].astype(np.float32)


def _halves(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    top = logits.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # what is 65,504 below the largest; then the order differs
        return top, (logits - top).astype(np.float16)


def _same_order(logits: np.ndarray, halves: np.ndarray) -> bool:
    """Whether halves rise where the logits of an image do: rounding can but make ties."""
    for start in range(0, len(logits), ROWS):
        rows, rounded = logits[start : start + ROWS], halves[start : start + ROWS]
        if not np.isfinite(rounded).all():
            return False
        order = rows.argsort(axis=1)
        rise, rounded_rise = (
            np.diff(np.take_along_axis(values, order, axis=1), axis=1) > 0
            for values in (rows, rounded)
        )
        if (rise != rounded_rise).any():
            return False
    return True


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("names must be a list of texts")
    return tuple(values)
