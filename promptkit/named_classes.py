"""In place of a data set: class names and the sentence around them, without any image."""

import sys
from types import SimpleNamespace

from yacs.config import CfgNode

from dassl.data.datasets import DATASET_REGISTRY
from promptkit.prompts.templates import DEFAULT_TEMPLATE


def named_classes(cfg: CfgNode, classnames: list[str]) -> SimpleNamespace:
    """What a trainer reads of Dassl's data manager, for classes that are only named.

    The data set is of the class of DATASET.NAME, whose sentence it has, and is never opened.
    """
    kind = DATASET_REGISTRY.get(cfg.DATASET.NAME) if cfg.DATASET.NAME else UnnamedDataSet
    dataset = kind.__new__(kind)  # its constructor looks for images
    dataset._classnames = list(classnames)
    return SimpleNamespace(
        dataset=dataset,
        num_classes=len(classnames),
        lab2cname=dict(enumerate(classnames)),
        train_loader_x=None,
        val_loader=None,
        test_loader=None,
    )


class UnnamedDataSet:
    """Stands in where no data set is named; says so when its sentence is asked for."""

    _classnames: list[str]

    @property
    def classnames(self) -> list[str]:
        """As Dassl's."""
        return self._classnames

    @property
    def template(self) -> str:
        """The most general one."""
        print(
            f"No data set is named: the sentence around a class name is '{DEFAULT_TEMPLATE}' "
            "(--dataset-config-file, or --set DATASET.TEMPLATE, gives another)",
            file=sys.stderr,
        )
        return DEFAULT_TEMPLATE
