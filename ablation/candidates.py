"""Which settings compete: six of every method, by validation; and what is varied one at a time.

All were written down before anything was run. E2MIM's eight are those of CHOICES; the variants of
VARIED describe and choose nothing.
"""

from dataclasses import dataclass, replace

WHOLE = ("OPTIM.", "DATALOADER.")  # keys that are no option of a method begin so
VOCABULARY = "{vocabulary}"  # stands for the path of the names that are not the data set's


@dataclass(frozen=True)
class Candidate:
    """One setting of one method.

    Attributes:
        method: whose it is; "LASP-like" is E2MIM's trainer with LASP's text-to-text loss.
        label: what distinguishes it.
        trainer: its class.
        options: KEY VALUE pairs beyond its recipe; its own keys without TRAINER.<NAME>.
        recipe: ending of its name, behind that of the bench.
    """

    method: str
    label: str
    trainer: str
    options: tuple[tuple[str, object], ...] = ()
    recipe: str = ""

    @property
    def name(self) -> str:
        """Method and label."""
        return f"{self.method} {self.label}"

    def pairs(self, vocabulary: str) -> list[str]:
        """As arguments of train.py."""
        own = f"TRAINER.{self.trainer.upper()}."
        words = []
        for key, value in self.options:
            value = vocabulary if value == VOCABULARY else value
            words += [key if key.startswith(WHOLE) else own + key, str(value)]
        return words


# The trainer's defaults, whatever its recipes say.
E2MIM_OWN = {"alpha": 1.0, "beta": 1.0, "mi__critic": "bilinear", "mi__agreement": 0.0,
             "trust": "fixed"}  # fmt: skip


def e2mim(label: str, method: str = "E2MIM", **options: object) -> Candidate:
    """A setting of E2MIM; `__` stands for a dot."""
    options = E2MIM_OWN | options
    pairs = tuple((key.replace("__", ".").upper(), value) for key, value in options.items())
    return Candidate(method, label, "E2MIM", pairs)


def over_tcp(label: str, **options: object) -> Candidate:
    """E2MIM's terms over TCP, with its recipe."""
    return replace(e2mim(label, "TCP", **options), recipe="_over_tcp")


def epochs(method: str, number: int, label: str = "", *more: tuple[str, object]) -> Candidate:
    """A method's recipe with another number of epochs."""
    label = f"{number} epochs{label}"
    return Candidate(method, label, method, (("OPTIM.MAX_EPOCH", number), *more))


ZERO_SHOT = Candidate("CLIP", "zero-shot", "ZeroshotCLIP")
FOUR_WORDS = (("N_CTX", 4), ("CTX_INIT", "a photo of a"))
WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
ANCHOR = {"beta": 0.0, "mi__critic": "cosine"}
NEGATIVES = {"vocabulary__file": VOCABULARY}
PAIRS = NEGATIVES | {"vocabulary__as": "pairs", "vocabulary__count": 16}
CHOICES = {
    "CoOp": tuple(epochs("CoOp", number) for number in (200, 100, 50, 25, 12, 6)),
    "ProGrad": (
        *(epochs("ProGrad", number) for number in (100, 50, 25)),
        *(epochs("ProGrad", number, ", 4 words", *FOUR_WORDS) for number in (50, 25, 12)),
    ),
    "KgCoOp": tuple(Candidate("KgCoOp", f"W {w:g}", "KgCoOp", (("W", w),)) for w in WEIGHTS),
    "LASP-like": tuple(
        e2mim(f"weight {w:g}", "LASP-like", alpha=w, **ANCHOR, mi__temperature=0.01)
        for w in WEIGHTS
    ),
    "E2MIM": (
        e2mim("alpha 1, beta 1"),
        e2mim("cosine critic, beta 0", **ANCHOR),
        e2mim("cosine critic, beta 0, vocabulary", **ANCHOR, **NEGATIVES),
        e2mim("cosine critic, beta 0, agreement 8", **ANCHOR, mi__agreement=8.0),
        e2mim("cosine critic, agreement 8", mi__critic="cosine", mi__agreement=8.0),
        e2mim("cosine critic, beta 0, agreement 8, vocabulary in pairs", **ANCHOR,
              mi__agreement=8.0, **PAIRS),
    ),
}  # fmt: skip
PUBLISHED = {"KgCoOp": "W 8"}  # also tested if it is not chosen
# One thing changed at a time from the first of E2MIM's.
VARIED = (
    *(e2mim(f"alpha {a:g}", alpha=a) for a in (0.0, 0.3, 4.0)),
    *(e2mim(f"beta {b:g}", beta=b) for b in (0.0, 4.0)),
    e2mim("alpha 0, beta 0", alpha=0.0, beta=0.0),
    *(e2mim(f"critic {name}", mi__critic=name) for name in ("cosine", "mlp")),
    *(e2mim(f"bound {name}", mi__bound=name) for name in ("jsd", "nwj", "dv")),
    *(e2mim(f"temperature {t:g}", mi__temperature=t) for t in (0.01, 0.2)),
    *(e2mim(f"critic's rate {rate:g}", mi__critic_lr=rate) for rate in (0.02,)),
    e2mim("agreement 8", mi__agreement=8.0),
    e2mim("vocabulary", **NEGATIVES),
    e2mim("vocabulary in pairs", **PAIRS),
    e2mim("trust by shots", trust="shots"),
    e2mim("views by shots", templates="chosen"),
    e2mim("eighty sentences", templates="ensemble80"),
    e2mim("mixup Beta 0.2", mix__alpha=0.2),
    e2mim("mixup of any two", mix__pairs="both"),
    e2mim("mixup against real classes, too", mix__negatives="virtual+real"),
    e2mim("mixup of class means", mix__level="class"),
    e2mim("mixup classified", mix__target="classes"),
    e2mim("blend 0.2", ensemble=0.2),
)
# Added when the test had been seen: is it the terms, or the steps that E2MIM's recipe takes?
CONTROL = Candidate(
    "KgCoOp",
    "W 8, E2MIM's steps",
    "KgCoOp",
    (("W", 8.0), ("OPTIM.MAX_EPOCH", 50), ("DATALOADER.TRAIN_X.BATCH_SIZE", 32)),
)
# Added when trust had been seen to help on the pocket sets: is it harmless on the woven ones?
TRUSTED = e2mim(
    "cosine critic, agreement 8, trust by shots",
    mi__critic="cosine",
    mi__agreement=8.0,
    trust="shots",
)
# The terms over a stronger method.
OVER_TCP = (
    Candidate("TCP", "recipe", "TCP"),
    over_tcp("and ALPHA 1", beta=0.0, mi__critic="cosine"),
    over_tcp("and BETA 1", alpha=0.0, mi__critic="cosine"),
    over_tcp("and both", mi__critic="cosine"),
)
# Where the sentence misreads a set: does trust or a choice of views help?
STRESSED = (
    Candidate("CoOp", "recipe", "CoOp"),
    Candidate("KgCoOp", "recipe", "KgCoOp"),
    e2mim("alpha 1, beta 1"),
    e2mim("trust by shots", trust="shots"),
    e2mim("beta 0, views by shots", beta=0.0, templates="chosen"),
    e2mim("beta 0, trust and views by shots", beta=0.0, trust="shots", templates="chosen"),
    e2mim("cosine critic, agreement 8", mi__critic="cosine", mi__agreement=8.0),
    TRUSTED,
)
