"""Checkpoints go both ways: the published code's load here, and ours load there."""

import pytest
import torch
from torch import nn

# Registered name, its epoch, and names of parameters with the published keys where these differ.
LAYOUTS = {
    "CoOp": ("prompt_learner", 200, {}),
    "CoCoOp": ("prompt_learner", 10, {}),
    "KgCoOp": ("prompt_learner", 100, {}),
    "ProGrad": ("prompt_learner", 100, {}),
    "TCP": ("prompt_learner", 50, {}),
    "VPT": (
        "prompt_learner", 5,
        {"ctx": "image_encoder.VPT", "deep.0": "image_encoder.transformer.resblocks.1.VPT_shallow"},
    ),
    "IVLP": (
        "VLPromptLearner", 5,
        {
            "ctx": "prompt_learner.ctx",
            "deep_text.0": "text_encoder.transformer.resblocks.1.VPT_shallow",
            "deep_text.1": "text_encoder.transformer.resblocks.2.VPT_shallow",
            "vision.ctx": "image_encoder.VPT",
            "vision.deep.0": "image_encoder.transformer.resblocks.1.VPT_shallow",
        },
    ),
    "MaPLe": (
        "MultiModalPromptLearner", 5,
        {
            key: f"prompt_learner.{key}"
            for key in (
                "ctx", "proj.weight", "proj.bias", "compound_prompts_text.0",
                "compound_prompt_projections.0.weight", "compound_prompt_projections.0.bias",
            )
        },
    ),
}  # fmt: skip
LAYOUTS["PromptSRC"] = ("VLPromptLearner", 20, LAYOUTS["IVLP"][2])
LAYOUTS["CoPrompt"] = (
    "MultiModalPromptLearner", 8,
    LAYOUTS["MaPLe"][2] | {
        f"adapter_{of}.{layer}.weight": f"adapter_{of}.fc.{layer}.weight"
        for of in ("image", "text") for layer in (0, 2)
    },
)  # fmt: skip
LAYOUTS["MMA"] = ("adapter_learner", 5, {})
LAYOUTS["MMRL"] = (
    "MultiModalRepresentationLearner", 10,
    {"proj_rep": "image_encoder.proj_rep"} | {
        key: f"representation_learner.{key}"
        for key in (
            "compound_rep_tokens", "compound_rep_tokens_r2vproj.0.weight",
            "compound_rep_tokens_r2vproj.0.bias", "compound_rep_tokens_r2tproj.0.weight",
            "compound_rep_tokens_r2tproj.0.bias",
        )
    },
)  # fmt: skip
WHOLE = {"CoPrompt", "VPT", "IVLP", "MaPLe", "MMRL", "PromptSRC"}  # hold all of CLIP


def published_state(name: str, trainer) -> dict[str, torch.Tensor]:
    """Random values, in half precision, under the published keys; frozen tensors as they are."""
    torch.manual_seed(5)
    names = LAYOUTS[name][2]
    prefix = "prompt_learner." if name in WHOLE else ""
    state = {
        names.get(key, key): torch.randn(value.shape).half()
        for key, value in trainer.learner.named_parameters()
    }
    if name != "VPT":
        state |= {f"{prefix}token_{x}": torch.zeros(9, 2, 64) for x in ("prefix", "suffix")}
    if name == "KgCoOp":
        state |= {"bias_vectors": torch.zeros(1, 64), "meta_net.linear1.weight": torch.zeros(2, 2)}
    if name in WHOLE:
        visual = trainer.clip_model.visual.state_dict()
        state |= {f"image_encoder.{key}": value.half() for key, value in visual.items()}
        text = trainer.clip_model.text.transformer.state_dict()
        state |= {f"text_encoder.transformer.{key}": value.half() for key, value in text.items()}
        state["logit_scale"] = torch.tensor(4.6)
    if name == "CoPrompt":
        state |= {f"model_distill.visual.{key}": value for key, value in visual.items()}
    if name == "PromptSRC":
        state |= {f"prompt_learner.ZS_image_encoder.{key}": value for key, value in visual.items()}
    return state


@pytest.fixture
def published(tiny_trainer, tmp_path):
    """Builds a trainer and writes a published checkpoint for it, changed by `edit`."""

    def write(name: str, edit=lambda state: None):
        options = ("TRAINER.PROGRAD.N_CTX", 16) if name == "ProGrad" else ()
        trainer = tiny_trainer(name, *options)
        state = published_state(name, trainer)
        edit(state)
        folder, epoch, _ = LAYOUTS[name]
        (tmp_path / "weights" / folder).mkdir(parents=True)
        path = tmp_path / "weights" / folder / f"model.pth.tar-{epoch}"
        torch.save({"state_dict": state, "epoch": epoch}, path)
        return trainer, state, lambda: trainer.load_model(str(tmp_path / "weights"), epoch=epoch)

    return write


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_it_loads_to_the_last_bit_and_says_what_it_ignores(published, capsys, name):
    trainer, state, load = published(name)
    load()
    names = LAYOUTS[name][2]
    for key, value in trainer.learner.named_parameters():
        assert torch.equal(value, state[names.get(key, key)].float()), key
    printed = capsys.readouterr().out
    assert ("tensors of CLIP itself, which is frozen" in printed) == (name in WHOLE)
    assert ("they belong to the class list of training" in printed) == (name != "VPT")
    assert ("saves and never uses" in printed) == (name in ("CoPrompt", "KgCoOp"))


def authors_model(shapes: dict[str, torch.Size]) -> nn.Module:
    """Modules in which each parameter has the name that the published code gives it."""
    root = nn.Module()
    for name, shape in shapes.items():
        *path, leaf = name.split(".")
        place = root
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_parameter(leaf, nn.Parameter(torch.full(shape, torch.nan)))
    return root


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_the_authors_loader_finds_every_prompt_in_our_checkpoint(tiny_trainer, tmp_path, name):
    trainer = tiny_trainer(name)
    trainer.save_model(0, str(tmp_path / "weights"))
    folder, _, names = LAYOUTS[name]
    state = torch.load(tmp_path / "weights" / folder / "model.pth.tar-1")["state_dict"]
    learned = {names.get(key, key): value for key, value in trainer.learner.named_parameters()}
    theirs = authors_model({key: value.shape for key, value in learned.items()})
    for buffer in ("token_prefix", "token_suffix"):  # what their loader leaves out
        state.pop(buffer, None), state.pop(f"prompt_learner.{buffer}", None)
    assert theirs.load_state_dict(state, strict=False) == ([], [])
    for key, value in theirs.named_parameters():
        assert torch.equal(value, learned[key]), key


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_our_checkpoints_in_other_names_load_and_resume(tiny_trainer, tmp_path, name):
    """What was saved before the keys were the published ones."""
    trained = tiny_trainer(name, "OPTIM.MAX_EPOCH", 1, output="old")
    trained.train()
    published = {theirs: ours for ours, theirs in LAYOUTS[name][2].items()}
    for model in trained.get_model_names():
        path = tmp_path / "old" / model / "model.pth.tar-1"
        content = torch.load(path)
        content["state_dict"] = {
            key.replace(theirs, ours): value
            for key, value in content["state_dict"].items()
            for theirs, ours in published.items()
            if key.removeprefix("sum.") == theirs
        }
        torch.save(content, path)
    assert set(content["state_dict"]) & {"ctx", "sum.ctx", "compound_rep_tokens"}
    loaded = tiny_trainer(name, output="loaded")
    loaded.load_model(str(tmp_path / "old"), epoch=1)
    resumed = tiny_trainer(name, "OPTIM.MAX_EPOCH", 1, output="old")
    assert resumed.resume_model_if_exist(str(tmp_path / "old")) == 1
    for other in (loaded, resumed):
        for key, value in trained.learner.named_parameters():
            assert torch.equal(other.learner.get_parameter(key), value), key


@pytest.mark.parametrize("name", sorted(LAYOUTS))
@pytest.mark.parametrize("what", ["a shape", "one key less", "one key more"])
def test_a_real_mismatch_is_an_error_and_loads_nothing(published, name, what):
    names = LAYOUTS[name][2]
    first = {"MMA": "shared_adapter.2.0.weight", "MMRL": "compound_rep_tokens"}.get(name, "ctx")

    def edit(state):
        key = names.get(first, first)
        if what == "a shape":
            state[key] = torch.zeros(7, 64)
        elif what == "one key less":
            del state[key]
        else:
            state["text_encoder.transformer.resblocks.9.VPT_shallow"] = torch.zeros(2, 64)

    trainer, _, load = published(name, edit)
    before = {key: value.clone() for key, value in trainer.learner.state_dict().items()}
    with pytest.raises(ValueError, match="does not fit this model: '"):
        load()
    assert all(torch.equal(v, before[k]) for k, v in trainer.learner.state_dict().items())


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_a_file_with_another_clip_in_it_is_refused(published, name):
    def edit(state):
        state["image_encoder.conv1.weight"] = -state["image_encoder.conv1.weight"]

    _, _, load = published(name, edit)
    with pytest.raises(ValueError, match="holds the whole of a CLIP that is another"):
        load()


def write(tmp_path, content) -> str:
    (tmp_path / "weights/prompt_learner").mkdir(parents=True)
    torch.save(content, tmp_path / "weights/prompt_learner/model.pth.tar-1")
    return str(tmp_path / "weights")


@pytest.mark.parametrize("content", [torch.ones(3), 7, None, {"state_dict": [1]}, {}, {"ctx": 1}])
def test_what_holds_no_weights_is_described(tiny_trainer, tmp_path, content):
    folder = write(tmp_path, content)
    with pytest.raises(
        ValueError, match=r"model\.pth\.tar-1 must hold a state dict, .*; got .*Give"
    ):
        tiny_trainer("CoOp").load_model(folder, epoch=1)


@pytest.mark.parametrize("wrap", [
    lambda state: state,
    lambda state: {"model_state_dict": state, "epoch": 1},
    lambda state: {"state_dict": state, "run": "a name that is not ours"},
    lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
])  # fmt: skip
def test_weights_are_taken_out_of_their_wrappers(tiny_trainer, tmp_path, wrap):
    trainer, context = tiny_trainer("CoOp"), torch.randn(16, 64)
    trainer.load_model(write(tmp_path, wrap({"ctx": context})), epoch=1)
    assert torch.equal(trainer.learner.ctx, context)
