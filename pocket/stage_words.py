"""Stage 2 of the training: the text tower learns to say what the image tower sees.

The image tower is frozen, its features of many scenes are stored once, and the text tower and the
image projection learn to match noisy captions to them with CLIP's symmetric contrastive loss.
"""

import argparse
import math

import clip
import numpy as np
import torch
from clip.model import CLIP
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from pocket.captions import caption
from pocket.scenes import Scenes
from pocket.stage_images import draw_batch
from pocket.towers import MAX_TOKENS, encode_text
from woven.towers import tower_tokens
from woven.training import Log, ResumePoint, learning_rate, take_step

FEATURE_BATCH = 512


@torch.no_grad()
def store_features(model: CLIP, args: argparse.Namespace) -> tuple[Tensor, list[Scenes]]:
    """Image features before the projection [N, width] of scenes no stage saw, and the scenes."""
    features, batches = [], []
    for index in tqdm(range(args.scenes // FEATURE_BATCH), desc="features"):
        images, scenes, _ = draw_batch(args.seed + 1, index, FEATURE_BATCH)
        features.append(tower_tokens(model.visual, images.to(args.device))[:, 0].cpu())
        batches.append(scenes)
    return torch.cat(features), batches


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
        take_step(optimizer, loss, learning_rate(step, args.word_steps, args.word_lr))
        model.logit_scale.data.clamp_(max=math.log(100))
        log.add(step, loss=loss.item(), logit_scale=model.logit_scale.exp().item())
        bar.set_postfix(loss=f"{loss.item():.3f}")
        point.save(step + 1, args.word_steps)
