"""DATASET.DESCRIPTIONS: many sentences about each class, such as language models write.

A json file `{class name: [sentence, ...]}`, the layout of CuPL (arXiv:2209.03320) and CoPrompt
(arXiv:2306.01195), or a folder with one such file for each data set, `<DATASET.NAME>.json`. Names
are compared as CLIP reads them: case, underscores and further blanks do not count.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yacs.config import CfgNode

from promptkit.did_you_mean import did_you_mean
from promptkit.files import refuse_pipes

if TYPE_CHECKING:  # it imports torch
    from promptkit.backbones.tokens import Tokenizer

KEY = "DATASET.DESCRIPTIONS"
DESCRIPTIONS = "descriptions"  # the option TEMPLATES with which hand-crafted views come from them
MAX_NAMED = 5  # in a message

Sentences = tuple[tuple[str, ...], ...]  # of each class


def descriptions_file(cfg: CfgNode) -> Path | None:
    """The file that DATASET.DESCRIPTIONS comes to in a run; None where it is not set."""
    path = Path(cfg.DATASET.DESCRIPTIONS).expanduser()
    if not cfg.DATASET.DESCRIPTIONS:
        return None
    return path / f"{cfg.DATASET.NAME}.json" if path.is_dir() else path


def read_descriptions(
    path: Path, classnames: Sequence[str], tokenizer: "Tokenizer", *, others: Iterable[str] = ()
) -> Sentences:
    """The sentences about each class, in the order of the classes.

    Args:
        path: of the json file.
        classnames: C names.
        tokenizer: whose context length every sentence must fit in.
        others: classes of the data set that this run leaves out; sentences about them are no
            mistake. Names of neither are listed in a line.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no object of lists of sentences, two of its names are one, a class is
            missing, or a sentence is too long; the message names which.
    """
    by_name = _by_name(path)
    missing = [name for name in classnames if _plain(name) not in by_name]
    if missing:
        hint = did_you_mean(_plain(missing[0]), by_name)
        raise ValueError(
            f"{KEY}: {path} has no sentences about {_some(missing)}. Every class needs one or more."
            f"{hint}"
        )
    known = {_plain(name) for name in (*classnames, *others)}
    unknown = [name for name in by_name if name not in known]
    if unknown:
        print(f"{KEY}: {path} also is about {_some(unknown)}, no classes of this data set")
    sentences = tuple(by_name[_plain(name)] for name in classnames)
    _check_lengths(path, classnames, sentences, tokenizer)
    return sentences


def _by_name(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.exists():
        raise FileNotFoundError(
            f"{KEY}: there is no file {path}. Give the path of a json file, class name -> list of "
            "sentences, or of a folder with one <DATASET.NAME>.json for each data set."
        )
    refuse_pipes(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{KEY}: {path} is no json file: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{KEY}: {path} must hold an object, class name -> list of sentences.")
    found: dict[str, tuple[str, ...]] = {}
    for name, sentences in content.items():
        is_list = isinstance(sentences, list) and sentences
        if not is_list or not all(isinstance(x, str) and x.strip() for x in sentences):
            raise ValueError(
                f"{KEY}: what {path} has about {name!r} must be a list of one or more sentences; "
                f"got {str(sentences)[:60]!r}."
            )
        if _plain(name) in found:
            raise ValueError(f"{KEY}: {path} names the class {_plain(name)!r} twice.")
        found[_plain(name)] = tuple(" ".join(x.split()) for x in sentences)
    return found


def _check_lengths(
    path: Path, classnames: Sequence[str], sentences: Sentences, tokenizer: "Tokenizer"
) -> None:
    around = len(tokenizer.start) + 1  # and the end
    too_long = [
        f"{name!r}: {sentence[:40]!r} ..."
        for name, own in zip(classnames, sentences, strict=True)
        for sentence in own
        if tokenizer.count(sentence) + around > tokenizer.context_length
    ]
    if too_long:
        raise ValueError(
            f"{KEY}: {path} has sentences of more than {tokenizer.context_length} tokens, which "
            f"is what the text encoder reads: {_some(too_long, quoted=False)}. Shorten them."
        )


def check_descriptions(
    cfg: CfgNode, trainer: str, options: Mapping[str, object], *, always: bool
) -> None:
    """Refuses descriptions that nobody reads, and their lack.

    Args:
        cfg: of the run.
        trainer: its name.
        options: all that it goes by, by trainer; those with TEMPLATES may choose descriptions.
        always: whether it reads them whatever its options are.

    Raises:
        ValueError: as said.
    """
    given = cfg.DATASET.DESCRIPTIONS
    chosen = {name: getattr(own, "templates", "") for name, own in options.items()}
    choices = [
        f"TRAINER.{n.upper()}.TEMPLATES {DESCRIPTIONS}" for n, words in chosen.items() if words
    ]
    reads = always or DESCRIPTIONS in chosen.values()
    if reads and not given:
        who = trainer if always else " or ".join(choices)
        raise ValueError(
            f"{who} needs sentences about the classes. Set {KEY} to a json file, "
            "class name -> list of sentences, or to a folder of one <DATASET.NAME>.json each."
        )
    if given and not reads:
        advice = f"Set {' or '.join(choices)}, or leave it out." if choices else "Leave it out."
        raise ValueError(f"{KEY} has no effect with {trainer} as it is set. {advice}")


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())


def _some(names: Sequence[str], *, quoted: bool = True) -> str:
    shown = ", ".join(map(repr, names[:MAX_NAMED]) if quoted else names[:MAX_NAMED])
    more = len(names) - MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown
