"""UCF101: actions, the middle frame of each video (Soomro et al., 2012)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset


@DATASET_REGISTRY.register()
class UCF101(CoOpDataset):
    """101 classes."""

    dataset_dir = "ucf101"
    image_dir = "UCF-101-midframes"
    split_file = "split_zhou_UCF101.json"
