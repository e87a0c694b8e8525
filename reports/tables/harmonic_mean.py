"""HM, the mean of base and new accuracy that the field goes by."""


def harmonic_mean(base: float, new: float) -> float:
    """2BN / (B + N), and 0 where both are 0."""
    return 2 * base * new / (base + new) if base + new > 0 else 0.0
