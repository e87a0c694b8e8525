"""What is read of methods from text is what their classes are."""

import pytest

import trainers  # noqa: F401  (registers them)
from dassl.engine import TRAINER_REGISTRY
from promptkit.feature_trainer import FeatureTrainer
from protocols import methods
from protocols.places import TRAINERS, names_in


@pytest.fixture(scope="module")
def classes():
    """Of all trainers with recipes."""
    return {name: TRAINER_REGISTRY.get(name) for name in names_in(TRAINERS)}


def test_methods_on_features_are_told(classes):
    expected = {name for name, kind in classes.items() if issubclass(kind, FeatureTrainer)}
    found = {name for name in classes if methods.is_on_features(name)}
    assert found == expected | {"LinearProbe"} and len(found) > 9


def test_methods_that_encode_images_themselves_are_told(classes):
    expected = {name for name, kind in classes.items() if not kind.has_frozen_images}
    assert {name for name in classes if not methods.has_frozen_images(name)} == expected


def test_methods_bound_to_their_classes_are_told():
    bound = {name for name in names_in(TRAINERS) if methods.is_bound(name)}
    assert bound == {"LPPlusPlus", "LinearProbe", "TaskRes", "TipAdapter", "TipAdapterF"}


@pytest.mark.parametrize("protocol", ["base2new", "few_shot"])
def test_every_method_is_in_one_group(protocol):
    groups = methods.groups(protocol)
    is_few_shot = protocol == "few_shot"
    assert not set(groups["prompts"]) & set(groups["adapters"]) - {"ZeroshotCLIP"}
    left_out = {name for name in names_in(TRAINERS) if name not in groups["all"]}
    assert left_out == {
        name
        for name in names_in(TRAINERS)
        if (methods.is_zero_shot(name) if is_few_shot else methods.is_bound(name))
    }
    assert groups["prompts"][0] == "CoCoOp" and "CLIPLoRA" in groups["adapters"]
