"""The embedded default: a small drawn world, data sets made of it, and a CLIP trained on it.

The modules in reading order: `vocabulary` (what there is), `shapes` and `styles` (how it looks),
`world` (scenes to pixels), `captions` (scenes to sentences), `datasets` (class names, splits,
PNG files), `pretrain` (a CLIP from nothing but the world), `weights` (the file it made).
It is a test bench: its numbers say nothing about real images.
"""

import warnings

import startup  # noqa: F401  (before anything imports torch)

# The clip package imports pkg_resources, whose notice of its own removal is not the user's concern.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
