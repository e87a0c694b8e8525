"""Where the options of a trainer stand in the config, and what of the config it checks."""

from promptkit.config import PromptConfig, read_options
from promptkit.descriptions import check_descriptions
from promptkit.runs.image_input import differences
from promptkit.runs.selection import check_selection
from promptkit.stores.feature_bank import check_features


class OptionsOfTrainer:
    """The part of a trainer that reads the config.

    Attributes:
        Config: frozen dataclass of the options under `TRAINER.<NAME>`.
        options: an instance of it, checked.
    """

    Config: type[PromptConfig] = PromptConfig
    takes_initial_weights = True  # whether MODEL.INIT_WEIGHTS has an effect
    reads_descriptions = False  # DATASET.DESCRIPTIONS, whatever the option TEMPLATES is

    @classmethod
    def options_of(cls) -> type:
        """The trainer class whose options `options` are; another's in `promptkit.over_another`."""
        return cls

    @classmethod
    def nodes(cls, cfg) -> tuple[str, ...]:
        """The nodes below TRAINER that a run with a config reads."""
        return (cls.__name__.upper(),)

    @property
    def node(self) -> str:
        """Where `options` stand: TRAINER.<NAME>."""
        return f"TRAINER.{self.options_of().__name__.upper()}"

    def all_options(self) -> dict[str, object]:
        """All options that the run goes by, by the name of their trainer."""
        return {self.options_of().__name__: self.options}

    def check_cfg(self, cfg) -> None:
        """Reads and checks `TRAINER.<NAME>`."""
        name, kind = type(self).__name__, self.options_of()
        node = cfg.TRAINER[kind.__name__.upper()]
        self.options = read_options(kind.Config, node, path=self.node)
        check_features(cfg)
        check_descriptions(cfg, name, self.all_options(), always=self.reads_descriptions)
        check_selection(cfg)  # also in another repository, whose train.py does not
        if cfg.MODEL.INIT_WEIGHTS and not self.takes_initial_weights:
            raise ValueError(f"MODEL.INIT_WEIGHTS has no effect with {name}. Leave it out.")
        for sentence in differences(cfg):
            print(sentence)
