"""Data sets, transforms, samplers and loaders."""

from dassl.data.data_manager import DataManager, DatasetWrapper

__all__ = ["DataManager", "DatasetWrapper"]
