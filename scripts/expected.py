"""What commands of train.py would take: `python scripts/expected.py` reads them from its input.

Counted from recipes and from what a whole data set holds: runs, images that pass through the image
encoder, and GB of logits. Passes are an upper bound: what is frozen is encoded once and then read
from the store. $RATE, images a second, makes hours of them; nothing here knows a GPU.
"""

import os
import runpy
import shlex
import sys
from pathlib import Path

import yaml

# Of its file alone: the package would import PyTorch.
PROJECT = Path(__file__).resolve().parents[1]
SOURCES = runpy.run_path(str(PROJECT / "datasets/sources.py"), run_name="sources")["SOURCES"]

BACKWARD = 3  # a pass forward and back costs about three forward, where images are prompted
ON_IMAGES = {
    "CLIPLoRA",
    "CoPrompt",
    "IVLP",
    "LASP",
    "MMA",
    "MMRL",
    "MMRLpp",
    "MaPLe",
    "MaPLe_ATP",
    "PromptSRC",
    "SkipTuning",
    "TwoSFS",
    "VPT",
}
BYTES = 2  # of a logit


def passes_of(words: list[str]) -> tuple[float, float, float]:
    """Passes of training images, of test images, and bytes of logits, of one run."""
    value = dict(zip(words, words[1:], strict=False))
    source = SOURCES[Path(value["--dataset-config-file"]).stem]
    recipe = yaml.safe_load(Path(value["--config-file"]).read_text())
    share = 1 if value.get("DATASET.SUBSAMPLE_CLASSES", "all") == "all" else 0.5
    tests = share * source.images[2]
    logits = BYTES * tests * source.classes  # of all classes: the other half's are kept, too
    if "--eval-only" in words:
        return 0, tests, logits
    shots = int(value.get("DATASET.NUM_SHOTS", 16))
    epochs = int(value.get("OPTIM.MAX_EPOCH", recipe.get("OPTIM", {}).get("MAX_EPOCH", 1)))
    images = epochs * share * source.classes * shots
    return images * (BACKWARD if value["--trainer"] in ON_IMAGES else 1), tests, logits


def main() -> int:
    """Prints the sums; 1 without a command."""
    runs = []
    for line in sys.stdin:
        if line.startswith("python train.py "):
            run: list[str] = []
            for word in [*shlex.split(line)[2:], "--then"]:
                if word == "--then":
                    runs.append(run)
                    run = []
                else:
                    run.append(word)
    if not runs:
        print("error: no command of train.py", file=sys.stderr)
        return 1
    trained, tested, stored = map(sum, zip(*map(passes_of, runs), strict=True))
    trainings = sum("--eval-only" not in run for run in runs)
    print(
        f"{len(runs):,} runs, {trainings:,} of them trainings; passes through the image encoder: "
        f"{trained:,.0f} in training, {tested:,.0f} in tests; {stored / 1e9:.1f} GB of logits"
    )
    rate = os.environ.get("RATE")
    if rate:
        hours = (trained + tested) / float(rate) / 3600
        print(f"At {float(rate):,g} images a second that is at most {hours:,.1f} hours of encoding")
    return 0


if __name__ == "__main__":
    sys.exit(main())
