"""ImageNet-R: art and other renditions (Hendrycks et al., 2021)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.wordnet import ImageNetVariant


@DATASET_REGISTRY.register()
class ImageNetR(ImageNetVariant):
    """200 of ImageNet's classes, labels 0 to 199."""

    dataset_dir = "imagenet-rendition"
    image_dir = "imagenet-r"
