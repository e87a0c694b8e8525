"""Speed of the fast paths against the reference paths, in one process; equal results first.

python -m benchmarks text step eval memory [--model ViT-B/16|RN50|Pocket] [--classes 10,100]
python -m benchmarks protocol [--methods CoOp,KgCoOp] [--repeats 3]
"""

import startup  # noqa: F401  (before anything imports torch)
