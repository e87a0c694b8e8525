"""Frozen image features that are computed once: on disk for tests, in memory for training."""
