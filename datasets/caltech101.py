"""Caltech101: objects (Fei-Fei et al., 2004)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset


@DATASET_REGISTRY.register()
class Caltech101(CoOpDataset):
    """100 classes; without BACKGROUND_Google and Faces_easy."""

    dataset_dir = "caltech-101"
    image_dir = "101_ObjectCategories"
    split_file = "split_zhou_Caltech101.json"
