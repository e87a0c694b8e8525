"""Oxford-IIIT Pets: breeds of cats and dogs (Parkhi et al., 2012)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.published_names import PetsNames


@DATASET_REGISTRY.register()
class OxfordPets(PetsNames, CoOpDataset):
    """37 classes."""

    dataset_dir = "oxford_pets"
    image_dir = "images"
    split_file = "split_zhou_OxfordPets.json"
