"""Names that are no classes of the data set: words that a prompt should go on reading rightly."""

import contextlib
import io
from pathlib import Path

import torch
from torch import nn

from promptkit.backbones.backbone import Backbone
from promptkit.backbones.tokens import readable
from promptkit.encoders.text_encoder import Prompts
from promptkit.prompts.context import ContextPrompts
from promptkit.random_state import seeded


def read_vocabulary(path: str, classes: list[str], *, key: str) -> list[str]:
    """The names of a text file, one a line; those of `classes`, repeats and blanks are left out.

    Args:
        path: of the file.
        classes: names of the data set, all that are known.
        key: that names the file, for messages.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: fewer than two names are left.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{key}: there is no file {path}. Give a text file with a name a line, or '' for none."
        )
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    taken = {readable(name).casefold() for name in classes}
    names = {readable(line.strip()): None for line in lines if line.strip()}
    left = [name for name in names if name.casefold() not in taken]
    print(f"Vocabulary: {len(left):,} names; {len(names) - len(left):,} more are classes here")
    if len(left) < 2:
        raise ValueError(f"{key} must have two names that are no classes here; got {path}.")
    return left


class VocabularyPrompts(nn.Module):
    """The learned context before other names; a few of them at a time.

    Args:
        model: the CLIP whose embeddings are used.
        names: R of them.
        context: M tokens [M, D], CoOp's, which stay the learner's.
        count: at most so many at a time.
    """

    def __init__(self, model: Backbone, names: list[str], context: nn.Parameter, count: int):
        super().__init__()
        with seeded(0), contextlib.redirect_stdout(io.StringIO()):  # its own context is not used
            self.words = ContextPrompts(model, names, num_context=len(context))
        self.words.ctx = context
        self.count = min(count, len(names))
        self.rows = torch.arange(self.count)

    def draw(self, generator: torch.Generator) -> None:
        """Chooses which names come next."""
        self.rows = torch.randperm(len(self.words.names), generator=generator)[: self.count]

    def forward(self) -> Prompts:
        """The prompts of the names that were drawn."""
        return self.words().of_classes(self.rows)
