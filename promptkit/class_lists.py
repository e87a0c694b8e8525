"""Trainers of class names alone: to use what was tuned, and beside a trainer that has images."""

from typing import Any

from yacs.config import CfgNode

from promptkit.named_classes import named_classes

# What a trainer takes from another with the same frozen CLIP.
OF_CLIP = ("clip_model", "precision", "weights_sha256", "logit_scale", "logit_bias", "scaler")


class ClassLists:
    """The part of a trainer that knows which classes it tells apart.

    Attributes:
        classes_alone: the classes, where no data set is opened.
        lender: whose frozen CLIP is taken, where it is not loaded.
    """

    classes_alone: list[str] = []
    lender: Any = None

    @classmethod
    def over(cls, cfg: CfgNode) -> type:
        """The class that a config asks for; others than itself in `promptkit.over_another`."""
        return cls

    @classmethod
    def for_classes(cls, cfg: CfgNode, classnames: list[str]) -> "ClassLists":
        """A trainer of these classes, without images: to use what was tuned."""
        kind = cls.over(cfg)
        trainer = kind.__new__(kind)
        trainer.classes_alone = list(classnames)
        trainer.__init__(cfg)
        return trainer

    def beside(self, classnames: list[str], dataset: str = "") -> "ClassLists":
        """A trainer of other classes with this one's frozen CLIP; `take_from` gives it the rest.

        Args:
            classnames: the classes.
            dataset: whose sentence stands around them, by its registered name; "" is this one's.
        """
        other, cfg = type(self).__new__(type(self)), self.cfg
        other.classes_alone, other.lender = list(classnames), self
        if dataset and dataset != cfg.DATASET.NAME:
            cfg = cfg.clone()
            cfg.defrost()
            cfg.DATASET.NAME = dataset
            cfg.freeze()
        other.__init__(cfg)
        other.set_model_mode("eval")
        return other

    def take_from(self, other: "ClassLists") -> None:
        """Copies what another has learned."""
        if self.learner_name in self._models:  # zero-shot has learned nothing
            self.learner.load_state_dict(other.learner.state_dict())

    def build_data_loader(self) -> None:
        """As Dassl's; of the classes alone where no data set is opened."""
        if self.classes_alone:
            self.dm = named_classes(self.cfg, self.classes_alone)
            for name, value in vars(self.dm).items():
                if name != "dataset":
                    setattr(self, name, value)
            return
        super().build_data_loader()
        names = self.dm.dataset.classnames
        if len(names) == 1:
            print(f"Warning: {names[0]!r} is the only class, so that every image is right.")
