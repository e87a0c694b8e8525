"""Oxford Flowers 102 (Nilsback and Zisserman, 2008)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset


@DATASET_REGISTRY.register()
class OxfordFlowers(CoOpDataset):
    """102 classes."""

    dataset_dir = "oxford_flowers"
    image_dir = "jpg"
    split_file = "split_zhou_OxfordFlowers.json"
