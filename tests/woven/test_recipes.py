"""The woven recipes are the published ones, but for images, backbone and depth."""

from pathlib import Path

import pytest

import train

CONFIGS = Path(train.__file__).parent / "configs/trainers"
PUBLISHED = {
    "CoOp": "vit_b16_ctxv1",
    "CoCoOp": "vit_b16_c4_ep10_batch1_ctxv1",
    "KgCoOp": "vit_b16_ep100_ctxv1",
    "CoOp_ATP": "vit_b16_c2_ep100",
    "CoCoOp_ATP": "vit_b16_c2_ep10_batch1",
    "MaPLe_ATP": "vit_b16_c4_ep5_batch4",
    "LASP": "vit_b16_c4_ep25_batch32",
    "ProText": "vit_b16_c4_lr0.03_ep30",
    "DeKg": "vit_b16_ep100_ctxv1",
    "DePT": "vit_b16_ep10_bs4",
    "DeKg_TCP": "vit_b16_ep100_ctxv1",
    "ProGrad": "vit_b16_ep100",
    "TCP": "vit_b16_ep50_ctxv1",
    "VPT": "vit_b16_c2_ep5_batch4_4",
    "IVLP": "vit_b16_c2_ep20_batch4_4+4ctx",
    "MaPLe": "vit_b16_c2_ep5_batch4_2ctx",
    "SkipTuning": "vit_b16_bs4_ep20",
    "CoPrompt": "vit_b16_c2_ep8_batch4_2ctx",
    "PromptSRC": "vit_b16_c2_ep20_batch4_4+4ctx",
    "E2MIM": "vit_b16_ctxv1",
    "ZeroshotCLIP": "vit_b16",
    "ZeroshotCLIP2": "vit_b16",
    "LinearProbe": "vit_b16",
    "MMA": "vit_b16_ep5",
    "MMRL": "vit_b16",
    "MMRLpp": "vit_b16",
    **dict.fromkeys(
        ("CLAP", "CLIPAdapter", "CLIPLoRA", "GDA", "LPPlusPlus", "ProLIP", "TaskRes", "TipAdapter",
         "TipAdapterF", "TwoSFS", "ZSLP"), "vit_b16",
    ),
}  # fmt: skip
OF_THE_BENCH = ("INPUT.", "PROTOCOL.", "MODEL.BACKBONE.", "FEATURES.", "DATALOADER.NUM_WORKERS",
                "DATALOADER.TEST.BATCH_SIZE")  # fmt: skip
DEPTHS = {12: 4, 9: 3, 8: 3, 6: 2, 5: 2}  # of twelve layers, of four
LAYERS = "LAYER", "ADAPTER_START", "ADAPTER_END"
TOKENS = 197, 17  # of an image of ViT-B/16, and of ours


def values(trainer: str, recipe: str) -> dict[str, object]:
    """Every key of the merged config, dotted."""
    path = CONFIGS / trainer / f"{recipe}.yaml"
    cfg = train.setup_cfg(train.parse_args(["--trainer", trainer, "--config-file", str(path)]))
    found: dict[str, object] = {}

    def walk(node, prefix: str = "") -> None:
        for key, value in node.items():
            if hasattr(value, "items"):
                walk(value, f"{prefix}{key}.")
            else:
                found[prefix + key] = value

    walk(cfg)
    return found


@pytest.mark.parametrize("trainer", sorted(PUBLISHED))
def test_nothing_else_is_changed(trainer):
    theirs, ours = values(trainer, PUBLISHED[trainer]), values(trainer, "woven")
    assert theirs.keys() == ours.keys()
    changed = {
        key: (theirs[key], ours[key])
        for key in theirs
        if theirs[key] != ours[key] and not key.startswith(OF_THE_BENCH)
    }
    for key, (published, own) in changed.items():
        if key.endswith(".VIEWS"):  # of methods on features: ten passes at most
            assert own == min(10, published)
        elif key in (
            "TRAINER.COPROMPT.TEMPLATES",
            "TRAINER.PROTEXT.TEMPLATES",
        ):  # the bench has no descriptions
            assert own == "ensemble80"
        elif key.endswith("N_CTX_VISION"):
            assert own == max(1, round(published * TOKENS[1] / TOKENS[0]))
        elif key.endswith("REP_LAYERS"):
            first, last = DEPTHS[published[0]], DEPTHS[published[-1]]
            assert list(own) == list(range(first, last + 1))
        else:
            assert "DEPTH" in key or key.endswith(LAYERS), (key, published, own)
            assert own == DEPTHS[published], key
    assert ours["MODEL.BACKBONE.NAME"] == "Woven" and tuple(ours["INPUT.SIZE"]) == (32, 32)
