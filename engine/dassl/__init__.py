"""A small training engine with the interface of Dassl.pytorch 0.6.3."""

__version__ = "0.6.3+promptkit1"
__author__ = "the promptkit authors"
__homepage__ = "https://github.com/KaiyangZhou/Dassl.pytorch"
