"""CoOp against its formula, and everything that every trainer inherits."""

import clip
import pytest
import torch
from torch.nn import functional as F

import train
from promptkit.backbones.tokens import CLIP_TOKENIZER
from promptkit.encoders.text_encoder import encode_prompts_reference
from tests.trainers.literal import (
    assert_trainer_is_literal,
    cross_entropy,
    image_feature,
    names_of,
    scale_of,
    text_feature,
)


def batch_of(trainer):
    return next(iter(trainer.train_loader_x))


def one_step(trainer) -> dict:
    trainer.batch_idx, trainer.num_batches, trainer.epoch, trainer.max_epoch = 0, 2, 0, 2
    trainer.before_epoch()
    return trainer.forward_backward(batch_of(trainer))


def test_loss_is_cross_entropy_of_scaled_cosines_from_clips_own_encoders(tiny_trainer):
    trainer = tiny_trainer("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a")
    images, labels = trainer.parse_batch_train(batch_of(trainer))
    model = trainer.clip_model
    names = [name.replace("_", " ") for name in trainer.dm.dataset.classnames]
    text = model.encode_text(clip.tokenize([f"a photo of a {name}." for name in names]))
    logits = model.logit_scale.exp() * F.cosine_similarity(
        model.encode_image(images)[:, None], text[None], dim=-1
    )
    parts = trainer.loss(images, labels)
    torch.testing.assert_close(parts["loss"], F.cross_entropy(logits, labels), rtol=1e-5, atol=0)
    right = (logits.argmax(1) == labels).float().mean() * 100
    assert parts["acc"].item() == pytest.approx(right.item())


@pytest.mark.parametrize(
    ("position", "sentence"),
    [("end", "X X X X {}."), ("middle", "X X {} X X."), ("front", "{} X X X X.")],
)
@pytest.mark.parametrize("csc", [False, True])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, position, sentence, csc):
    key = "TRAINER.COOP."
    options = (f"{key}CLASS_TOKEN_POSITION", position, f"{key}CSC", csc, f"{key}N_CTX", 4)
    trainer = tiny_trainer("CoOp", *options)
    model = trainer.clip_model

    def literal(p, images, labels):
        contexts = p["ctx"] if csc else p["ctx"].expand(6, -1, -1)
        s = []
        for name, context in zip(names_of(trainer), contexts, strict=True):
            words = model.token_embedding(clip.tokenize([name]))[0].double()
            words = words[1 : 1 + CLIP_TOKENIZER.count(name)]
            half = {"end": 4, "middle": 2, "front": 0}[position]
            tokens = torch.cat([context[:half], words, context[half:]])
            s.append(text_feature(model, sentence.format(name), tokens))
        z = torch.stack([image_feature(model, x) for x in images])
        logits = scale_of(trainer) * z @ torch.stack(s).T
        return logits, {"loss": cross_entropy(logits, labels)}

    assert list(assert_trainer_is_literal(trainer, literal)) == ["ctx"]


def test_a_step_changes_the_context_only(tiny_trainer):
    trainer = tiny_trainer("CoOp")
    before = {name: p.clone() for name, p in trainer.clip_model.named_parameters()}
    context = trainer.learner.ctx.detach().clone()
    one_step(trainer)
    assert not torch.equal(trainer.learner.ctx, context)
    assert all(torch.equal(p, before[n]) for n, p in trainer.clip_model.named_parameters())
    assert [n for n, p in trainer.learner.named_parameters() if p.requires_grad] == ["ctx"]


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("csc", [True, False])
def test_reference_encoder_key_gives_the_same_training(tiny_trainer, position, csc):
    contexts = []
    for encoder in ("fast", "reference"):
        trainer = tiny_trainer(
            "CoOp", "TRAINER.COOP.TEXT_ENCODER", encoder, "TRAINER.COOP.CSC", csc,
            "TRAINER.COOP.CLASS_TOKEN_POSITION", position, "TRAINER.COOP.N_CTX", 4,
            output=encoder,
        )  # fmt: skip
        trainer.train()
        contexts.append(trainer.learner.ctx.detach())
    assert contexts[0].shape == ((6, 4, 64) if csc else (4, 64))
    torch.testing.assert_close(contexts[0], contexts[1], rtol=1e-4, atol=1e-5)


def test_classes_are_encoded_once_per_evaluation_and_again_after_a_step(tiny_trainer, monkeypatch):
    trainer = tiny_trainer("CoOp", "DATALOADER.TEST.BATCH_SIZE", 5)
    calls = []
    original = type(trainer).text_features
    monkeypatch.setattr(
        type(trainer), "text_features", lambda self: calls.append(1) or original(self)
    )
    first = trainer.test()
    assert len(trainer.test_loader) == 8 and len(calls) == 1
    with torch.no_grad():
        trainer.learner.ctx += 1
    expected = encode_prompts_reference(trainer.clip_model, trainer.learner())
    trainer.test()
    assert len(calls) == 2
    torch.testing.assert_close(
        trainer.kept_class_features(), F.normalize(expected, dim=-1), rtol=1e-4, atol=1e-5
    )
    assert 0 <= first <= 100


def test_save_then_load_gives_the_same_logits_also_for_other_classes(tiny_trainer):
    base = ("DATASET.SUBSAMPLE_CLASSES", "base")
    trained = tiny_trainer("CoOp", *base)
    trained.train()
    directory = trained.output_dir
    again = tiny_trainer("CoOp", *base, output="again")
    again.load_model(directory, epoch=2)
    images = batch_of(trained)["img"]
    trained.set_model_mode("eval")
    assert torch.equal(again.model_inference(images), trained.model_inference(images))
    new = tiny_trainer("CoOp", "DATASET.SUBSAMPLE_CLASSES", "new", output="new")
    new.load_model(directory, epoch=2)
    assert torch.equal(new.learner.ctx, trained.learner.ctx)
    assert new.dm.dataset.classnames == ["heart", "ring", "star"]


def test_authors_checkpoint_with_class_buffers_loads(tiny_trainer, tmp_path, capsys):
    trainer = tiny_trainer("CoOp", "TRAINER.COOP.N_CTX", 4)
    folder = tmp_path / "old/prompt_learner"
    folder.mkdir(parents=True)
    context = torch.randn(4, 64)
    state = {"ctx": context, "token_prefix": torch.zeros(9, 1, 64)}
    state["token_suffix"] = torch.zeros(9, 72, 64)
    torch.save({"state_dict": state, "epoch": 200}, folder / "model.pth.tar-200")
    trainer.load_model(str(tmp_path / "old"), epoch=200)
    assert torch.equal(trainer.learner.ctx, context)
    assert "Ignoring token_prefix, token_suffix" in capsys.readouterr().out


def test_a_context_trained_on_another_clip_is_refused(tiny_trainer, tiny_argv, tmp_path):
    assert train.main(tiny_argv("CoOp")) == 0
    trainer = tiny_trainer("CoOp", output="other")
    trainer.weights_sha256 = "f" * 64
    with pytest.raises(ValueError, match="trained on other weights .* hash ffffffffffff"):
        trainer.load_model(str(tmp_path / "run"), epoch=2)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"ctx": torch.zeros(16, 64)}, r"'ctx' has shape \(16, 64\), expected \(4, 64\)"),
        ({"ctx": torch.zeros(4, 64), "extra": torch.zeros(1)}, "'extra' is unknown"),
        ({"context": torch.zeros(4, 64)}, "'ctx' is missing; 'context' is unknown"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tiny_trainer, tmp_path, state, message):
    trainer = tiny_trainer("CoOp", "TRAINER.COOP.N_CTX", 4)
    folder = tmp_path / "old/prompt_learner"
    folder.mkdir(parents=True)
    torch.save({"state_dict": state, "epoch": 1}, folder / "model.pth.tar-1")
    with pytest.raises(ValueError, match=message):
        trainer.load_model(str(tmp_path / "old"), epoch=1)
    with pytest.raises(FileNotFoundError, match=r"model\.pth\.tar-1\b.*--load-epoch"):
        trainer.load_model(str(tmp_path / "old"), epoch=7)


def test_bf16_steps_in_half_precision_close_to_fp32(tiny_trainer):
    losses = {}
    for prec in ("fp32", "bf16"):
        trainer = tiny_trainer("CoOp", "TRAINER.COOP.PREC", prec)
        losses[prec] = one_step(trainer)["loss"]
        assert trainer.learner.ctx.dtype == trainer.learner.ctx.grad.dtype == torch.float32
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)


def test_logits_of_half_precision_features_are_still_fp32(tiny_trainer):
    trainer = tiny_trainer("CoOp", "TRAINER.COOP.PREC", "bf16")
    image, text = torch.randn(5, 32).bfloat16(), torch.randn(6, 32).bfloat16()
    with trainer.precision.autocast():
        logits = trainer.logits(image, text)
    expected = trainer.logit_scale * image.float() @ text.float().T
    assert logits.dtype == torch.float32 and torch.equal(logits, expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("CoOp", ()),
        ("E2MIM", ("TRAINER.E2MIM.ALPHA", 0, "TRAINER.E2MIM.BETA", 0)),  # a critic without gradient
    ],
)
def test_scaled_steps_equal_unscaled_ones(tiny_trainer, name, options):
    """The amp path on the CPU: a scale that does not overflow must cancel out."""
    plain, scaled = (tiny_trainer(name, *options, output=x) for x in ("plain", "scaled"))
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    torch.manual_seed(0)
    one_step(plain)
    torch.manual_seed(0)
    one_step(scaled)
    torch.testing.assert_close(scaled.learner.ctx, plain.learner.ctx, rtol=1e-6, atol=1e-7)


def test_a_step_forgets_the_class_features(tiny_trainer):
    trainer = tiny_trainer("CoOp")
    images = batch_of(trainer)["img"]
    before = trainer.model_inference(images)
    one_step(trainer)
    assert not torch.equal(trainer.model_inference(images), before)


def test_killed_and_resumed_run_ends_with_the_same_context(tiny_trainer, monkeypatch):
    options = ("OPTIM.MAX_EPOCH", 4, "TRAIN.CHECKPOINT_FREQ", 1, "OPTIM.WARMUP_EPOCH", 1)
    whole = tiny_trainer("CoOp", *options, output="whole")
    whole.train()
    killed = tiny_trainer("CoOp", *options, output="killed")

    def stop_after_two_epochs(self=killed):
        if self.epoch == 2:
            raise KeyboardInterrupt

    before_epoch = killed.before_epoch
    killed.before_epoch = lambda: (before_epoch(), stop_after_two_epochs())
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    killed.close_writer()
    resumed = tiny_trainer("CoOp", *options, output="killed")
    resumed.train()
    assert resumed.start_epoch == 2
    assert torch.equal(resumed.learner.ctx, whole.learner.ctx)


def test_first_losses_of_a_run(tiny_argv, capsys):
    """Golden: a change of these figures is a change of the method or of its randomness."""
    argv = tiny_argv("CoOp", "TRAINER.COOP.CTX_INIT", "a photo of a", "TRAIN.PRINT_FREQ", 1)
    assert train.main(argv) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if " batch [" in x]
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines]
    assert losses == pytest.approx(GOLDEN_LOSSES, rel=1e-3)


GOLDEN_LOSSES = [2.1656, 2.2690, 1.8468, 2.2103]
