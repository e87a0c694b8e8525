"""EuroSAT: land use from satellites (Helber et al., 2019)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset


@DATASET_REGISTRY.register()
class EuroSAT(CoOpDataset):
    """10 classes."""

    dataset_dir = "eurosat"
    image_dir = "2750"
    split_file = "split_zhou_EuroSAT.json"
