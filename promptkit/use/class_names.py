"""Class names as they are given to a command: with commas between, one by one, or in a file.

--classes cat,dog                          two names
--classes "red, round" --classes square    given more than once, each is one name as it stands
--classes names.txt                        a text file, one name a line
"""

import codecs
import os
import re
import sys

from promptkit.backbones.tokens import warning_of_same_words

HELP = (
    "other class names: with commas between, a text file with one a line, or the option once for "
    "each name (which may then hold commas)"
)
FILE_SUFFIX = re.compile(r"\.(txt|csv|tsv|json|ya?ml|names|list|md|xlsx?)$", re.I)
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FOREIGN = {  # by the beginning of the first line, in lower case
    "version https://git-lfs": "a Git LFS pointer, which stands for the file (git lfs pull)",
    "<!doctype html": "a web page, saved under this name",
    "<html": "a web page, saved under this name",
}


def class_names(given: list[str]) -> list[str]:
    """The names of all values of the option --classes; none where it was not given.

    Says what it has read wherever that can be taken in another way.

    Raises:
        FileNotFoundError: a value is the name of a file that is not there.
        ValueError: a value can be read in two ways, or a file is no list of names.
    """
    if len(given) > 1:
        names = [name.strip() for name in given]
        files = [name for name in names if os.path.isfile(name) or FILE_SUFFIX.search(name)]
        if files:
            raise ValueError(
                f"--classes {files[0]} looks like a file, and more than one --classes are names, "
                "one each. Give one file with all names, or the names alone."
            )
    elif given and os.path.isfile(given[0]):
        names = names_in_file(given[0])
        _say(f"{len(names)} class names from the file {given[0]}")
    else:
        names = _between_commas(given[0]) if given else []
    if given and not all(names):
        raise ValueError(f"--classes has an empty name: got {' '.join(map(repr, given))}.")
    if len(names) == 1:
        _say(f"One class, {names[0]!r}: there is nothing to tell it from")
    _say(warning_of_same_words(names))
    return names


def _between_commas(text: str) -> list[str]:
    """The names of a value that is no file.

    Raises:
        FileNotFoundError: it looks like the name of one.
        ValueError: it cannot be told where a name ends.
    """
    if FILE_SUFFIX.search(text.strip()):
        raise FileNotFoundError(
            f"--classes {text}: there is no such file in {os.getcwd()}. Give a text file with one "
            "class name a line, or the names with commas between."
        )
    inner = text.strip().strip(",").strip()
    blanks = {bool(gap) for gap in re.findall(r",(\s*)", inner)}
    if len(blanks) > 1:
        long = re.split(r",(?!\s)", inner)
        raise ValueError(
            f"--classes {text!r} has commas with and without a blank behind them: is it the "
            f"{len(long)} names {', '.join(map(repr, long))}, or {inner.count(',') + 1}? Repeat "
            f"the option for names that hold commas ("
            f"{' '.join(f'--classes {name!r}' for name in long)}), or write all commas alike."
        )
    return [name.strip() for name in inner.split(",")]


def names_in_file(path: str) -> list[str]:
    """The names in a text file, one a line; empty lines are passed over.

    Raises:
        ValueError: it is no text of names; the line is quoted, or the kind of file named.
    """
    with open(path, "rb") as file:
        content = file.read()
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8-sig")
    try:
        lines = content.decode(encoding).splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} cannot be read as {encoding.removesuffix('-sig').upper()} ({error.reason} at "
            f"byte {error.start}). Save it as UTF-8 text with one class name a line."
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    first = names[0].lower() if names else ""
    foreign = next((what for start, what in FOREIGN.items() if first.startswith(start)), None)
    if foreign:
        raise ValueError(f"{path} is {foreign}. Give a text file with one class name a line.")
    odd = next((line for line in names if "\t" in line or not line.isprintable()), None)
    if odd or not names or (len(names) == 1 and "," in names[0]):
        found = f"got the line {odd or names[0]!r}" if names else "it is empty"
        raise ValueError(f"{path} must hold one class name a line and nothing else; {found}.")
    return names


def _say(text: str) -> None:
    if text:
        print(text, file=sys.stderr)  # what a command answers goes to stdout
