"""What the docs show as code runs as it stands there."""

import re
from pathlib import Path

import torch

import train
from dassl.engine import TRAINER_REGISTRY, build_trainer

DOCS = Path(train.__file__).parent / "docs"


def test_the_method_of_the_docs_is_one(tiny_argv, monkeypatch):
    code, _ = re.findall(r"```python\n(.*?)```", (DOCS / "extending.md").read_text(), re.S)
    monkeypatch.setattr(TRAINER_REGISTRY, "_objects", dict(TRAINER_REGISTRY._objects))
    exec(code, {"__name__": "foo"})
    words = ("TRAINER.FOO.CTX_INIT", "a photo of a")
    foo, coop = (
        build_trainer(train.setup_cfg(train.parse_args(tiny_argv(name, *extra, output=name))))
        for name, extra in (("Foo", words), ("CoOp", ("TRAINER.COOP.CTX_INIT", words[1])))
    )
    images, labels = foo.parse_batch_train(next(iter(foo.train_loader_x)))
    parts = [trainer.loss(images, labels) for trainer in (foo, coop)]
    assert torch.equal(parts[0]["loss"], parts[1]["loss"])  # what it describes is CoOp
    parts[0]["loss"].backward()
    assert foo.learner.ctx.grad.abs().max() > 0
