"""ImageNetV2: a second test set of ImageNet, matched-frequency (Recht et al., 2019)."""

from dassl.data.datasets import DATASET_REGISTRY
from datasets.listing import list_folders
from datasets.wordnet import ImageNetVariant, read_classnames


@DATASET_REGISTRY.register()
class ImageNetV2(ImageNetVariant):
    """1,000 classes; the folders 0 to 999 are labels of ImageNet."""

    dataset_dir = "imagenetv2"
    image_dir = "imagenetv2-matched-frequency-format-val"

    def classnames_by_folder(self) -> dict[str, str]:
        """By number, which counts the sorted WordNet ids: as text, 10 would come before 2."""
        names = [name for _, name in sorted(read_classnames(self.dataset_dir).items())]
        folders = set(list_folders(self.image_dir))
        unknown = sorted(folders - {str(label) for label in range(len(names))})
        if unknown:
            raise ValueError(
                f"The folders in {self.image_dir} must be 0 to {len(names) - 1}; got "
                f"{unknown[0]!r}."
            )
        missing = [label for label in range(len(names)) if str(label) not in folders]
        if folders and missing:
            raise ValueError(
                f"{len(missing)} folders are missing in {self.image_dir}: {missing[0]}, ... "
                "Unpack the archive again."
            )
        return {str(label): name for label, name in enumerate(names) if folders}
