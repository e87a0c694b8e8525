"""E2MIM: mutual-information-based ensemble and exploration.

Soft and hand-crafted prompts are two views of a class. Their mutual information (MI) is maximised,
so that the soft view keeps what CLIP knows in general; class-wise visual mixup makes virtual
classes between the real ones, so that it also holds outside the training classes.

    L = CE + ALPHA * L_ens + BETA * L_exp
    L_ens = -I(S; H)      s_c soft, h_c hand-crafted text feature of class c: a joint sample
    L_exp = -I(Z'; S')    z' = unit(l z_i + (1-l) z_j), s' = unit(l s_{y_i} + (1-l) s_{y_j}),
                          l ~ Beta(a, a), for pairs (i, j) of a batch

I is a lower bound with a learnable critic. Prompts and critic both maximise it, so one joint step
serves. At test time the critic is not used: the classifier is CLIP's cosine with s_c, or with
unit((1-w) s_c + w h_c) for ENSEMBLE w.

Paper: Generalizable Prompt Tuning for Vision-Language Models, arXiv:2410.03189. **This is a
reconstruction**: the abstract and summaries of the paper could be read, its equations, tables and
code could not. What the abstract leaves open is ours and is a config key. CE is CoOp's loss; the
two terms may stand over another method, LEARNER, whose loss then takes its place, and whose
features, prompted ones too, are what is mixed. With ALPHA = BETA = 0 the method is CoOp, or that
other one, bit for bit. With the infonce bound and the cosine critic, L_ens in the
direction from s to h is the text-to-text cross-entropy of LASP (arXiv:2210.01115).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dassl.optim import build_lr_scheduler, build_optimizer
from promptkit.config import ContextConfig, require, require_range
from promptkit.descriptions import DESCRIPTIONS
from promptkit.frozen_features import unit
from promptkit.mi_estimator import MIConfig, MIEstimator
from promptkit.objectives.mixup import MODES, Pairs, draw_pairs, mix_features, mix_images, mix_text
from promptkit.objectives.mutual_information import Estimate, classified
from promptkit.over_another import OverAnother
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.templates import (
    IMAGENET_TEMPLATES,
    benchmark_name,
    dataset_template,
    ensemble_templates,
)
from promptkit.registry import register
from promptkit.text_views import TextViews, VocabularyConfig
from promptkit.trainer import PromptTrainer

# What the terms may stand over; CoOp's context is the method's own.
LEARNERS = {"coop": "", "ivlp": "IVLP", "maple": "MaPLe", "promptsrc": "PromptSRC", "tcp": "TCP"}
PROMPT_IMAGES = ("ivlp", "maple", "promptsrc")
TEMPLATES = ("single", "ensemble", "ensemble80", "chosen")


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """How virtual classes are made (TRAINER.E2MIM.MIX)."""

    alpha: float = 1.0  # a of Beta(a, a); 1 is uniform
    pairs: str = "inter"  # inter: two classes | intra: one class | both
    # feature: mix image features | pixel: mix images, encode once more | class: means of classes
    level: str = "feature"
    # virtual | virtual+real: also contrast with the real classes. These do not follow the marginal
    # of the virtual ones, so the logged nats are then no bound.
    negatives: str = "virtual"
    # estimate: of MI | classes: minus the cross-entropy of CLIP's classifier, virtual classes in it
    target: str = "estimate"

    def __post_init__(self) -> None:
        require_range("alpha", self.alpha, 0, open_low=True)
        require("pairs", self.pairs, MODES)
        require("level", self.level, ("feature", "pixel", "class"))
        require("target", self.target, ("estimate", "classes"))
        require("negatives", self.negatives, ("virtual", "virtual+real"))


@dataclass(frozen=True, kw_only=True)
class E2MIMConfig(ContextConfig):
    """Options under TRAINER.E2MIM; the paper's values are not known."""

    n_ctx: int = 4
    ctx_init: str = "a photo of a"
    alpha: float = 1.0  # weight of the ensemble term
    beta: float = 1.0  # weight of the exploration term
    mi: MIConfig = field(default_factory=MIConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    # fixed: ALPHA as it is | shots: times how far the shots agree with the hand-crafted view, see
    # promptkit/objectives/trust.py
    trust: str = "fixed"
    # coop: N_CTX and CTX_INIT above | ivlp | maple | promptsrc | tcp: as TRAINER.<its name> says
    learner: str = "coop"
    # single: the data set's | ensemble: + 7 selected | ensemble80 | descriptions: the data set's |
    # chosen: those of the data set's and the eighty that say most about the shots, one view each
    templates: str = "single"
    views: int = 4  # of "chosen", where one fits the shots better than the data set's by
    margin: float = 0.25  # of its cross-entropy at least; otherwise the data set's alone
    ensemble: float = 0.0  # w in [0, 1]: share of the hand-crafted view in the classifier

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("alpha", self.alpha, 0)
        require_range("beta", self.beta, 0)
        require("templates", self.templates, (*TEMPLATES, DESCRIPTIONS))
        require("trust", self.trust, ("fixed", "shots"))
        require("learner", self.learner, tuple(LEARNERS))
        require_range("views", self.views, 1)
        require_range("margin", self.margin, 0, 1)
        require_range("ensemble", self.ensemble, 0, 1)


@register
class E2MIM(OverAnother, PromptTrainer):
    """A method, by default CoOp, with mutual information of views and of virtual classes."""

    Config = E2MIMConfig
    other_option, others, terms_name = "LEARNER", LEARNERS, "terms"
    unread = (*OverAnother.unread, "n_ctx", "ctx_init")

    def check_cfg(self, cfg) -> None:
        """As the base's; also names options that are set but have no effect."""
        super().check_cfg(cfg)
        options, defaults = self.terms, E2MIMConfig()
        if cfg.FEATURES.VIEWS and options.beta and options.mix.level == "pixel":
            raise ValueError(
                f"TRAINER.E2MIM.MIX.LEVEL pixel mixes images, and FEATURES.VIEWS "
                f"{cfg.FEATURES.VIEWS} trains on stored features. Set FEATURES.VIEWS 0 or "
                "MIX.LEVEL feature."
            )
        if self.below(E2MIM) and options.vocabulary.file and options.vocabulary.as_ == "pairs":
            raise ValueError(
                "TRAINER.E2MIM.VOCABULARY.AS pairs makes soft prompts of other names with CoOp's "
                f"context, which LEARNER {options.learner} has not. Set AS negatives."
            )
        if options.beta and options.mix.level == "class" and options.learner in PROMPT_IMAGES:
            raise ValueError(
                "TRAINER.E2MIM.MIX.LEVEL class mixes means of features without prompts, and "
                f"LEARNER {options.learner} prompts the images. Set MIX.LEVEL feature or pixel."
            )
        if options.templates == "chosen" and options.ensemble:
            raise ValueError(
                "TRAINER.E2MIM.TEMPLATES chosen is of the training: at the test no shots choose "
                f"the view that ENSEMBLE {options.ensemble} blends with. Set ENSEMBLE 0."
            )
        idle = {
            "MIX": not options.beta and options.mix != defaults.mix,
            "MI": not options.alpha
            and (not options.beta or options.mix.target == "classes")
            and options.mi != defaults.mi,
            "MI.AGREEMENT": options.mi.agreement and not options.alpha,
            "TRUST": options.trust != defaults.trust and not options.alpha,
            "VOCABULARY": options.vocabulary != defaults.vocabulary
            and not (options.alpha and options.vocabulary.file),
            "VOCABULARY.COUNT": options.vocabulary.as_ != "pairs"
            and options.vocabulary.count != defaults.vocabulary.count,
            "VIEWS": options.templates != "chosen" and options.views != defaults.views,
            "MARGIN": options.templates != "chosen" and options.margin != defaults.margin,
            "MI.CRITIC_LR": options.mi.critic == "cosine"
            and options.mi.critic_lr != defaults.mi.critic_lr,
            "TEMPLATES": not (options.alpha or options.ensemble)
            and options.templates != defaults.templates,
            "MI.TEMPERATURE": options.mi.critic == "mlp"
            and options.mi.temperature != defaults.mi.temperature,
        }
        for key in (key for key, is_idle in idle.items() if is_idle):
            print(f"TRAINER.E2MIM.{key} has no effect with the other settings")

    def needs_images(self) -> str:
        """As the base's; pixels can only be mixed in images."""
        if self.terms.beta and self.terms.mix.level == "pixel":
            return "TRAINER.E2MIM.MIX.LEVEL pixel mixes images"
        return super().needs_images()

    def build_learner(self, classnames: list[str]) -> nn.Module:
        """A shared context, CoOp's; or the other method's learner."""
        if self.below(E2MIM):
            return super().build_learner(classnames)
        options = self.options
        return ContextPrompts(
            self.clip_model, classnames, num_context=options.n_ctx, init=options.ctx_init
        )

    def build_model(self) -> None:
        """The learner's model, the hand-crafted view, and the critics with their own optimiser."""
        super().build_model()
        self.text_views = TextViews(self, self.templates())
        if self.terms.alpha and not self.classes_alone:
            self.text_views.open_vocabulary()
        # The method's own generator: drawing for it must not change the learner's random numbers.
        self.generator = torch.Generator().manual_seed(self._seed(0))
        width = self.clip_model.embed_dim
        self.estimators = nn.ModuleDict(
            {
                name: MIEstimator(self.terms.mi, width, self.generator)
                for name in ("ensemble", "exploration")
            }
        ).to(self.device)
        self._register_critic()

    def before_train(self) -> None:
        """As the base's; then looks at the shots for what they decide before the first step."""
        super().before_train()
        options = self.terms
        by_shots = options.alpha and (options.trust == "shots" or options.templates == "chosen")
        by_means = options.beta and options.mix.level == "class"
        if by_shots or by_means:
            shots = unit(self.frozen_view(0).float().to(self.device))
            labels = self.train_labels().to(self.device)
        if by_shots:
            self.text_views.look_at(shots, labels)
        if by_means:
            sums = torch.zeros_like(self.text_views.own, dtype=torch.float32)
            self.class_means = unit(sums.index_add_(0, labels, shots))

    def _register_critic(self) -> None:
        parameters = list(self.estimators.parameters())
        optimizer = scheduler = None
        if parameters:
            group = {"params": parameters, "lr": self.terms.mi.critic_lr}
            optimizer = build_optimizer(self.estimators, self.cfg.OPTIM, param_groups=[group])
            scheduler = build_lr_scheduler(optimizer, self.cfg.OPTIM)
        self.register_model("critic", self.estimators, optimizer, scheduler)

    def templates(self) -> tuple[str, ...]:
        """The sentences of the hand-crafted view."""
        own = dataset_template(self.dm.dataset, self.cfg.DATASET.TEMPLATE)
        match self.terms.templates:
            case "single" | "chosen" | "descriptions":
                return (own,)
            case "ensemble":
                return ensemble_templates(own, benchmark_name(self.dm.dataset))
            case _:
                return IMAGENET_TEMPLATES

    def _seed(self, epoch: int) -> int:
        seed = self.cfg.SEED if self.cfg.SEED >= 0 else torch.initial_seed() % 2**31
        return 1_000_003 * seed + epoch

    def before_epoch(self) -> None:
        """Seeds the mixup by seed and epoch, so that a resumed run draws the same pairs."""
        super().before_epoch()
        self.generator.manual_seed(self._seed(self.epoch + 1))
        self.text_views.draw(self.generator)

    def drawn(self, labels: Tensor) -> tuple[Pairs, ...]:
        """The pairs that are mixed."""
        mix = self.terms.mix
        if not self.terms.beta:
            return ()
        return (draw_pairs(labels, mode=mix.pairs, alpha=mix.alpha, generator=self.generator),)

    def loss(self, images: Tensor, labels: Tensor, pairs: Pairs | None = None) -> dict[str, Tensor]:
        """The learner's loss and the two MI terms, those with a weight of 0 left out.

        Args:
            images: [B, 3, H, W], or features [B, E].
            labels: [B].
            pairs: those that are mixed; None draws them.
        """
        if pairs is None and self.terms.beta:
            (pairs,) = self.drawn(labels)
        return super().loss(images, labels, pairs)

    def loss_of(
        self,
        image_features: Tensor,
        text_features: Tensor,
        images: Tensor,
        labels: Tensor,
        pairs: Pairs | None = None,
    ) -> dict[str, Tensor]:
        """As `loss`, by the features that the learner's own loss has, too."""
        parts = super().loss_of(image_features, text_features, images, labels)
        parts.setdefault("ce", parts["loss"])  # of learners that have nothing else
        if self.terms.alpha:
            mi = self.ensemble(text_features)
            parts["loss"] = parts["loss"] - self.terms.alpha * self.text_views.trust * mi.objective
            parts |= {"ensemble": -mi.objective, "mi_ensemble_nats": mi.nats}
        if self.terms.beta and len(pairs.first):  # a batch of one class may have none
            mi = self.explore(images, image_features, text_features, labels, pairs)
            parts["loss"] = parts["loss"] - self.terms.beta * mi.objective
            parts |= {"exploration": -mi.objective, "mi_exploration_nats": mi.nats}
        return parts

    def ensemble(self, soft: Tensor) -> Estimate:
        """MI of soft features [C, E] and each hand-crafted view, the mean; and their agreement."""
        soft, hand = self.text_views.beside(soft)
        found = [self.estimators["ensemble"](soft, view) for view in hand]
        nats, objective = (torch.stack(each).mean(0) for each in zip(*found, strict=True))
        if self.terms.mi.agreement:
            cosine = (soft.float() * hand[:, : len(soft)].float()).sum(-1).mean()
            objective = objective - self.terms.mi.agreement * (1 - cosine)
        return Estimate(nats, objective)

    def explore(
        self,
        images: Tensor,
        image_features: Tensor,
        text_features: Tensor,
        labels: Tensor,
        pairs: Pairs,
    ) -> Estimate:
        """MI of mixed images and mixed text features."""
        mix = self.terms.mix
        if mix.level == "pixel":
            mixed_images = self.image_features(mix_images(images, pairs))
        else:
            own = self.class_means[labels] if mix.level == "class" else image_features
            mixed_images = mix_features(own, pairs)
        mixed_text = mix_text(text_features, labels, pairs)
        if mix.negatives == "virtual+real":
            mixed_text = torch.cat([mixed_text, text_features])
        if mix.target == "classes":
            return classified(self.logits(mixed_images, mixed_text))
        return self.estimators["exploration"](mixed_images, mixed_text)

    def class_features(self) -> Tensor:
        """The soft view, or its blend with the hand-crafted one, [C, E] in unit norm."""
        weight = self.terms.ensemble
        soft = self.text_features()
        return unit((1 - weight) * soft + weight * self.text_views.own) if weight else soft
