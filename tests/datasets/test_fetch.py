"""Downloads from a server on loopback: good, broken off, wrong, malicious."""

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from datasets import fetch as fetching
from datasets.fetch import FetchError, download, fetch, main, unpack
from datasets.sources import SOURCES, Download, Source, named
from datasets.unpacking import Limits


class Handler(BaseHTTPRequestHandler):
    """Serves `files`; of those in `cut`, so many bytes at the first call; knows ranges."""

    files: dict[str, bytes] = {}
    cut: dict[str, int] = {}
    log: list[tuple[str, str | None]] = []

    def do_GET(self):
        name = self.path.strip("/")
        wanted = self.headers.get("Range")
        self.log.append((name, wanted))
        if name not in self.files:
            self.send_error(404)
            return
        content, start = self.files[name], 0
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = self.cut.pop(name, len(content))
        self.wfile.write(content[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The address of a running server; its handler's tables start empty."""
    Handler.files, Handler.cut, Handler.log = {}, {}, []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def tar(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                file.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str, kind=tarfile.SYMTYPE) -> tuple[str, tarfile.TarInfo]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return name, info


def tar_source(server: str, content: bytes, **fields) -> Source:
    Handler.files["x.tar.gz"] = content
    item = Download("set/images", f"{server}/x.tar.gz", into="set", **fields)
    return Source("X", 1, (1, 0, 0), "page", (item,))


GOOD = tar(("images/a.txt", os.urandom(300_000)), ("images/b.txt", b"b"))


def test_good(server, tmp_path):
    source = tar_source(server, GOOD, md5=hashlib.md5(GOOD).hexdigest())
    fetch(source, str(tmp_path))
    assert (tmp_path / "set/images/b.txt").read_bytes() == b"b"
    assert sorted(os.listdir(tmp_path / "set")) == ["images"]  # no archive, no part
    fetch(source, str(tmp_path))
    assert len(Handler.log) == 1  # it is there


def test_a_download_that_broke_off_goes_on(server, tmp_path):
    source = tar_source(server, GOOD, md5=hashlib.md5(GOOD).hexdigest())
    Handler.cut["x.tar.gz"] = 100_000
    with pytest.raises(FetchError, match="Call again to go on"):
        fetch(source, str(tmp_path))
    assert os.listdir(tmp_path / "set") == ["x.tar.gz.part"]
    kept = (tmp_path / "set/x.tar.gz.part").stat().st_size
    assert 0 < kept <= 100_000
    fetch(source, str(tmp_path))
    assert Handler.log[-1] == ("x.tar.gz", f"bytes={kept}-")
    assert len((tmp_path / "set/images/a.txt").read_bytes()) == 300_000


def test_a_part_that_is_whole_needs_nothing_more(server, tmp_path):
    Handler.files["x"] = b"12345"
    (tmp_path / "x.part").write_bytes(b"12345")
    download(Download("x", f"{server}/x"), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"12345"
    (tmp_path / "y.part").write_bytes(b"something longer")
    with pytest.raises(FetchError, match="the part was of another file and is deleted"):
        download(Download("y", f"{server}/x"), tmp_path / "y")
    download(Download("y", f"{server}/x"), tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"12345"


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    source = tar_source(server, GOOD, md5="0" * 32)
    with pytest.raises(FetchError, match="expected 00000000"):
        fetch(source, str(tmp_path))
    assert os.listdir(tmp_path / "set") == []


def test_an_address_that_is_gone(server, tmp_path):
    item = Download("y", f"{server}/gone")
    with pytest.raises(FetchError, match="404"):
        download(item, tmp_path / "y")
    assert not (tmp_path / "y").exists()


@pytest.fixture(params=["the library's filter", "ours"])
def filtered(request, monkeypatch):
    """Once with tarfile's filter, where it has one, and once as with an older Python."""
    if request.param == "ours":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
        # An old extractall extracts what it is given; newer ones warn of it, or filter as well.
        monkeypatch.setattr(tarfile.TarFile, "extraction_filter",
                            staticmethod(lambda member, path: member), raising=False)  # fmt: skip


def test_a_good_tar_is_unpacked_with_its_links_for_the_user_alone(tmp_path, filtered):
    info = tarfile.TarInfo("a/run.sh")
    info.size, info.mode, info.uid, info.uname = 0, 0o6777, 12345, "nobody-here"
    content = tar(("a/b/1.txt", b"1"), ("a/run.sh", info), link("a/same", "b/1.txt"),
                  link("a/hard", "a/b/1.txt", tarfile.LNKTYPE))  # fmt: skip
    (tmp_path / "x.tar.gz").write_bytes(content)
    unpack(tmp_path / "x.tar.gz", tmp_path)
    assert (tmp_path / "a/same").read_bytes() == (tmp_path / "a/hard").read_bytes() == b"1"
    status = (tmp_path / "a/run.sh").stat()
    assert status.st_mode & 0o7777 == 0o755 and status.st_uid == os.getuid()


@pytest.mark.parametrize(
    "members",
    [
        [("images/a.txt", b"a"), ("../evil.txt", b"x")],
        [("images/a.txt", b"a"), link("images/out", "../../../outside")],
        [("images/a.txt", b"a"), link("images/out", "/etc/passwd")],
        [("images/a.txt", b"a"), link("images/hard", "../../outside", tarfile.LNKTYPE)],
        [link("images", "/tmp"), ("images/evil.txt", b"x")],
        # Each alone leads inside: a link back up, and a way down it and up from there.
        [("x/y/a", b"a"), link("x/y/up", "../.."), link("out", "x/y/up/../evil")],
        [link("pipe", "", tarfile.FIFOTYPE)],
        [link("device", "", tarfile.CHRTYPE)],
    ],
)
def test_malicious_tars(server, tmp_path, members, filtered):
    root = tmp_path / "data"
    source = tar_source(server, tar(*members))
    with pytest.raises(FetchError, match="is not safe, nothing was unpacked"):
        fetch(source, str(root))
    assert os.listdir(tmp_path) == ["data"]
    assert os.listdir(root / "set") == ["x.tar.gz"]


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_malicious_zips(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("images/a.txt", "a")
        file.writestr(name, "x")
    (tmp_path / "set").mkdir()
    with pytest.raises(FetchError, match="is not safe, nothing was unpacked"):
        unpack(tmp_path / "x.zip", tmp_path / "set")
    assert sorted(os.listdir(tmp_path)) == ["set", "x.zip"] and not os.listdir(tmp_path / "set")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("images/link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(FetchError, match="'images/link' is a link"):
        unpack(tmp_path / "x.zip", tmp_path)


def test_half_an_archive_is_not_unpacked(tmp_path):
    (tmp_path / "x.tar.gz").write_bytes(GOOD[: len(GOOD) // 2])
    (tmp_path / "set").mkdir()
    with pytest.raises(FetchError, match="is damaged, nothing was unpacked"):
        unpack(tmp_path / "x.tar.gz", tmp_path / "set")
    assert not os.listdir(tmp_path / "set")


def test_a_folder_of_the_archive_and_an_archive_in_it(server, tmp_path):
    inner = tar(("pictures/1.txt", b"1"))
    Handler.files["y.tar.gz"] = tar(("top/data/pictures.tar.gz", inner), ("top/README", b"r"))
    item = Download(
        "set/pictures", f"{server}/y.tar.gz", into="set", take="top/data", inner="pictures.tar.gz"
    )
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine.txt").write_text("mine")
    fetch(Source("Y", 1, (1, 0, 0), "page", (item,)), str(tmp_path))
    assert sorted(os.listdir(tmp_path / "set")) == ["mine.txt", "pictures"]
    assert (tmp_path / "set/pictures/1.txt").read_bytes() == b"1"


def test_a_file_of_google_drive(monkeypatch, tmp_path):
    def fake(*, id, output, resume):
        assert resume
        with open(output, "w") as file:
            file.write(id)
        return output

    monkeypatch.setattr("gdown.download", fake)
    source = Source("Z", 1, (1, 0, 0), "page", (Download("z/split.json", drive="abc"),))
    fetch(source, str(tmp_path))
    assert (tmp_path / "z/split.json").read_text() == "abc"
    monkeypatch.setattr("gdown.download", lambda **_: None)
    (tmp_path / "z/split.json").unlink()
    with pytest.raises(FetchError, match="could not be downloaded"):
        fetch(source, str(tmp_path))


@pytest.mark.parametrize(("limits", "option"), [
    (Limits(gigabytes=2e-4), "more than 0.0002 GB unpacked.*--max-gigabytes"),
    (Limits(entries=1), "more than 1 entries.*--max-entries"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, kind, limits, option):
    zeros = bytes(300_000)
    (tmp_path / "x.tar").write_bytes(tar(("images/a.txt", zeros), ("images/b.txt", b"b")))
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "x.tar", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("images/a.txt", zeros)
            file.writestr("images/b.txt", "b")
    assert (tmp_path / "x.tar").stat().st_size < 2000
    (tmp_path / "set").mkdir()
    with pytest.raises(FetchError, match=option):
        unpack(tmp_path / "x.tar", tmp_path / "set", limits=limits)
    assert not os.listdir(tmp_path / "set")
    unpack(tmp_path / "x.tar", tmp_path / "set", limits=Limits(gigabytes=4e-4, entries=2))
    assert (tmp_path / "set/images/b.txt").read_bytes() == b"b"


def test_an_encrypted_zip_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("images/a.txt", "a")
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(FetchError, match="'images/a.txt' needs a password"):
        unpack(tmp_path / "x.zip", tmp_path)


@pytest.mark.parametrize("place", ["set", "set/images", "set/images/a.txt", "set/x.tar.gz.part"])
def test_links_that_are_there_are_not_written_through(server, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    link_to = tmp_path / "data" / place
    link_to.parent.mkdir(parents=True)
    link_to.symlink_to(outside)
    Handler.files["x.tar.gz"] = tar(("images/a.txt", b"a"), ("done", b""))
    item = Download("set/done", f"{server}/x.tar.gz", into="set")
    with pytest.raises(FetchError, match=f"{place} is a link .to .*outside"):
        fetch(Source("X", 1, (1, 0, 0), "page", (item,)), str(tmp_path / "data"))
    assert not os.listdir(outside)


def test_the_root_itself_may_be_a_link(server, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    fetch(tar_source(server, GOOD), str(tmp_path / "data"))
    assert (tmp_path / "disk/set/images/b.txt").read_bytes() == b"b"


def test_a_link_that_leads_out_once_its_folder_is_moved(tmp_path):
    members = [("top/data/a.txt", b"a"), ("top/b", b"b"), link("top/data/up", "../b")]
    (tmp_path / "x.tar").write_bytes(tar(*members))
    (tmp_path / "set").mkdir()
    with pytest.raises(FetchError, match="the link 'up' leads out"):
        unpack(tmp_path / "x.tar", tmp_path / "set", take="top/data")
    assert not os.listdir(tmp_path / "set")
    unpack(tmp_path / "x.tar", tmp_path / "set", take="top")
    assert (tmp_path / "set/data/up").read_bytes() == b"b"


def test_what_could_not_be_verified_is_said(server, tmp_path, monkeypatch, capsys):
    digest = hashlib.sha256(GOOD).hexdigest()
    for fields, said in ({}, "nothing of it"), ({"size": len(GOOD)}, "its size alone"):
        monkeypatch.setitem(SOURCES, "dtd", tar_source(server, GOOD, **fields))
        assert main(["dtd", "--root", str(tmp_path / said)]) == 0
        line = f"Not verified: set/images: no checksum is published, {said} could be checked"
        printed = capsys.readouterr().out
        assert line in printed and digest in printed
    monkeypatch.setitem(SOURCES, "dtd", tar_source(server, GOOD, sha256=digest))
    assert main(["dtd", "--root", str(tmp_path / "sum")]) == 0
    assert "Not verified" not in capsys.readouterr().out
    for fields, said in ({"size": 7}, "bytes, expected 7"), ({"sha256": "0"}, "expected 0"):
        with pytest.raises(FetchError, match=said):
            fetch(tar_source(server, GOOD, **fields), str(tmp_path / "wrong"))


def test_a_secure_address_must_not_lead_to_another(monkeypatch, tmp_path):
    class Answer:
        status_code, headers, url = 200, {}, "http://elsewhere/x"
        __enter__ = __exit__ = raise_for_status = lambda self, *_: None

    Answer.__enter__ = lambda self: self
    monkeypatch.setattr(fetching.requests, "get", lambda *_, **__: Answer())
    with pytest.raises(FetchError, match="https://here/x leads to http://elsewhere/x"):
        download(Download("x", "https://here/x"), tmp_path / "x")
    assert not os.listdir(tmp_path)


def test_the_command_takes_limits(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(SOURCES, "dtd", tar_source(server, GOOD))
    assert main(["dtd", "--root", str(tmp_path), "--max-entries", "1"]) == 1
    assert "raise --max-entries" in capsys.readouterr().err
    assert main(["dtd", "--root", str(tmp_path)]) == 0


def test_the_command(server, tmp_path, monkeypatch, capsys):
    source = tar_source(server, GOOD)
    monkeypatch.setitem(SOURCES, "dtd", source)
    assert main(["dtd", "--root", str(tmp_path)]) == 0
    assert main(["stanford_cars", "--root", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "authors' server is offline" in out and "stanford_cars/cars_train/00001.jpg" in out
    monkeypatch.setattr(fetching, "fetch", lambda *_: (_ for _ in ()).throw(FetchError("no")))
    assert main(["dtd", "--root", str(tmp_path)]) == 1
    assert "error: dtd: no" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["cifar"])
    assert "no data set is called 'cifar'" in capsys.readouterr().err


def test_every_source_can_be_got_or_says_how():
    assert len(SOURCES) == 15
    assert named(["DescribableTextures", "dtd", "ImageNetV2"]) == ["dtd", "dtd", "imagenetv2"]
    for name, source in SOURCES.items():
        assert source.downloads or source.by_hand, name
        for item in source.downloads:
            assert bool(item.url) != bool(item.drive) and not item.makes.startswith("/"), name
            assert item.drive or item.url.startswith("https://"), name
