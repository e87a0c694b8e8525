"""Templates: the published lists, and which sentence a data set gets."""

import pytest

import datasets  # noqa: F401  (registers the data sets)
from dassl.data.datasets import DATASET_REGISTRY
from promptkit.prompts.templates import (
    CUSTOM_TEMPLATES,
    DEFAULT_TEMPLATE,
    IMAGENET_TEMPLATES,
    IMAGENET_TEMPLATES_SELECT,
    dataset_template,
    ensemble_templates,
    fill,
)


def make_dataset(name: str, **attributes: str) -> object:
    return type(name, (), attributes)()


@pytest.mark.parametrize(
    ("templates", "count"),
    [(IMAGENET_TEMPLATES, 80), (IMAGENET_TEMPLATES_SELECT, 7), (CUSTOM_TEMPLATES.values(), 15)],
)
def test_lists_are_whole(templates, count):
    assert len(templates) == count
    assert all(template.count("{}") == 1 and template.endswith(".") for template in templates)


def test_imagenet_templates_are_those_published():
    assert len(set(IMAGENET_TEMPLATES)) == 80
    assert set(IMAGENET_TEMPLATES_SELECT) < set(IMAGENET_TEMPLATES)
    assert {
        "a photo of a {}.",
        "a rendition of the {}.",
        "a jpeg corrupted photo of a {}.",
        "a photo of a hard to see {}.",
        "a embroidered {}.",
        "the plushie {}.",
        "graffiti of the {}.",
        "itap of my {}.",
        "a photo of many {}.",
        "the {} in a video game.",
    } < set(IMAGENET_TEMPLATES)


def test_custom_templates_are_by_registered_name():
    assert CUSTOM_TEMPLATES["DescribableTextures"] == "{} texture."
    assert CUSTOM_TEMPLATES["EuroSAT"] == "a centered satellite photo of {}."
    assert CUSTOM_TEMPLATES["Food101"] == "a photo of {}, a type of food."
    assert CUSTOM_TEMPLATES["UCF101"] == "a photo of a person doing {}."
    assert CUSTOM_TEMPLATES["OxfordPets"] == "a photo of a {}, a type of pet."
    plain = [name for name, text in CUSTOM_TEMPLATES.items() if text == DEFAULT_TEMPLATE]
    assert len(plain) == 8


def test_dataset_template_asks_in_order():
    ours = make_dataset("OxfordPets", template="a pet: {}.")
    assert dataset_template(ours, "{}!") == "{}!"
    assert dataset_template(ours) == "a pet: {}."
    assert dataset_template(make_dataset("OxfordPets")) == CUSTOM_TEMPLATES["OxfordPets"]
    assert dataset_template(make_dataset("Unheard")) == DEFAULT_TEMPLATE
    heir = type("Cats", (type(make_dataset("OxfordPets")),), {})
    assert dataset_template(heir()) == CUSTOM_TEMPLATES["OxfordPets"]


@pytest.mark.parametrize("name", CUSTOM_TEMPLATES)
def test_the_sentence_of_a_benchmark_stands_in_one_place(monkeypatch, name):
    benchmark = DATASET_REGISTRY.get(name)
    assert benchmark.__module__.startswith("datasets.")
    monkeypatch.setitem(CUSTOM_TEMPLATES, name, "another {}.")
    assert dataset_template(benchmark.__new__(benchmark)) == "another {}."


@pytest.mark.parametrize("template", ["a photo.", "{} or {}.", "a photo of a {name}."])
def test_dataset_template_needs_one_place_for_the_name(template):
    for dataset, override in (
        (make_dataset("Mine"), template),
        (make_dataset("Mine", template=template), ""),
    ):
        with pytest.raises(ValueError, match="Mine.*just once; got"):
            dataset_template(dataset, override)


def test_fill_reads_underscores_as_spaces():
    assert fill("{} texture.", "polka_dotted") == "polka dotted texture."
    assert fill("a photo of a {}.", "{odd} {}") == "a photo of a {odd} {}."


def test_ensemble_adds_the_template_of_the_data_set_once_per_call():
    for _ in range(2):
        assert ensemble_templates("{}.", "EuroSAT") == (*IMAGENET_TEMPLATES_SELECT, "{}.")
        assert len(ensemble_templates("{}.", "ImageNetV2")) == 8
    assert ensemble_templates("{}.", "ImageNet") == IMAGENET_TEMPLATES_SELECT
    assert len(IMAGENET_TEMPLATES_SELECT) == 7
