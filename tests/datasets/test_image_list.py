"""Lists of a user's own images and class names, of the right form and of almost the right form."""

import json

import pytest

from datasets.image_list import read_classnames, read_list
from datasets.kept_picks import list_suffix

TABLE = "image,class,split\na.png,cat,train\nb.png,dog,\nc.png,cat,test\n"
ENTRIES = {
    "train": [("a.png", 0, "cat"), ("b.png", 1, "dog")], "val": [], "test": [("c.png", 0, "cat")],
}  # fmt: skip


def write(folder, content, name="list.csv") -> str:
    (folder / name).write_text(content)
    return str(folder / name)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TABLE, "list.csv"),
        (TABLE.replace(",", ";"), "list.csv"),
        (TABLE.replace(",", "\t"), "list.tsv"),
        (TABLE.replace(",", "\t"), "list.txt"),
        (TABLE.replace("image,class", "Image, Class "), "list.txt"),
        (TABLE.replace("cat", "  cat ").replace("train", " Train"), "list.csv"),
        ("\n" + TABLE.replace("b.png", "\n,,\nb.png") + "\n\n", "list.csv"),
        (TABLE.replace("a.png", "./x/../a.png"), "list.csv"),
        (TABLE.replace("b.png,dog,", "b.png,dog"), "list.csv"),
        (TABLE.replace("a.png,cat", '"a.png","cat"'), "list"),
        (json.dumps(ENTRIES), "list.json"),
        (json.dumps(ENTRIES), "list.txt"),
        ("\ufeff" + json.dumps(ENTRIES), "list.JSON"),
    ],
)
def test_lists_of_images(tmp_path, content, name):
    assert read_list(write(tmp_path, content, name)) == (ENTRIES, True)


def test_without_a_column_split_all_is_train(tmp_path, capsys):
    path = write(tmp_path, 'class,id,image\n"a cat, big",7,a.png\nant,8,b.png\n')
    lists, has_split = read_list(path)
    assert not has_split
    assert lists["train"] == [("a.png", 0, "a cat, big"), ("b.png", 1, "ant")]
    assert f"Note: {path}: of its columns id are not read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,label\na,b\n", r"columns image and class .* got \['file', 'label'\]"),
        ("image class\na cat\n", r"commas, semicolons or tabs; got \['image class'\]"),
        ("a.png,cat\nb.png,dog\n", r"must have a first line .* got \['a.png', 'cat'\]"),
        ("image,class,split,class\na.png,x,,y\n", "has the column class twice"),
        ("image,class\na.png,cat, big\n", r"line 2: got \['a.png', 'cat', 'big'\] for the columns"),
        ("image,class\n\na.png,\n", r"line 3 lacks an image or a class: \['a.png', ''\]"),
        ("image,class\na.png,  \n", "line 2 lacks an image or a class"),
        ("image,class\na.png\n", r"line 2 lacks an image or a class: \['a.png'\]"),
        ('image,class\na.png,"cat\nb.png,dog\n', 'line 2: .*Look for a quote (") that is not'),
        ('image,class\na.png,"cat\nb.png,dog"\n', "line 2: got .*each quote is closed"),
        ("image,class\na.png,x\nb.png,x\n./a.png,y\n", "has a.png more than once, in the lines 2"),
        ("image,class,split\na.png,x,dev\n", "line 2: split must be .*; got 'dev'"),
    ],
)
def test_tables_of_almost_the_right_form(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message.replace('(")', r'\("\)')) as error:
        read_list(path)
    assert str(error.value).startswith(path)


def test_class_names_by_folder(tmp_path, capsys):
    path = write(tmp_path, "b\t Biene \n\na\tAmeise\nz\tZebra\n", "names.txt")
    assert read_classnames(path, ["a", "b"]) == {"a": "Ameise", "b": "Biene"}
    assert f"Note: 1 lines of {path} name no folder: z" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tAmeise\ncat\t\n", r"line 2 must be '<folder><tab><class name>'; got 'cat\\t'"),
        ("a Ameise\n", r"line 1 must be .* got 'a Ameise'"),
        ("a,Ameise\n", r"line 1 must be .* got 'a,Ameise'"),
        ("\tAmeise\n", r"line 1 must be .* got '\\tAmeise'"),
        ("a\t1\tAmeise\n", r"line 1 must be .* got 'a\\t1\\tAmeise'"),
        ("a\tAmeise\nb\tx\na\tBiene\n", "has a more than once, in the lines 1 and 3"),
        ("a\tAmeise\n", "has no line for 'b'"),
        ("", "is empty"),
    ],
)
def test_class_names_of_almost_the_right_form(tmp_path, content, message):
    path = write(tmp_path, content, "names.txt")
    with pytest.raises(ValueError, match=message) as error:
        read_classnames(path, ["a", "b"])
    assert str(error.value).startswith(path)


def test_no_file_of_class_names(tmp_path):
    with pytest.raises(FileNotFoundError, match="DATASET.FOLDER.CLASSNAMES: there is no file"):
        read_classnames(str(tmp_path / "names.txt"), [])


def test_picks_are_kept_apart_by_list(tmp_path):
    first, second = write(tmp_path, TABLE), write(tmp_path, TABLE, "other.csv")
    before = list_suffix(first)
    assert before.startswith("-list-") and list_suffix(second).startswith("-other-")
    write(tmp_path, TABLE + "d.png,cat,train\n")
    assert list_suffix(first) != before
