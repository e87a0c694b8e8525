"""ImageNet-Sketch: drawings of ImageNet's classes (Wang et al., 2019)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.wordnet import ImageNetVariant


@DATASET_REGISTRY.register()
class ImageNetSketch(ImageNetVariant):
    """1,000 classes."""

    dataset_dir = "imagenet-sketch"
    image_dir = "images"
