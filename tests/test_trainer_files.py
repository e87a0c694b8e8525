"""Trainer files written for upstream, by each route of docs/extending.md."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import clip
import pytest
import torch

import train
import trainers  # noqa: F401  (registers them, before a test copies the registry)
from dassl.engine import TRAINER_REGISTRY

PROJECT = Path(train.__file__).parent

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

# Its inside, on the names of CoOp's trainers/coop.py ...
ON_COOP = "from trainers.coop import CustomCLIP, load_clip_to_cpu\n"
# ... or on a changed copy of CLIP that its repository carries, as MaPLe's does.
ON_OWN_CLIP = """
import torch
from clip import clip
from torch import nn


def load_clip_to_cpu(cfg):
    path = clip._download(clip._MODELS[cfg.MODEL.BACKBONE.NAME])
    state = torch.load(path, map_location="cpu")["state_dict"]
    return clip.build_model(state, {"trainer": "Shift"})


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
REPOSITORY_TRAIN = """
import argparse

import datasets.other_shapes
import trainers.shift
from dassl.config import get_cfg_default
from dassl.engine import build_trainer
from dassl.utils import collect_env_info, set_random_seed, setup_logger


def main(args):
    cfg = get_cfg_default()
    trainers.shift.extend_cfg(cfg)
    cfg.DATASET.ROOT, cfg.OUTPUT_DIR, cfg.SEED = args.root, args.output_dir, args.seed
    cfg.TRAINER.NAME, cfg.MODEL.BACKBONE.NAME = args.trainer, args.backbone
    cfg.INPUT.TRANSFORMS = args.transforms
    cfg.merge_from_list(args.opts)
    cfg.freeze()
    set_random_seed(cfg.SEED)
    setup_logger(cfg.OUTPUT_DIR)
    print(collect_env_info())
    build_trainer(cfg).train()


parser = argparse.ArgumentParser()
for name in ("--root", "--output-dir", "--trainer", "--backbone"):
    parser.add_argument(name)
parser.add_argument("--seed", type=int)
parser.add_argument("--transforms", nargs="+")
parser.add_argument("opts", nargs=argparse.REMAINDER)
main(parser.parse_args())
"""


@pytest.fixture
def by_import(tmp_path, monkeypatch):
    """Writes a module that --import finds, and forgets what it registers."""
    monkeypatch.setattr(TRAINER_REGISTRY, "_objects", dict(TRAINER_REGISTRY._objects))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    names = []

    def write(name: str, text: str) -> tuple[str, str]:
        (tmp_path / f"{name}.py").write_text(text)
        names.append(name)
        return "--import", name

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_a_file_on_coops_names_trains_what_coop_trains(tiny_argv, tmp_path, by_import):
    flags = by_import("context_file", ON_COOP + TRAINER.format(name="Context", node="CONTEXT"))
    words = ("TRAINER.COOP.CTX_INIT", "a photo of a")
    assert train.main(tiny_argv("Context", *words, output="theirs", flags=flags)) == 0
    assert train.main(tiny_argv("CoOp", *words, output="ours")) == 0
    contexts, metrics = [], []
    for name in ("theirs", "ours"):
        state = torch.load(tmp_path / name / "prompt_learner/model.pth.tar-2")["state_dict"]
        contexts.append(state["ctx"])
        metrics.append(json.loads((tmp_path / name / "result.json").read_text())["metrics"])
    torch.testing.assert_close(*contexts, rtol=1e-3, atol=1e-5)
    assert metrics[0] == metrics[1]
    flags = (*flags, "--eval-only", "--model-dir", str(tmp_path / "theirs"), "--load-epoch", "2")
    assert train.main(tiny_argv("Context", *words, output="again", flags=flags)) == 0
    again = json.loads((tmp_path / "again/result.json").read_text())["metrics"]
    assert again == metrics[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ON_COOP + TRAINER.format(name="CoOp", node="COOP2"),
         'An object named "CoOp" was already registered in "TRAINER" registry, by trainers.coop. '
         "Rename the one in broken_file"),
        ("from .coop import load_clip_to_cpu\n", "write 'from datasets.oxford_pets', 'from"),
        ("from trainers.coop import Nothing\n", "cannot import name 'Nothing' from 'trainers."),
        ("import no_such_package\n", "No module named 'no_such_package'. The module is there, but"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_taken_says_why(tiny_argv, by_import, capsys, text, message):
    flags = by_import("broken_file", text)
    assert train.main(tiny_argv("Context", flags=flags)) == 1
    assert message in capsys.readouterr().err


@pytest.fixture
def repository(tmp_path, tiny_weights):
    """A changed copy of CLIP beside a data set and a trainer that need it."""
    place = tmp_path / "repository"
    for package in ("datasets", "trainers"):
        (place / package).mkdir(parents=True)
        (place / package / "__init__.py").write_text("")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(clip.__file__).parent, place / "clip", ignore=ignore)
    changed = place / "clip/clip.py"
    changed.write_text(
        changed.read_text() + "\nfrom .model import build_model as _build\n"
        f"_MODELS['Tiny'] = {tiny_weights!r}\n"
        "def _download(url):\n    return url\n"
        "def build_model(state_dict, design_details):\n"
        "    assert design_details['trainer'] == 'Shift'\n"
        "    return _build(dict(state_dict))\n"
    )
    trainer = ON_OWN_CLIP + TRAINER.format(name="Shift", node="SHIFT")
    (place / "trainers/shift.py").write_text(trainer)
    (place / "datasets/other_shapes.py").write_text(DATASET)
    (place / "train.py").write_text(REPOSITORY_TRAIN)
    return place


def options(argv: list[str]) -> list[str]:
    argv[argv.index("TinyShapes")] = "OtherShapes"
    argv[argv.index("--backbone") + 1] = "Tiny"
    return argv


def accuracy_of(command: list[str], path: list[Path], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *command],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("* accuracy"))


def test_with_their_own_clip_here_or_our_engine_there_it_is_the_same(
    repository, tiny_argv, tmp_path
):
    here = tmp_path / "files"  # what the first route needs: their clip, and the files by themselves
    shutil.copytree(repository / "clip", here / "clip")
    for file in ("trainers/shift.py", "datasets/other_shapes.py"):
        shutil.copy(repository / file, here)
    flags = ("--import", "shift", "--import", "other_shapes")
    argv = options(tiny_argv("Shift", output="here", flags=flags))
    ours = accuracy_of([str(PROJECT / "train.py"), *argv], [here], tmp_path)
    assert (tmp_path / "here/result.json").is_file()

    argv = options(tiny_argv("Shift", output="there"))
    theirs = accuracy_of(["train.py", *argv], [PROJECT / "engine"], repository)
    assert theirs == ours
    states = [
        torch.load(tmp_path / name / "prompt_learner/model.pth.tar-2")["state_dict"]["shift"]
        for name in ("here", "there")
    ]
    assert torch.equal(*states) and states[0].abs().max() > 0
