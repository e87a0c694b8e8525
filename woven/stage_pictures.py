"""The image tower learns to read codes back from pictures.

Every batch is woven afresh, in all looks, from codes around what captions mean, so there is no
picture to learn by heart and no data set to prefer.
"""

import argparse

import torch
from clip.model import CLIP
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from woven.codes import generator
from woven.pictures import LOOKS, weave
from woven.towers import encode_image, preprocess
from woven.training import Log, ResumePoint, learning_rate, take_step

SPREAD = (0.5, 3.0)  # lengths of the noise around a caption's meaning


def draw_batch(words: Tensor, seed: int, step: int, count: int) -> tuple[Tensor, Tensor]:
    """Pictures [B, 3, S, S], normalised, and their unit codes [B, E]; a function of the arguments.

    Half of the pictures are photos, the others of the other looks in turn.
    """
    rng = generator("pictures", seed, step)
    rows = torch.randint(len(words), (count,), generator=rng)
    low, high = SPREAD
    length = low + (high - low) * torch.rand(count, 1, generator=rng)
    noise = torch.randn(count, words.shape[1], generator=rng) * words.shape[1] ** -0.5
    codes = F.normalize(words[rows] + length * noise, dim=-1)
    photo, *others = LOOKS.values()
    half = count // 2
    parts = [weave(codes[:half], rng, photo)]
    for chunk, looks in zip(codes[half:].chunk(len(others)), others, strict=True):
        parts.append(weave(chunk, rng, looks))
    return preprocess(torch.cat(parts)), codes


def train_pictures(model: CLIP, args: argparse.Namespace, words: Tensor) -> None:
    """The stage: `words` are what captions mean, [N, E]."""
    visual = model.visual
    optimizer = torch.optim.AdamW(visual.parameters(), lr=args.picture_lr, weight_decay=0.02)
    point = ResumePoint(
        args.work / "pictures.pt", args, ("seed", "picture"), visual=visual, optimizer=optimizer
    )
    log = Log(args.work / "pictures.jsonl")
    steps = range(point.step, args.picture_steps)
    bar = tqdm(steps, initial=point.step, total=args.picture_steps, desc="pictures")
    for step in bar:
        images, codes = draw_batch(words, args.seed, step, args.picture_batch)
        features = F.normalize(encode_image(visual, images), dim=-1)
        cosine = (features * codes).sum(1)
        half = len(cosine) // 2
        loss = 1 - cosine.mean()
        take_step(optimizer, loss, learning_rate(step, args.picture_steps, args.picture_lr))
        log.add(step, photo=cosine[:half].mean().item(), others=cosine[half:].mean().item())
        bar.set_postfix(cosine=f"{cosine.mean().item():.3f}")
        point.save(step + 1, args.picture_steps)
