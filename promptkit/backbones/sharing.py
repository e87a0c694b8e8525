"""Whether a text encoder lets classes share the beginning of their prompts, exactly."""

from torch import Tensor, nn

# What a layer may consist of: OpenAI's parts, and LayerScale.
BLOCK_PARTS = {"ln_1", "attn", "ls_1", "ln_2", "mlp", "ls_2"}
ATTENTION_PARTS = {"out_proj"}
ATTENTION_TENSORS = {"in_proj_weight", "in_proj_bias"}


def why_not_shared(text: nn.Module) -> str:
    """What hinders it, in words; "" if nothing does.

    Three things must hold: a token sees only those before it, positions are counted from the start,
    and the feature is read at the end of text. Whatever is not known to keep them is a hindrance.

    Args:
        text: the module of a text encoder, OpenAI's or one of open_clip's.
    """
    mask = getattr(text, "attn_mask", None)
    if mask is None:
        mask = getattr(text.transformer.resblocks[0], "attn_mask", None)  # OpenAI's
    if not _is_causal(mask):
        return "its tokens see those behind them"
    if getattr(text, "cls_emb", None) is not None:
        return "its feature is read behind the padding"
    pooling = getattr(text, "pool_type", getattr(text, "text_pool_type", "argmax"))
    if pooling not in ("argmax", "eos"):
        return f"its feature is not read at the end of text (pooling '{pooling}')"
    if len(text.positional_embedding) != len(mask):
        return "its positions are not one for each token"
    parts = next(filter(None, map(_unknown_part, text.transformer.resblocks)), "")
    return f"its layers have a part that is not CLIP's ({parts})" if parts else ""


def _is_causal(mask: Tensor | None) -> bool:
    """Whether a mask [L, L] that is added hides all that is behind, and nothing else."""
    if mask is None or mask.dim() != 2:
        return False
    behind = mask.new_ones(mask.shape).triu(1).bool()
    return bool((mask == -float("inf")).eq(behind).all() and not mask[~behind].any())


def _unknown_part(block: nn.Module) -> str:
    attention = block.attn
    found = _others(block, BLOCK_PARTS) + _others(attention, ATTENTION_PARTS)
    tensors = dict(attention.named_parameters(recurse=False))
    found += [name for name in tensors if name not in ATTENTION_TENSORS]
    found += [name for name in ATTENTION_TENSORS if name not in tensors]
    return ", ".join(found)


def _others(module: nn.Module, known: set[str]) -> list[str]:
    """Names of the children that do something and are not among the known ones."""
    idle = nn.Identity, nn.Dropout
    children = module.named_children()
    return [name for name, child in children if name not in known and not isinstance(child, idle)]
