"""ImageNet-A: photos that ResNets get wrong (Hendrycks et al., 2021)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.wordnet import ImageNetVariant


@DATASET_REGISTRY.register()
class ImageNetA(ImageNetVariant):
    """200 of ImageNet's classes, labels 0 to 199."""

    dataset_dir = "imagenet-adversarial"
    image_dir = "imagenet-a"
