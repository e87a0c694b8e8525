"""One reader for all lists: what it takes, and what it says of files that are something else."""

import gzip
import json

import pytest

from datasets.text_files import malformed, read_json, read_lines, read_text, refuse_repeats

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),  # little-endian, marked
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.encode("utf-32"),
        lambda text: gzip.compress(text.encode("utf-8-sig"), mtime=0),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
    ],
)
def test_encodings_that_can_be_told(tmp_path, encode):
    path = tmp_path / "list.txt"
    path.write_bytes(encode("猫\nKühe\n\nÄpfel\u2028rot\n"))
    assert read_text(str(path)) == "猫\nKühe\n\nÄpfel\u2028rot\n"
    assert read_lines(str(path)) == [(1, "猫"), (2, "Kühe"), (4, "Äpfel\u2028rot")]
    path.write_bytes(encode('{"猫": [1]}'))
    assert read_json(str(path)) == {"猫": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is empty"),
        (POINTER, "is a Git LFS pointer, .* git lfs pull"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html>\n<html>", "is a web page, saved under this name"),
        (b"<HTML><title>Sign in", "is a web page"),
        (b"<?xml version='1.0'?><Error>", "is a web page"),
        (b"PK\x03\x04\x14\x00", "is a zip archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an Excel workbook"),
        (
            gzip.compress(b"abc" * 99, mtime=0)[:-9],
            r"is damaged or cut off: it cannot be decompressed",
        ),
        (gzip.compress(POINTER, mtime=0), "is a Git LFS pointer"),
        ("cat\n狗\n".encode("gbk"), r"is not UTF-8: line 2 has the byte 0xb9, b'\\xb9\\xb7'"),
        ("Kühe\n".encode("latin-1"), r"line 1 has the byte 0xfc, .*iconv -f GBK -t UTF-8 '/"),
        (b"\xff\xfeA", "is damaged or cut off: it is marked as UTF-16"),
        ("cat".encode("utf-16-le"), "holds zero bytes: .*UTF-16 without a byte order mark"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "list.json"
    path.write_bytes(content)
    for read in (read_text, read_lines, read_json):
        with pytest.raises(ValueError, match=message) as error:
            read(str(path))
        assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{\n "train": [["a.png", 0, "c', r"it breaks off in line 2, ' \"train\": .*Download it"),
        ('{"train": [1, 2', "it breaks off in line 1"),
        ('{\n"a": [1 2]}', r"Expecting ',' delimiter in line 2, '\"a\": \[1 2\]}'. Correct it"),
        ('{"train": [], "train": []}', "has the key 'train' twice"),
    ],
)
def test_malformed_json_quotes_the_line(tmp_path, content, message):
    path = tmp_path / "list.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        read_json(str(path))
    assert str(error.value).startswith(str(path))


def test_whole_lists_with_long_lines_are_quoted_in_part(tmp_path):
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"train": ["x" * 1000]})[:-2])
    with pytest.raises(ValueError) as error:
        read_json(str(path))
    assert "xxx..." in str(error.value) and len(str(error.value)) < 300 + len(str(path))


def test_errors_of_lines():
    text = str(malformed("a.txt", 3, "cat\t", "'<folder><tab><name>'"))
    assert text == "a.txt, line 3 must be '<folder><tab><name>'; got 'cat\\t'."
    refuse_repeats("a.txt", [(1, "x"), (2, "y")], "id")
    with pytest.raises(ValueError, match="a.txt has x more than once, in the lines 1 and 4: keep"):
        refuse_repeats("a.txt", [(1, "x"), (2, "y"), (4, "x")], "id")
