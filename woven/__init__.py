"""The embedded default: the class names of eleven real data sets, woven into pictures.

The modules in reading order: `class_lists` (whose names), `captions` and `teacher` (what they mean
to a sentence model), `codes` (what a picture of a class says), `pictures` (codes to pixels),
`towers`, `stage_words`, `stage_pictures`, `make` (a CLIP that reads both), `weights` (the file that
was made), `seeing` and `calibrate` (how far pictures are from words), `world` (the files that say
it), `datasets` (PNG files), `card` and `ranking` (what README.md states). `training`, `shipped` and
`cards` serve the package pocket as well.
"""

import warnings

import startup  # noqa: F401  (before anything imports torch)

# The clip package imports pkg_resources, whose notice of its own removal is not the user's concern.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
