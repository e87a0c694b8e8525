"""Stage 1 of the training: the image tower learns to see.

It predicts each scene's attributes and, patch by patch, where the objects are. Every batch is drawn
afresh, so there is no picture to learn by heart, and a fifth of the triples shape x colour x
texture is never drawn.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from pocket.scenes import NOTHING, Scenes, draw_scenes
from pocket.towers import PATCH, preprocess
from pocket.vocabulary import COLORS, SHAPES, SIZES, STYLES, TEXTURES
from pocket.world import IMAGE_SIZE, render_with_masks
from woven.towers import tower_tokens
from woven.training import Log, ResumePoint, learning_rate

HEADS = {
    "shape": len(SHAPES), "color": len(COLORS), "texture": len(TEXTURES), "size": len(SIZES),
    "ground": len(COLORS), "style": len(STYLES), "neighbour_shape": len(SHAPES) + 1,
    "neighbour_color": len(COLORS), "mark": len(SHAPES) + 1,
}  # fmt: skip
NEIGHBOUR_RATE, MARK_RATE = 0.3, 0.2
EVALUATION_BATCHES = 40


class AttributeProbe(nn.Module):
    """Linear heads on the image tower: one per attribute, one for each patch's two masks."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        width = visual.ln_post.weight.shape[0]
        self.visual = visual
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in HEADS.items()})
        self.mask = nn.Linear(width, 2 * PATCH * PATCH)

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Images [B, 3, S, S] to logits per attribute [B, n] and mask logits [B, P, 128]."""
        tokens = tower_tokens(self.visual, images)
        return {name: head(tokens[:, 0]) for name, head in self.heads.items()}, self.mask(
            tokens[:, 1:]
        )


def held_out(scenes: Scenes) -> np.ndarray:
    """Which scenes have one of the 144 of 720 triples shape x colour x texture never trained on."""
    return (scenes.shape + scenes.color + scenes.texture) % 5 == 0


def draw_batch(
    seed: int, step: int, count: int, *, unseen: bool = False
) -> tuple[Tensor, Scenes, Tensor]:
    """Images, scenes and patch masks of one step, a function of the arguments alone.

    Training draws no held-out triple; with `unseen`, every scene has one.
    """
    rng = np.random.default_rng([seed, step])
    scenes = draw_scenes(count, rng, neighbour_rate=NEIGHBOUR_RATE, mark_rate=MARK_RATE)
    while (wrong := held_out(scenes) != unseen).any():
        texture = np.where(wrong, rng.integers(0, len(TEXTURES), count), scenes.texture)
        scenes = replace(scenes, texture=texture)
    pixels, masks = render_with_masks(scenes, rng)
    grid = IMAGE_SIZE // PATCH
    patches = masks.reshape(count, 2, grid, PATCH, grid, PATCH).transpose(0, 2, 4, 1, 3, 5)
    return preprocess(pixels), scenes, torch.from_numpy(patches.reshape(count, grid * grid, -1))


def _attribute_losses(
    probe: AttributeProbe, images: Tensor, scenes: Scenes, masks: Tensor
) -> tuple[Tensor, dict[str, float]]:
    logits, mask_logits = probe(images)
    losses, figures = [], {}
    for name, values in logits.items():
        target = torch.from_numpy(getattr(scenes, name)).to(images.device)
        if name == "neighbour_color":  # says nothing where nobody stands
            keep = torch.from_numpy(scenes.neighbour_shape != NOTHING).to(images.device)
            values, target = values[keep], target[keep]
        losses.append(F.cross_entropy(values, target))
        figures[name] = (values.argmax(1) == target).float().mean().item()
    mask_loss = F.binary_cross_entropy_with_logits(mask_logits, masks)
    return sum(losses) + 8 * mask_loss, {"mask_loss": mask_loss.item(), **figures}


@torch.no_grad()
def attribute_accuracy(probe: AttributeProbe, args: argparse.Namespace) -> dict[str, dict]:
    """Accuracy of every attribute on fresh scenes: seen and held-out triples."""
    result = {}
    for name, unseen in (("seen", False), ("held_out", True)):
        sums: dict[str, float] = {}
        for index in range(EVALUATION_BATCHES):
            batch = draw_batch(args.seed + 3, index, args.image_batch, unseen=unseen)
            images, scenes, masks = (x.to(args.device) if torch.is_tensor(x) else x for x in batch)
            for key, value in _attribute_losses(probe, images, scenes, masks)[1].items():
                sums[key] = sums.get(key, 0.0) + value / EVALUATION_BATCHES
        result[name] = sums
    return result


def train_images(model: CLIP, args: argparse.Namespace) -> None:
    """Stage 1: the image tower learns to see."""
    probe = AttributeProbe(model.visual).to(args.device)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=args.image_lr, weight_decay=0.05)
    point = ResumePoint(
        args.work / "images.pt", args, ("seed", "image"), probe=probe, optimizer=optimizer
    )
    start = point.step
    log = Log(args.work / "images.jsonl")
    bar = tqdm(range(start, args.image_steps), initial=start, total=args.image_steps, desc="images")
    with ThreadPoolExecutor(1) as pool:  # the next batch is drawn while this one trains
        ahead = pool.submit(draw_batch, args.seed, start, args.image_batch)
        for step in bar:
            images, scenes, masks = ahead.result()
            ahead = pool.submit(draw_batch, args.seed, step + 1, args.image_batch)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(
                    step, args.image_steps, args.image_lr, args.image_restart
                )
            loss, figures = _attribute_losses(
                probe, images.to(args.device), scenes, masks.to(args.device)
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
            optimizer.step()
            log.add(step, loss=loss.item(), **figures)
            bar.set_postfix(loss=f"{loss.item():.3f}", shape=f"{figures['shape']:.2f}")
            point.save(step + 1, args.image_steps)
    report = args.work / "attributes.json"
    if not report.exists():
        report.write_text(json.dumps(attribute_accuracy(probe, args), indent=1))
