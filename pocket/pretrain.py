"""Trains the pocket CLIP from nothing but the world: `python -m pocket.pretrain`.

Two stages, pictures before words, because shape is slow to learn and words are not:

1. `images`: the image tower predicts each scene's attributes and, patch by patch, where the
   objects are. Every batch is drawn afresh, so there is no picture to learn by heart.
2. `words`: the image tower is frozen, its features of many scenes are stored once, and the text
   tower learns to match noisy captions to them with CLIP's symmetric contrastive loss.

Both stages save what they need to go on under `--work` and resume when started again. The end is
one fp16 file in OpenAI's state-dict format, which `clip.load` opens.
"""

import argparse
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clip
import numpy as np
import torch
from clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from pocket.captions import caption
from pocket.vocabulary import COLORS, SHAPES, SIZES, STYLES, TEXTURES
from pocket.weights import WEIGHTS, save_weights
from pocket.world import IMAGE_SIZE, NO_NEIGHBOUR, Scenes, draw_scenes, render

PATCH = 8
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)  # CLIP's own
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
HEADS = {
    "shape": len(SHAPES), "color": len(COLORS), "texture": len(TEXTURES), "size": len(SIZES),
    "ground": len(COLORS), "style": len(STYLES), "neighbour_shape": len(SHAPES) + 1,
    "neighbour_color": len(COLORS),
}  # fmt: skip
NEIGHBOUR_RATE = 0.3
FEATURE_BATCH = 512
MAX_TOKENS = 20  # longer than any caption; what stands after it would be padding
SAVE_EVERY = 200  # steps


def new_model() -> CLIP:
    """A random CLIP of pocket size; widths are multiples of 64, as `clip` derives the heads."""
    return CLIP(
        embed_dim=128, image_resolution=IMAGE_SIZE, vision_layers=6, vision_width=192,
        vision_patch_size=PATCH, context_length=77, vocab_size=49408, transformer_width=128,
        transformer_heads=2, transformer_layers=4,
    )  # fmt: skip


def preprocess(pixels: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] to CLIP's normalised input [B, 3, S, S]."""
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class AttributeProbe(nn.Module):
    """Linear heads on the image tower: one per attribute, one for each patch's coverage mask."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        width = visual.ln_post.weight.shape[0]
        self.visual = visual
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in HEADS.items()})
        self.mask = nn.Linear(width, PATCH * PATCH)

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Images [B, 3, S, S] to logits per attribute [B, n] and mask logits [B, P, 64]."""
        tokens = tower_tokens(self.visual, images)
        return {name: head(tokens[:, 0]) for name, head in self.heads.items()}, self.mask(
            tokens[:, 1:]
        )


def tower_tokens(visual: nn.Module, images: Tensor) -> Tensor:
    """The image tower without its last projection: [B, 3, S, S] to tokens [B, 1 + P, width]."""
    x = visual.conv1(images).flatten(2).transpose(1, 2)
    class_token = visual.class_embedding.expand(len(x), 1, -1)
    x = visual.ln_pre(torch.cat([class_token, x], dim=1) + visual.positional_embedding)
    return visual.ln_post(visual.transformer(x.transpose(0, 1)).transpose(0, 1))


def draw_batch(seed: int, step: int, count: int) -> tuple[Tensor, Scenes, Tensor]:
    """Images, scenes and patch masks of one step, a function of seed and step alone."""
    rng = np.random.default_rng([seed, step])
    scenes = draw_scenes(count, rng, neighbour_rate=NEIGHBOUR_RATE)
    pixels, masks = render(scenes, rng, with_masks=True)
    grid = IMAGE_SIZE // PATCH
    patches = masks.reshape(count, grid, PATCH, grid, PATCH).transpose(0, 1, 3, 2, 4)
    return preprocess(pixels), scenes, torch.from_numpy(patches.reshape(count, grid * grid, -1))


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 5 % of the steps, then a cosine to zero."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


class Log:
    """Appends one json line per interval to a file that the model card draws its curves from."""

    def __init__(self, path: Path, every: int = 50) -> None:
        self.path, self.every, self.sums, self.count = path, every, {}, 0

    def add(self, step: int, **values: float) -> None:
        """Collects values; writes their means every `every` steps."""
        self.count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        if (step + 1) % self.every == 0:
            means = {name: round(total / self.count, 5) for name, total in self.sums.items()}
            with self.path.open("a") as file:
                file.write(json.dumps({"step": step + 1, "time": round(time.time())} | means))
                file.write("\n")
            self.sums, self.count = {}, 0


class ResumePoint:
    """A file with a stage's modules, optimiser and step; it belongs to one set of figures.

    Args:
        path: the file.
        args: the command line.
        figures: beginnings of the names of the arguments that decide what the stage makes.
        parts: what has a state dict.

    Raises:
        ValueError: the file was written by a training with other figures.
    """

    def __init__(
        self, path: Path, args: argparse.Namespace, figures: tuple[str, ...], **parts
    ) -> None:
        self.path, self.parts, self.step = path, parts, 0
        self.figures = {k: v for k, v in vars(args).items() if k.startswith(figures)}
        if not path.exists():
            return
        state = torch.load(path, map_location=args.device)
        if state["figures"] != self.figures:
            raise ValueError(
                f"{path} belongs to a training with {state['figures']}; this one has "
                f"{self.figures}. Choose another --work folder, or delete it."
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def save(self, step: int, steps: int) -> None:
        """Writes the file after `step` of `steps`, if it is time to."""
        if step % SAVE_EVERY and step != steps:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save(state | {"step": step, "figures": self.figures}, self.path.with_suffix(".tmp"))
        self.path.with_suffix(".tmp").replace(self.path)


def _attribute_losses(
    probe: AttributeProbe, images: Tensor, scenes: Scenes, masks: Tensor
) -> tuple[Tensor, dict[str, float]]:
    logits, mask_logits = probe(images)
    losses, figures = [], {}
    for name, values in logits.items():
        target = torch.from_numpy(getattr(scenes, name)).to(images.device)
        if name == "neighbour_color":  # says nothing where nobody stands
            keep = torch.from_numpy(scenes.neighbour_shape != NO_NEIGHBOUR).to(images.device)
            values, target = values[keep], target[keep]
        losses.append(F.cross_entropy(values, target))
        figures[name] = (values.argmax(1) == target).float().mean().item()
    mask_loss = F.binary_cross_entropy_with_logits(mask_logits, masks)
    return sum(losses) + 4 * mask_loss, {"mask_loss": mask_loss.item(), **figures}


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
                group["lr"] = learning_rate(step, args.image_steps, args.image_lr)
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


@torch.no_grad()
def store_features(model: CLIP, args: argparse.Namespace) -> tuple[Tensor, list[Scenes]]:
    """Image features before the projection [N, width] of scenes no stage saw, and the scenes."""
    features, batches = [], []
    for index in tqdm(range(args.scenes // FEATURE_BATCH), desc="features"):
        images, scenes, _ = draw_batch(args.seed + 1, index, FEATURE_BATCH)
        features.append(tower_tokens(model.visual, images.to(args.device))[:, 0].cpu())
        batches.append(scenes)
    return torch.cat(features), batches


def encode_text(model: CLIP, tokens: Tensor) -> Tensor:
    """`model.encode_text` on the first MAX_TOKENS tokens, [B, L] to [B, E]."""
    x = model.token_embedding(tokens[:, :MAX_TOKENS]) + model.positional_embedding[:MAX_TOKENS]
    x = model.ln_final(model.transformer(x.transpose(0, 1)).transpose(0, 1))
    return x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ model.text_projection


def train_words(model: CLIP, args: argparse.Namespace) -> None:
    """Stage 2: the text tower and the image projection learn to agree on stored features."""
    model.to(args.device)
    features, batches = store_features(model, args)
    model.visual.requires_grad_(False)
    model.visual.proj.requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad]
    for block in model.transformer.resblocks:  # causal: the cut changes no feature
        block.attn_mask = block.attn_mask[:MAX_TOKENS, :MAX_TOKENS]
    optimizer = torch.optim.AdamW(trained, lr=args.word_lr, weight_decay=0.02)
    point = ResumePoint(
        args.work / "words.pt", args, ("seed", "image", "scenes", "word"),
        model=model, optimizer=optimizer,
    )  # fmt: skip
    log = Log(args.work / "words.jsonl")
    steps = range(point.step, args.word_steps)
    bar = tqdm(steps, initial=point.step, total=args.word_steps, desc="words")
    for step in bar:
        rng = np.random.default_rng([args.seed + 2, step])
        rows = rng.integers(0, len(features), args.word_batch)
        texts = [caption(batches[r // FEATURE_BATCH], r % FEATURE_BATCH, rng) for r in rows]
        image = F.normalize(features[rows].to(args.device) @ model.visual.proj, dim=-1)
        text = F.normalize(encode_text(model, clip.tokenize(texts).to(args.device)), dim=-1)
        logits = model.logit_scale.exp() * image @ text.T
        target = torch.arange(len(rows), device=args.device)
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.word_steps, args.word_lr)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        model.logit_scale.data.clamp_(max=math.log(100))
        log.add(step, loss=loss.item(), logit_scale=model.logit_scale.exp().item())
        bar.set_postfix(loss=f"{loss.item():.3f}")
        point.save(step + 1, args.word_steps)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Every figure of the training; the defaults made the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", type=Path, default=WEIGHTS, help="the weights file (default: %(default)s)")
    add("--work", type=Path, default=Path("output/pocket"), help="logs and resume points")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--seed", type=int, default=1)
    add("--image-steps", type=int, default=4000)
    add("--image-batch", type=int, default=128)
    add("--image-lr", type=float, default=1e-3)
    add("--scenes", type=int, default=60_000, help="scenes whose features stage 2 stores")
    add("--word-steps", type=int, default=1500)
    add("--word-batch", type=int, default=256)
    add("--word-lr", type=float, default=1e-3)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Both stages, then the weights file and its checksum."""
    args = parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    model = new_model()
    train_images(model, args)
    train_words(model, args)
    checksum = save_weights(model, args.out)
    print(f"Saved {args.out}; put this into pocket/weights.py: SHA256 = {checksum!r}")


if __name__ == "__main__":
    main()
