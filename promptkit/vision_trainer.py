"""The base of methods that prompt the image encoder too."""

from torch import Tensor

from promptkit.backbones.facts import facts_of
from promptkit.backbones.openai_clip import ARCHITECTURES
from promptkit.encoders.image_encoder import VisionTokens, encode_image
from promptkit.frozen_features import unit
from promptkit.trainer import PromptTrainer


class VisionPromptTrainer(PromptTrainer):
    """Tunes prompts of both encoders, or of the image encoder alone."""

    has_frozen_images = False
    frozen: Tensor | None = None  # features [N, E] of the epoch's views without prompts
    batch_indices: Tensor | None = None  # [B] which of them the batch has

    def vision_tokens(self) -> VisionTokens | None:
        """The prompts of the image encoder, the learner's; None leaves it as it is."""
        return self.learner.vision_tokens()

    def check_cfg(self, cfg) -> None:
        """As the base's; refuses what cannot be prompted, or stored, before anything is loaded."""
        super().check_cfg(cfg)
        backbone = cfg.MODEL.BACKBONE.NAME
        facts = facts_of(backbone)
        if facts and not facts.has_image_tokens:
            raise ValueError(self._no_tokens(backbone, facts.image_encoder))
        if cfg.FEATURES.VIEWS:
            raise ValueError(
                f"FEATURES.VIEWS must be 0 with {type(self).__name__}, which "
                f"{self.changes_images}: stored features would not change with it; got "
                f"{cfg.FEATURES.VIEWS}."
            )

    def load_frozen_clip(self) -> None:
        """As the base's.

        Raises:
            ValueError: its image encoder has no tokens.
        """
        super().load_frozen_clip()
        if self.clip_model.image_tokens is None:
            raise ValueError(self._no_tokens(self.cfg.MODEL.BACKBONE.NAME, "a ResNet"))

    def _no_tokens(self, backbone: str, encoder: str) -> str:
        known = ", ".join(name for name in ARCHITECTURES if name.startswith("ViT"))
        return (
            f"{type(self).__name__} needs an image encoder with tokens, and that of {backbone} is "
            f"{encoder}. Set MODEL.BACKBONE.NAME (--backbone) to one of {known}, Woven, Pocket, or "
            "a ViT or EVA of open_clip's (python -m promptkit.backbones lists which); or take a "
            "method that prompts the text alone, such as CoOp, KgCoOp or E2MIM."
        )

    def before_epoch(self) -> None:
        """As the base's; frozen features of the epoch's views are read, or encoded, here."""
        super().before_epoch()
        self.frozen = self.views and self.views.of(self.epoch).to(self.device)

    def parse_batch_train(self, batch) -> tuple[Tensor, Tensor]:
        """As the base's; keeps which images these are."""
        self.batch_indices = batch.get("index")
        return super().parse_batch_train(batch)

    def frozen_image_features(self, images: Tensor) -> Tensor:
        """Features of the batch's images [B, 3, H, W] without prompts, in unit norm: [B, E]."""
        if self.frozen is None or self.batch_indices is None:
            return unit(super().encoded_images(images))
        return self.frozen[self.batch_indices.to(self.device)]

    def encoded_images(self, images: Tensor) -> Tensor:
        """Prompted image features [B, E] of images, as long as the encoder makes them."""
        prompts = self.vision_tokens()
        if prompts is None:
            return super().encoded_images(images)
        return encode_image(self.clip_model, images, prompts)
