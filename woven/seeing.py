"""What is seen of a set: features of its pictures, and how well simple classifiers do on them.

None of them is a method that the bench ranks but for zero-shot itself.
"""

import math
from typing import NamedTuple

import clip
import torch
from clip.model import CLIP, build_model
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.linear_probe import fit
from woven.captions import sentences
from woven.codes import Lengths, base_count, centres, generator
from woven.datasets import WovenSet
from woven.pictures import LOOKS, weave
from woven.towers import LOGIT_SCALE, encode_image, encode_text, preprocess
from woven.weights import weights_path

SHOTS = 16
PROBE_C = 10.0  # inverse penalty of the probe
BOTH = ("train", "test")
Features = dict[str, Tensor]  # split -> unit features [C, n, E]


def load_weights() -> CLIP:
    """The shipped weights, in single precision."""
    return build_model(torch.load(weights_path(), weights_only=True)).float().eval()


class Classes(NamedTuple):
    """What the text tower says of a set's classes, both [C, E] of unit rows.

    Attributes:
        words: of each class in the data set's own sentence, by which zero-shot goes.
        meaning: mean over all sentences, around which pictures are drawn.
    """

    words: Tensor
    meaning: Tensor

    def part(self, which: slice) -> "Classes":
        """Of some of the classes."""
        return Classes(self.words[which], self.meaning[which])


@torch.no_grad()
def classes_of(model: CLIP, item: WovenSet) -> Classes:
    """What the text tower says of a set's classes."""
    said = [words_of(model, item.classnames, template) for template in sentences()]
    meaning = F.normalize(torch.stack(said).mean(0), dim=-1)
    return Classes(words_of(model, item.classnames, item.template), meaning)


@torch.no_grad()
def words_of(model: CLIP, classnames: list[str], template: str) -> Tensor:
    """Unit text features [C, E] of class names in a sentence."""
    texts = [template.replace("{}", name) for name in classnames]
    return F.normalize(encode_text(model, clip.tokenize(texts)), dim=-1)


@torch.no_grad()
def cosine_to_codes(visual: nn.Module, named: dict[str, Classes]) -> dict[str, float]:
    """Mean cosine of what the tower reads to the code of the picture, by looks."""
    found = {}
    for name, looks in LOOKS.items():
        rng = generator("cosine", name)
        middle = torch.cat([classes.meaning for classes in named.values()]).repeat(4, 1)
        noise = torch.randn(middle.shape, generator=rng) * middle.shape[1] ** -0.5
        codes = F.normalize(middle + 1.5 * noise, dim=-1)
        read = F.normalize(encode_image(visual, preprocess(weave(codes, rng, looks))), dim=-1)
        found[name] = (read * codes).sum(1).mean().item()
    return found


class Eyes:
    """What is seen of a data set: features of its pictures, or, without an image tower, codes."""

    def __init__(self, visual: nn.Module | None) -> None:
        self.visual = visual

    @torch.no_grad()
    def see(
        self, item: WovenSet, classes: Classes, lengths: Lengths, splits: tuple[str, ...] = BOTH
    ) -> Features:
        """Features of the first SHOTS training pictures and of all test pictures of each class."""
        middle = centres(item.name, classes.meaning, lengths, own_of=item.rendering_of)
        middle = middle.half().float()  # as they are kept
        seen: Features = {}
        for split in splits:
            count = SHOTS if split == "train" else item.per_class[split]
            parts = []
            for label in range(len(middle)):
                codes = item.codes(label, split, middle, lengths)
                drawn = codes if self.visual is None else item.weave(label, split, codes)
                parts.append(drawn[:count])
            whole = torch.stack(parts)
            if self.visual is not None:
                flat = preprocess(whole.flatten(0, 1))
                encoded = [encode_image(self.visual, chunk) for chunk in flat.split(512)]
                whole = torch.cat(encoded).unflatten(0, whole.shape[:2])
            seen[split] = F.normalize(whole, dim=-1)
        return seen


def halves(words: Tensor) -> tuple[slice, slice]:
    """Base and new classes."""
    base = base_count(len(words))
    return slice(0, base), slice(base, len(words))


def accuracy(features: Tensor, weights: Tensor) -> float:
    """Percent of features [C, n, E] whose largest product is with their own row of [C, E]."""
    right = (features @ weights.T).argmax(-1) == torch.arange(len(weights))[:, None]
    return 100 * right.float().mean().item()


def zero_shot(seen: Features, words: Tensor) -> tuple[float, float]:
    """On base and on new classes."""
    base, new = halves(words)
    return accuracy(seen["test"][base], words[base]), accuracy(seen["test"][new], words[new])


def probe(seen: Features, words: Tensor) -> float:
    """Of a logistic regression on base classes."""
    base, _ = halves(words)
    features, labels = _shots(seen, base)
    linear = nn.Linear(words.shape[1], base.stop)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    fit(linear, features, labels, PROBE_C, max_iter=100)
    with torch.no_grad():
        right = linear(seen["test"][base]).argmax(-1) == torch.arange(base.stop)[:, None]
    return 100 * right.float().mean().item()


def _shots(seen: Features, classes: slice) -> tuple[Tensor, Tensor]:
    features = seen["train"][classes]
    return features.flatten(0, 1), torch.arange(len(features)).repeat_interleave(SHOTS)


def linear_map(
    seen: Features, words: Tensor, *, steps: int = 300, lr: float = 1e-3
) -> tuple[float, float]:
    """Zero-shot accuracy after a map I + D of features, fitted on base classes.

    As ProLIP (arXiv:2410.05270) fits the image projection: cross-entropy plus |D|^2 / SHOTS, full
    batches, Adam with eps 1e-4, cosine.
    """
    base, _ = halves(words)
    features, labels = _shots(seen, base)
    change = nn.Parameter(torch.zeros(words.shape[1], words.shape[1]))
    optimizer = torch.optim.Adam([change], lr=lr, eps=1e-4)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps))
        moved = F.normalize(features + features @ change, dim=-1)
        loss = F.cross_entropy(LOGIT_SCALE * moved @ words[base].T, labels)
        loss = loss + change.square().sum() / SHOTS
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        test = seen["test"] + seen["test"] @ change
        return zero_shot({"test": F.normalize(test, dim=-1)}, words)


def measure(item: WovenSet, classes: Classes, lengths: Lengths, eyes: Eyes) -> dict[str, float]:
    """What came of it, percent."""
    seen, words = eyes.see(item, classes, lengths), classes.words
    by_map = linear_map(seen, words)
    base, new = zero_shot(seen, words)
    return {
        "zero_shot_base": base, "zero_shot_new": new, "probe_base": probe(seen, words),
        "map_base": by_map[0], "map_new": by_map[1],
        "zero_shot_all": accuracy(seen["test"], words),
    }  # fmt: skip
