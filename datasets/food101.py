"""Food-101: dishes (Bossard et al., 2014)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.listing import images_by_folder, list_folders, split_50_20_30
from datasets.split_file import Splits


@DATASET_REGISTRY.register()
class Food101(CoOpDataset):
    """101 classes."""

    dataset_dir = "food-101"
    image_dir = "images"
    split_file = "split_zhou_Food101.json"

    def build_split(self) -> Splits:
        """A random split of the folders; it is not the published one."""
        self.warn_of_own_split()
        names = {folder: folder for folder in list_folders(self.image_dir)}
        return split_50_20_30(images_by_folder(self.image_dir, names))
