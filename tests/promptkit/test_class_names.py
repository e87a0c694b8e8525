"""--classes: names with commas between, one by one, or a file; two readings are told."""

import pytest

from promptkit.use.class_names import class_names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([], []),
        (["cat,dog"], ["cat", "dog"]),
        (["a cat, a dog, "], ["a cat", "a dog"]),
        (["no opacity, not normal", "normal"], ["no opacity, not normal", "normal"]),
        (["St. Bernard,pug"], ["St. Bernard", "pug"]),
    ],
)
def test_names_on_the_command_line(given, names, capsys):
    assert class_names(given) == names
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"no opacity, not normal\n\n normal \r\n", ["no opacity, not normal", "normal"]),
        ("\ufeffcaf\u00e9\nth\u00e9".encode(), ["caf\u00e9", "th\u00e9"]),
        ("cat\ndog\n".encode("utf-16"), ["cat", "dog"]),
    ],
)
def test_names_in_a_file(tmp_path, capsys, content, names):
    (tmp_path / "label.txt").write_bytes(content)
    assert class_names([str(tmp_path / "label.txt")]) == names
    assert f"{len(names)} class names from the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["no opacity, not normal,normal"], "is it the 2 names 'no opacity, not normal', 'normal', "
         "or 3?.*--classes 'no opacity, not normal' --classes 'normal'"),
        (["label.txt"], "label.txt: there is no such file in .*one class name a line"),
        (["cat", "label.txt"], "label.txt looks like a file"),
        (["cat,,dog"], "an empty name: got 'cat,,dog'"),
        ([""], "an empty name"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused(given, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        class_names(given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat\n0\tdog\n", r"one class name a line and nothing else; got the line '0\\tdog'"),
        (b"cat,dog,bird\n", "got the line 'cat,dog,bird'"),
        (b"\n \n", "it is empty"),
        (b"\xc3\xa8\x00", "got the line"),
        (b"caf\xe9\n", "cannot be read as UTF-8 .* at byte 3"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"\n<!DOCTYPE html>\n<html>\ncat\n", "is a web page"),
    ],
)
def test_files_that_are_no_lists_of_names(tmp_path, content, message):
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        class_names([str(tmp_path / "names")])


def test_the_same_words_are_named_once_and_one_class_is_said(tmp_path, capsys):
    assert class_names(["Cat,cat,red_fox,red  fox,dog"]) == [
        "Cat",
        "cat",
        "red_fox",
        "red  fox",
        "dog",
    ]
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1 and "'Cat' = 'cat'; 'red_fox' = 'red  fox'" in warning
    assert class_names(["normal"]) == ["normal"]
    assert "One class, 'normal'" in capsys.readouterr().err
    (tmp_path / "names").write_text("normal\n")
    assert class_names([str(tmp_path / "names")]) == ["normal"]
    assert "One class, 'normal'" in capsys.readouterr().err
    with pytest.raises(ValueError, match="an empty name"):
        class_names([""])
    assert capsys.readouterr().err == ""
