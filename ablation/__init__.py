"""What E2MIM is worth: a protocol that chooses on validation alone, runs, tables, pictures.

The modules in reading order: `candidates` (what competes), `data` (what the runs see), `in_step`
(several trainers as one), `measures`, `runs` (a cell of the study), `plan` (the protocol),
`tables`, `figures`. `python -m ablation` does it all; docs/e2mim.md is the page.
"""

import warnings

import startup  # noqa: F401  (before anything imports torch)

# The clip package imports pkg_resources, whose notice of its own removal is not the user's concern.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
