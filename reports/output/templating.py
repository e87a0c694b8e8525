"""HTML from the files in `templates/`: all that is put into one is escaped, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.files import read_text

FOLDER = Path(__file__).parent / "templates"
TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def filled(name: str, **values: object) -> Markup:
    """A template with its values: markup, which another template takes as it is."""
    return Markup(TEMPLATES.get_template(name).render(values))


def as_it_is(name: str) -> Markup:
    """A style sheet or script of the folder."""
    return Markup(read_text(FOLDER / name))
