"""What prompt-tuning methods on CLIP share: loading, prompts, encoders, losses, the base trainer.

Letters for shapes: B images, C classes, V virtual classes, L text tokens, P prefix tokens,
S suffix tokens, M context tokens, D encoder width, E joint space, K templates or views,
N pairs in a mutual-information estimate.
"""

import warnings

from promptkit.clone import from_clone

from_clone("startup")  # before anything imports torch or dassl
# The clip package imports pkg_resources, whose notice of its own removal is not the user's concern.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
