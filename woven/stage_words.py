"""The text tower learns what a sentence model says of captions.

The embedding of the vocabulary starts as the least-squares bag of tokens of the targets, because a
token is read too seldom for steps of an optimiser to place it. Then the whole tower learns
cosine and, so that close names stay apart, contrast between the captions of a batch.
"""

import argparse

import clip
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from clip.model import CLIP
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from woven.captions import class_names, sentences
from woven.towers import encode_text
from woven.training import Log, ResumePoint, learning_rate, take_step

TEMPERATURE, CONTRAST, COSINE = 0.03, 0.25, 10.0
OF_CLASSES = 1 / 3  # of a batch: captions of class names
END = 49407  # the end of text, the largest token


def tokens_of(texts: list[str]) -> Tensor:
    """[N, L] int32, L the longest caption."""
    tokens = clip.tokenize(texts, truncate=True).int()
    return tokens[:, : int((tokens == END).int().argmax(1).max()) + 1]


def bag_of_tokens(tokens: Tensor, targets: Tensor, rows: np.ndarray, vocabulary: int) -> Tensor:
    """Ridge regression of the targets on counts of tokens: a start for the embedding [V, E].

    Args:
        rows: the captions that are used.
    """
    picked = tokens[rows].numpy()
    where, _ = np.nonzero(picked)
    columns = picked[picked > 0]
    counts = scipy.sparse.csr_matrix(
        (np.ones(len(columns), dtype=np.float32), (where, columns)), (len(rows), vocabulary)
    )
    wanted = (targets - targets.mean(0))[rows].numpy()
    solved = [
        scipy.sparse.linalg.lsqr(counts, wanted[:, k], damp=0.3, iter_lim=30)[0]
        for k in range(wanted.shape[1])
    ]
    return torch.from_numpy(np.stack(solved, axis=1)).float()


def draw_rows(rng: np.random.Generator, batch: int, of_classes: int, total: int) -> np.ndarray:
    """Captions of one step, no name twice among those of classes."""
    names = rng.choice(len(class_names()), round(batch * OF_CLASSES), replace=False)
    own = names * len(sentences()) + rng.integers(0, len(sentences()), len(names))
    return np.concatenate([own, rng.integers(of_classes, total, batch - len(names))])


def train_words(
    model: CLIP, args: argparse.Namespace, texts: list[str], of_classes: int, targets: Tensor
) -> None:
    """The stage: `texts` with their `targets` [N, E], the first `of_classes` of class names."""
    tokens = tokens_of(texts)
    trained = [
        model.token_embedding.weight, model.positional_embedding, model.text_projection,
        *model.transformer.parameters(), *model.ln_final.parameters(),
    ]  # fmt: skip
    optimizer = torch.optim.AdamW(trained, lr=args.word_lr, weight_decay=0.02)
    point = ResumePoint(
        args.work / "words.pt", args, ("seed", "text", "word"), model=model, optimizer=optimizer
    )
    if point.step == 0:
        rows = np.random.default_rng(args.seed).permutation(len(texts))[:60_000]
        start = bag_of_tokens(tokens, targets, rows, model.vocab_size)
        width = model.token_embedding.weight.shape[1]
        with torch.no_grad():
            scale = 0.02 * width**0.5 / start.norm(dim=1)[start.norm(dim=1) > 0].mean()
            shared = min(width, start.shape[1])  # a tower may be narrower or wider than the space
            model.token_embedding.weight[:, :shared].add_((start * scale)[:, :shared])
    log = Log(args.work / "words.jsonl")
    bar = tqdm(
        range(point.step, args.word_steps), initial=point.step, total=args.word_steps, desc="words"
    )
    for step in bar:
        rng = np.random.default_rng([args.seed + 2, step])
        rows = draw_rows(rng, args.word_batch, of_classes, len(texts))
        batch = tokens[rows].long()
        batch = batch[:, : int((batch == END).int().argmax(1).max()) + 1]
        features = F.normalize(encode_text(model, batch), dim=-1)
        wanted = targets[rows]
        cosine = (features * wanted).sum(1).mean()
        logits = features @ wanted.T / TEMPERATURE
        same = torch.arange(len(rows))
        contrast = (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
        loss = COSINE * (1 - cosine) + CONTRAST * contrast
        take_step(optimizer, loss, learning_rate(step, args.word_steps, args.word_lr))
        log.add(step, cosine=cosine.item(), contrast=contrast.item())
        bar.set_postfix(cosine=f"{cosine.item():.3f}")
        point.save(step + 1, args.word_steps)
