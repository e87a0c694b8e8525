"""A repository of CoOp's layout, written for tests: its own train.py, trainers, datasets, clip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import clip

# The outside of a trainer file of the family: keys, hooks, one registered model.
TRAINER = """
from dassl.engine import TRAINER_REGISTRY, TrainerX
from dassl.metrics import compute_accuracy
from dassl.optim import build_lr_scheduler, build_optimizer
from dassl.utils import load_checkpoint
from torch.nn import functional as F


def extend_cfg(cfg):
    from yacs.config import CfgNode

    cfg.TRAINER.{node} = CfgNode({{"PREC": "fp32"}})


@TRAINER_REGISTRY.register()
class {name}(TrainerX):
    def check_cfg(self, cfg):
        assert cfg.TRAINER.{node}.PREC in ["fp16", "fp32", "amp"]

    def build_model(self):
        cfg = self.cfg
        clip_model = load_clip_to_cpu(cfg).float()
        self.model = CustomCLIP(cfg, self.dm.dataset.classnames, clip_model)
        for name, parameter in self.model.named_parameters():
            if "prompt_learner" not in name:
                parameter.requires_grad_(False)
        self.model.to(self.device)
        self.optim = build_optimizer(self.model.prompt_learner, cfg.OPTIM)
        self.sched = build_lr_scheduler(self.optim, cfg.OPTIM)
        learner = self.model.prompt_learner
        self.register_model("prompt_learner", learner, self.optim, self.sched)

    def forward_backward(self, batch):
        image, label = self.parse_batch_train(batch)
        output = self.model(image)
        loss = F.cross_entropy(output, label)
        self.model_backward_and_update(loss)
        if (self.batch_idx + 1) == self.num_batches:
            self.update_lr()
        return {{"loss": loss.item(), "acc": compute_accuracy(output, label)[0].item()}}

    def parse_batch_train(self, batch):
        return batch["img"].to(self.device), batch["label"].to(self.device)

    def load_model(self, directory, epoch=None):
        for name in self.get_model_names():
            checkpoint = load_checkpoint(f"{{directory}}/{{name}}/model.pth.tar-{{epoch}}")
            state = checkpoint["state_dict"]
            for key in ("token_prefix", "token_suffix"):
                state.pop(key, None)
            self._models[name].load_state_dict(state, strict=False)
"""

# Its inside on a changed copy of CLIP that its repository carries, as MaPLe's does.
LOAD_CLIP = """
import torch
from clip import clip
from torch import nn


def load_clip_to_cpu(cfg):
    path = clip._download(clip._MODELS[cfg.MODEL.BACKBONE.NAME])
    state = torch.load(path, map_location="cpu")["state_dict"]
    return clip.build_model(state, {"trainer": cfg.TRAINER.NAME})

"""
SHIFT = """
class CustomCLIP(nn.Module):
    def __init__(self, cfg, classnames, clip_model):
        super().__init__()
        self.prompt_learner = nn.Module()
        self.prompt_learner.shift = nn.Parameter(torch.zeros(clip_model.text_projection.shape[1]))
        self.clip_model = clip_model
        tokens = clip.tokenize([f"a photo of a {name}." for name in classnames])
        with torch.no_grad():
            self.register_buffer("texts", clip_model.encode_text(tokens))

    def forward(self, image):
        images = nn.functional.normalize(self.clip_model.encode_image(image), dim=-1)
        texts = nn.functional.normalize(self.texts + self.prompt_learner.shift, dim=-1)
        return self.clip_model.logit_scale.exp() * images @ texts.t()
"""
CONTEXT = """
class Context(nn.Module):
    def __init__(self, words, classnames, clip_model):
        super().__init__()
        names = [name.replace("_", " ") for name in classnames]
        tokens = clip.tokenize([f"{words} {name}." for name in names])
        with torch.no_grad():
            embedded = clip_model.token_embedding(tokens)
        behind = 1 + len(words.split())
        self.ctx = nn.Parameter(embedded[0, 1:behind].clone())
        self.register_buffer("token_prefix", embedded[:, :1])
        self.register_buffer("token_suffix", embedded[:, behind:])
        self.ends = tokens.argmax(dim=-1)

    def forward(self):
        context = self.ctx.expand(len(self.ends), -1, -1)
        return torch.cat([self.token_prefix, context, self.token_suffix], dim=1)


class CustomCLIP(nn.Module):
    def __init__(self, cfg, classnames, clip_model):
        super().__init__()
        self.prompt_learner = Context("a photo of a", classnames, clip_model)
        self.clip_model = clip_model

    def forward(self, image):
        model, ends = self.clip_model, self.prompt_learner.ends
        x = (self.prompt_learner() + model.positional_embedding).transpose(0, 1)
        x = model.ln_final(model.transformer(x).transpose(0, 1))
        texts = x[torch.arange(len(x)), ends] @ model.text_projection
        texts = nn.functional.normalize(texts, dim=-1)
        images = nn.functional.normalize(model.encode_image(image), dim=-1)
        return model.logit_scale.exp() * images @ texts.t()
"""
TRAINERS = {
    "Shift": LOAD_CLIP + SHIFT + TRAINER.format(name="Shift", node="SHIFT"),
    "CoOp": LOAD_CLIP + CONTEXT + TRAINER.format(name="CoOp", node="COOP"),
}
DATASET = """
import json
import os
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum


@DATASET_REGISTRY.register()
class OtherShapes(DatasetBase):
    def __init__(self, cfg):
        folder = os.path.join(cfg.DATASET.ROOT, "tiny")
        with open(os.path.join(folder, "split.json")) as file:
            split = json.load(file)
        train, val, test = (
            [Datum(f"{folder}/images/{path}", label, 0, name) for path, label, name in split[part]]
            for part in ("train", "val", "test")
        )
        train = self.generate_fewshot_dataset(train, num_shots=cfg.DATASET.NUM_SHOTS)
        super().__init__(train_x=train, val=val, test=test)
"""
# The command line of such a repository.
TRAIN = """
import argparse

import datasets.other_shapes
import trainers.{module}
from dassl.config import get_cfg_default
from dassl.engine import build_trainer
from dassl.utils import collect_env_info, set_random_seed, setup_logger
{imported}


def main(args):
    cfg = get_cfg_default()
    trainers.{module}.extend_cfg(cfg)
    {line}
    if args.config_file:
        cfg.merge_from_file(args.config_file)
    cfg.DATASET.ROOT, cfg.OUTPUT_DIR, cfg.SEED = args.root, args.output_dir, args.seed
    cfg.TRAINER.NAME, cfg.MODEL.BACKBONE.NAME = args.trainer, args.backbone
    cfg.INPUT.TRANSFORMS = args.transforms
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    set_random_seed(cfg.SEED)
    setup_logger(cfg.OUTPUT_DIR)
    print(collect_env_info())
    trainer = build_trainer(cfg)
    if args.eval_only:
        trainer.load_model(args.model_dir, epoch=args.load_epoch)
        trainer.test()
    else:
        trainer.train()


parser = argparse.ArgumentParser()
for name in ("root", "output-dir", "trainer", "backbone", "config-file", "model-dir"):
    parser.add_argument("--" + name)
for name in ("seed", "load-epoch"):
    parser.add_argument("--" + name, type=int)
parser.add_argument("--eval-only", action="store_true")
parser.add_argument("--transforms", nargs="+")
parser.add_argument("opts", nargs=argparse.REMAINDER)
main(parser.parse_args())
"""


def write_repository(
    place: Path, trainer: str, weights: str, *, imported: str = "", line: str = ""
) -> Path:
    """Writes the repository with one trainer of TRAINERS; its name for `weights` is Tiny.

    Args:
        place: folder to make.
        trainer: of TRAINERS.
        weights: a file with a CLIP.
        imported, line: what is added to train.py, at the top and where keys are added.
    """
    for package in ("datasets", "trainers"):
        (place / package).mkdir(parents=True)
        (place / package / "__init__.py").write_text("")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(clip.__file__).parent, place / "clip", ignore=ignore)
    _append(
        place / "clip/model.py",
        "_build = build_model\n"
        "def build_model(state_dict, design_details):\n"
        f"    assert design_details['trainer'] == {trainer!r}\n"
        "    return _build(dict(state_dict))\n",
    )
    _append(
        place / "clip/clip.py",
        f"_MODELS['Tiny'] = {weights!r}\ndef _download(url):\n    return url\n",
    )
    (place / f"trainers/{trainer.lower()}.py").write_text(TRAINERS[trainer])
    (place / "datasets/other_shapes.py").write_text(DATASET)
    train = TRAIN.format(module=trainer.lower(), imported=imported, line=line)
    (place / "train.py").write_text(train)
    return place


def _append(path: Path, text: str) -> None:
    path.write_text(f"{path.read_text()}\n\n{text}")


def options(argv: list[str], backbone: str = "Tiny") -> list[str]:
    """The arguments of `tiny_argv` with the repository's data set."""
    argv[argv.index("TinyShapes")] = "OtherShapes"
    argv[argv.index("--backbone") + 1] = backbone
    return argv


def run_python(
    arguments: list[str], folder: Path, path: list[Path], python: str = sys.executable
) -> str:
    """Runs Python in a folder, with `path` as PYTHONPATH; what it printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [python, "-W", "ignore", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracies(printed: str) -> list[str]:
    """The lines of Dassl's evaluations."""
    return [line for line in printed.splitlines() if line.startswith("* accuracy")]
