"""How Dassl gets to know the trainers that come with promptkit."""

from dassl.engine import TRAINER_REGISTRY

INSTALLED = "promptkit.trainers"  # the folder trainers/, where promptkit is installed
TRAINERS: dict[str, type] = {}  # its classes by name


def trainer_class(name: str) -> type:
    """The class of a trainer of promptkit, wherever it is known.

    Raises:
        KeyError: there is no such trainer.
    """
    return TRAINERS[name] if name in TRAINERS else TRAINER_REGISTRY.get(name)


def register(trainer: type) -> type:
    """Registers a trainer class under its name, as Dassl's own decorator does.

    Those of the installed package are only noted: the repository that they are used in may have a
    trainer of that name, and `promptkit.plugin` asks it first.
    """
    if trainer.__module__.startswith(f"{INSTALLED}."):
        TRAINERS[trainer.__name__] = trainer
    else:
        TRAINER_REGISTRY.register(trainer)
    return trainer
