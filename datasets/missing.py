"""Says which data sets are not there: `python datasets/missing.py ROOT "NAME ..." [KEY VALUE ...]`.

A name is that of a yaml in configs/datasets/. The scripts ask this before they start anything, so
it imports neither PyTorch nor the package: where a data set lies is read from its source. Those
that are drawn on first use and those of other modules are not looked for.
"""

from __future__ import annotations

import ast
import contextlib
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CONFIGS = HERE.parent / "configs/datasets"


def image_folders() -> dict[str, str]:
    """The folder of images below DATASET.ROOT, by registered name, of data sets with code."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("*.py"))]
    kinds = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    found = {}
    for kind in kinds:
        texts = _texts(kind)
        if texts.get("dataset_dir") and not _makes_images(kind):
            folder = os.path.join(texts["dataset_dir"], texts.get("image_dir", ""))
            found[kind.name] = os.path.normpath(folder)
    return found


def _makes_images(node: ast.ClassDef) -> bool:
    """Whether a class has a method `prepare`, which makes what is missing."""
    return any(isinstance(part, ast.FunctionDef) and part.name == "prepare" for part in node.body)


def _texts(node: ast.ClassDef) -> dict[str, str]:
    """The attributes of a class that are texts."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    }


def settings_of(name: str, pairs: list[str]) -> dict[str, Any]:
    """The keys of a yaml, with dots, and over them those of KEY VALUE pairs."""
    try:
        tree = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # its run says what is wrong with it
        tree = None
    flat: dict[str, Any] = {}
    nodes = [("", tree if isinstance(tree, dict) else {})]
    while nodes:
        prefix, node = nodes.pop()
        for key, value in node.items():
            if isinstance(value, dict):
                nodes.append((f"{prefix}{key}.", value))
            else:
                flat[f"{prefix}{key}"] = value
    return flat | dict(zip(pairs[::2], pairs[1::2], strict=False))


def why_missing(name: str, root: str, settings: dict[str, Any]) -> str:
    """Where a data set was looked for; "" if it is there or that cannot be known."""
    root = os.path.abspath(os.path.expanduser(str(settings.get("DATASET.ROOT") or root)))
    registered = settings.get("DATASET.NAME")
    if registered == "ImageFolder":
        return _why_own_is_missing(name, root, settings)
    folder = image_folders().get(registered)
    if folder is None or os.path.isdir(os.path.join(root, folder)):
        return ""
    return f"no folder {os.path.join(root, folder)}"


def _why_own_is_missing(name: str, root: str, settings: dict[str, Any]) -> str:
    path = os.path.expanduser(str(settings.get("DATASET.FOLDER.PATH") or ""))
    folder = os.path.normpath(os.path.join(root, path))
    if not os.path.isdir(folder):
        return (
            f"no folder {folder} (DATASET.FOLDER.PATH in configs/datasets/{name}.yaml, below DATA)"
        )
    for key in ("SPLIT", "CLASSNAMES"):
        file = str(settings.get(f"DATASET.FOLDER.{key}") or "")
        if file and not os.path.isfile(os.path.join(folder, file)):
            setting = f"DATASET.FOLDER.{key} in configs/datasets/{name}.yaml"
            return f"no file {os.path.join(folder, file)} ({setting})"
    return ""


def main(arguments: list[str]) -> int:
    """Names all data sets that are missing and what gets them; returns the exit code."""
    root, names, *pairs = arguments
    settings = {name: settings_of(name, pairs) for name in names.split()}
    reasons = {name: why_missing(name, root, found) for name, found in settings.items()}
    missing = [name for name, reason in reasons.items() if reason]
    if not missing:
        return 0
    print(f"error: nothing was started, {len(missing)} of {len(reasons)} data sets are missing:")
    for name in missing:
        print(f"  {name}: {reasons[name]}")
    sources = runpy.run_path(str(HERE / "sources.py"))
    registered = [settings[name].get("DATASET.NAME") for name in missing]
    if command := sources["fetch_command"](registered, root):
        print(f"Set DATA to the folder that holds them, or get them: {command}")
    if others := ",".join(name for name, reason in reasons.items() if not reason):
        print(f"Or name those that are there: {others}")
    return 1


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        sys.exit(main(sys.argv[1:]))
