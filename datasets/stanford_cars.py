"""Stanford Cars: make, model and year (Krause et al., 2013)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset


@DATASET_REGISTRY.register()
class StanfordCars(CoOpDataset):
    """196 classes; the split file's paths begin in the data set's own folder."""

    dataset_dir = "stanford_cars"
    image_dir = ""
    split_file = "split_zhou_StanfordCars.json"
