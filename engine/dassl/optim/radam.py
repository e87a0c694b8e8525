"""RAdam is torch's own; the name stays importable from here."""

from torch.optim import RAdam

__all__ = ["RAdam"]
