"""What a file is that was taken for a checkpoint or an image, from its beginning and members."""

import tarfile
import zipfile

_HEAD = 512  # bytes
_LFS = b"version https://git-lfs"
_HTML = (b"<!doctype html", b"<html")
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"7z\xbc\xaf": "7z"}


def what_it_is(path: str) -> str | None:
    """Say in words what kind of file this is; None where it may be what was wanted."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "an empty file"
    if head.startswith(_LFS):
        return "a Git LFS pointer, which stands for the file (git lfs pull fetches the file itself)"
    if head.lstrip().lower().startswith(_HTML):
        return "an HTML page, as a download leaves it that needs a login or a confirmation"
    for begin, name in _PACKED.items():
        if head.startswith(begin):
            return f"a {name} archive: unpack it first"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if b"ustar" in head[257:262]:
        return _kind_of_tar(path)
    text = head.decode("ascii", errors="replace")
    if all(letter.isprintable() or letter.isspace() for letter in text) and text.isascii():
        return f"a text file that begins with {text[:40]!r}"
    return None


def _kind_of_zip(path: str) -> str | None:
    """torch's own files are zip archives, too."""
    if not zipfile.is_zipfile(path):
        return "a zip archive without its end: it was cut short"
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
        return "a zip archive that was cut short or damaged"
    if any("/code/" in name for name in names):
        return "a TorchScript archive, a whole model with its code"
    if any(name.endswith("data.pkl") for name in names):
        return None
    return f"a zip archive of other files ({', '.join(names[:3])}): unpack it first"


def _kind_of_tar(path: str) -> str:
    try:
        with tarfile.open(path) as archive:
            names = archive.getnames()
    except (tarfile.TarError, OSError, ValueError, EOFError):
        return "a tar archive that was cut short"
    return f"a tar archive ({', '.join(names[:3])}): unpack it first"
