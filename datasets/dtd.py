"""DTD: textures by adjectives (Cimpoi et al., 2014)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.coop import CoOpDataset
from datasets.published_names import TexturesNames


@DATASET_REGISTRY.register()
class DescribableTextures(TexturesNames, CoOpDataset):
    """47 classes."""

    dataset_dir = "dtd"
    image_dir = "images"
    split_file = "split_zhou_DescribableTextures.json"
