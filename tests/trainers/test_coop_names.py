"""CoOp's building blocks under their published names do what our CoOp does."""

import pytest
import torch
from torch import nn

import trainers.coop
import trainers.imagenet_templates
import trainers.zsclip
from promptkit.prompts import templates


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("class_specific", [False, True])
def test_the_published_classes_give_our_logits(tiny_trainer, position, class_specific):
    options = "CSC", class_specific, "CLASS_TOKEN_POSITION", position, "N_CTX", 4
    keys = [f"TRAINER.COOP.{x}" if i % 2 == 0 else x for i, x in enumerate(options)]
    ours = tiny_trainer("CoOp", *keys)
    clip_model = trainers.coop.load_clip_to_cpu(ours.cfg)
    assert all(parameter.requires_grad for parameter in clip_model.parameters())
    theirs = trainers.coop.CustomCLIP(ours.cfg, ours.dm.dataset.classnames, clip_model)
    assert set(theirs.prompt_learner.state_dict()) == {"ctx", "token_prefix", "token_suffix"}
    with torch.no_grad():
        theirs.prompt_learner.ctx.copy_(nn.init.normal_(ours.learner.ctx))
    images, labels = ours.parse_batch_train(next(iter(ours.train_loader_x)))
    logits = theirs(images)
    torch.testing.assert_close(logits, ours.model_inference(images), rtol=1e-4, atol=1e-4)
    own = nn.functional.cross_entropy(logits, labels)
    gradient = torch.autograd.grad(own, theirs.prompt_learner.ctx)[0]
    expected = torch.autograd.grad(ours.loss(images, labels)["loss"], ours.learner.ctx)[0]
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-5)


def test_a_subclass_may_put_the_parts_together_itself(tiny_trainer):
    ours = tiny_trainer("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a")
    clip_model, names = trainers.coop.load_clip_to_cpu(ours.cfg), ours.dm.dataset.classnames

    class Own(trainers.coop.PromptLearner):
        def forward(self):
            context = self.ctx.expand(self.n_cls, -1, -1)
            return torch.cat([self.token_prefix, context, self.token_suffix], dim=1)

    learner = Own(ours.cfg, names, clip_model)
    assert (learner.n_ctx, learner.name_lens[2]) == (4, 2)  # "cross_shape" is two words
    features = trainers.coop.TextEncoder(clip_model)(learner(), learner.tokenized_prompts)
    features = nn.functional.normalize(features, dim=-1)
    torch.testing.assert_close(features, ours.class_features(), rtol=1e-4, atol=1e-5)


def test_sentences_are_lists_of_their_own():
    names = trainers.imagenet_templates
    assert len(names.IMAGENET_TEMPLATES) == 80 and len(names.IMAGENET_TEMPLATES_SELECT) == 7
    assert names.IMAGENET_TEMPLATES_SELECT == list(templates.IMAGENET_TEMPLATES_SELECT)
    assert trainers.zsclip.CUSTOM_TEMPLATES["EuroSAT"] == "a centered satellite photo of {}."
