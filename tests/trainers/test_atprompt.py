"""ATPrompt's three trainers against their formulas; their words, places and files."""

import clip
import pytest
import torch

import train
from promptkit.prompts.attributes import ATTRIBUTES, dataset_attributes
from tests.trainers.literal import (
    assert_trainer_is_literal,
    block,
    cross_entropy,
    image_feature,
    names_of,
    norm,
    scale_of,
)

OPTIONS = {"N_CTX": 3, "N_ATT": 2, "ATTRIBUTES": "color, playfulness"}


def attribute_feature(model, name, parts, deep=()):
    """Unit feature of [2] color [2] playfulness [3] name. with `parts` in the open places."""
    model = model.model
    ids = clip.tokenize([f"X X color X X playfulness X X X {name}."])[0]
    table = model.token_embedding.weight.double()
    x = table[ids].clone()
    places = (1, 4, 8)  # "playfulness" has two tokens
    for place, part in zip(places, parts, strict=True):
        x = torch.cat([x[:place], part, x[place + len(part) :]])
    x = x + model.positional_embedding.double()
    for index, module in enumerate(model.transformer.resblocks):
        if 0 < index <= len(deep):
            x = torch.cat([x[:8], deep[index - 1], x[11:]])
        x = block(x, module, causal=True)
    end = ids.tolist().index(49407)
    feature = norm(x, model.ln_final)[end] @ model.text_projection.double()
    return feature / feature.norm()


@pytest.mark.parametrize("name", ["CoOp_ATP", "CoCoOp_ATP", "MaPLe_ATP"])
def test_logits_loss_and_gradients_are_the_formulas(tiny_trainer, name):
    node = f"TRAINER.{name.upper()}"
    options = [word for key, value in OPTIONS.items() for word in (f"{node}.{key}", value)]
    trainer = tiny_trainer(name, *options)
    model = trainer.clip_model

    def literal(p, images, labels):
        own, rows = [p["slots.ctx_att1"], p["slots.ctx_att2"]], []
        deep = [p["compound_prompts_text.0"]] if name == "MaPLe_ATP" else []
        for x in images:
            layers, moved = {}, 0
            if name == "MaPLe_ATP":
                pairs = [("proj", p["ctx"]), ("compound_prompt_projections.0", deep[0])]
                layers = {
                    i: v @ p[f"{key}.weight"].T + p[f"{key}.bias"]
                    for i, (key, v) in enumerate(pairs)
                }
            z = image_feature(model, x, layers)
            if name == "CoCoOp_ATP":
                hidden = (z @ p["meta_net.linear1.weight"].T + p["meta_net.linear1.bias"]).relu()
                moved = hidden @ p["meta_net.linear2.weight"].T + p["meta_net.linear2.bias"]
            parts = [*own, p["ctx"] + moved]
            s = [attribute_feature(model, n, parts, deep) for n in names_of(trainer)]
            rows.append(scale_of(trainer) * torch.stack(s) @ z)
        logits = torch.stack(rows)
        return logits, {"loss": cross_entropy(logits, labels)}

    count = {"CoOp_ATP": 3, "CoCoOp_ATP": 7, "MaPLe_ATP": 8}[name]
    assert len(assert_trainer_is_literal(trainer, literal)) == count


def test_one_token_a_word_puts_the_places_where_the_published_code_has_them(tiny_trainer):
    """X X play|fulness X X energy X X name: what it keeps is "play", an X and what follows."""
    node = "TRAINER.COOP_ATP"
    words = (f"{node}.ATTRIBUTES", "playfulness, energy", f"{node}.WHOLE_WORDS", False)
    slots = tiny_trainer("CoOp_ATP", *words).learner.slots
    model = tiny_trainer("CoOp_ATP", output="other").clip_model
    ids = clip.tokenize(["X X playfulness X X energy X X arrow."])[0]
    embedded = model.model.token_embedding.weight[ids]
    kept = [slots.skipped_words[2], slots.skipped_words[5]]
    assert torch.equal(kept[0], embedded[3]) and torch.equal(kept[1], embedded[6])
    assert torch.equal(slots.shared[0], embedded[9])  # a placeholder before the class name


def test_it_starts_as_published_and_keeps_three_contexts(tiny_trainer):
    trainer = tiny_trainer("CoOp_ATP", "TRAINER.COOP_ATP.ATTRIBUTES", "luxury",
                           "TRAINER.COOP_ATP.N_CTX", 40, "TRAINER.COOP_ATP.N_ATT", 20)  # fmt: skip
    state = trainer.learner.state_dict()
    assert {k: v.shape[0] for k, v in state.items()} == {
        "ctx": 40, "ctx_att1": 20, "ctx_att2": 20, "ctx_att3": 20
    }  # fmt: skip
    deviations = {key: value.std().item() for key, value in state.items()}
    assert deviations.pop("ctx") == pytest.approx(0.02, rel=0.05)
    assert all(value == pytest.approx(0.01, rel=0.1) for value in deviations.values())
    assert [n for n, _ in trainer.learner.named_parameters()] == ["ctx", "slots.ctx_att1"]


def test_a_prompt_has_the_words_of_the_data_set_that_is_tested(tiny_trainer):
    node = "TRAINER.MAPLE_ATP"
    trained = tiny_trainer("MaPLe_ATP", f"{node}.ATTRIBUTES", "color", "OPTIM.MAX_EPOCH", 1)
    trained.train()
    tested = tiny_trainer("MaPLe_ATP", f"{node}.ATTRIBUTES", "color, shape", output="other")
    tested.load_model(trained.output_dir, epoch=1)
    ours, theirs = tested.learner.slots, trained.learner.slots
    assert torch.equal(ours.ctx_att1, theirs.ctx_att1)
    assert torch.equal(ours.ctx_att2, theirs.ctx_att2)  # as it was drawn


def test_words_come_from_the_benchmark_the_class_or_imagenet():
    flowers = type("OxfordFlowers", (), {})()
    assert dataset_attributes(flowers) == ("color", "habitat", "growth")
    assert dataset_attributes(flowers, "size, hue") == ("size", "hue")
    assert dataset_attributes(type("Own", (), {"stands_for": "EuroSAT"})()) == ("habitat",)
    assert dataset_attributes(type("Own", (), {"attributes": ("age",)})()) == ("age",)
    assert dataset_attributes(type("Own", (), {})()) == ATTRIBUTES["ImageNet"]


@pytest.mark.parametrize(("name", "node"), [("CoCoOp_ATP", "COCOOP"), ("MaPLe_ATP", "MAPLE")])
def test_the_published_file_sets_it(tmp_path, name, node):
    path = tmp_path / "published.yaml"
    lines = ["TRAINER:", f"  {node}:", "    N_CTX: 6", '    CTX_INIT: "a photo of a"']
    path.write_text("\n".join(lines))
    cfg = train.setup_cfg(train.parse_args(["--trainer", name, "--config-file", str(path)]))
    assert cfg.TRAINER[name.upper()].N_CTX == 6


def test_attributes_without_a_word_are_refused(tiny_argv, capsys):
    assert train.main(tiny_argv("CoOp_ATP", "TRAINER.COOP_ATP.ATTRIBUTES", " , ")) == 1
    assert "TRAINER.COOP_ATP.ATTRIBUTES must be words" in capsys.readouterr().err
