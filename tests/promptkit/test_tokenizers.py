"""Tokenizers of transformers, as open_clip wraps them, behind ours; trained on a few sentences."""

import pytest

from promptkit.backbones.open_clip_model import tokenizer_of

SENTENCES = ["a photo of a Cat.", "an annual crop-land with a t-shirt", "Boeing 737-800"]


@pytest.fixture
def saved(tmp_path):
    """Trains and saves a tokenizer; gives open_clip's wrapper of it."""
    open_clip = pytest.importorskip("open_clip", reason="open_clip_torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")

    def save(kind: str):
        corpus = [*SENTENCES, "x x x x a the of and", *"abcdefghijklmnopqrstuvwxyz0123456789"]
        corpus = [open_clip.tokenizer.canonicalize_text(text) for text in corpus * 3]
        template = tokenizers.processors.TemplateProcessing
        if kind == "SigLIP":
            inner = tokenizers.Tokenizer(tokenizers.models.Unigram())
            inner.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
            trainer = tokenizers.trainers.UnigramTrainer(
                vocab_size=120, special_tokens=["<unk>", "</s>"], unk_token="<unk>"
            )
            inner.train_from_iterator(corpus, trainer)
            inner.post_processor = template(single="$A </s>", special_tokens=[("</s>", 1)])
            names, more = {"eos_token": "</s>", "pad_token": "</s>"}, {"clean": "canonicalize"}
        else:
            inner = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
            inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
            special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
            trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=200, special_tokens=special)
            inner.train_from_iterator(corpus, trainer)
            inner.post_processor = template(
                single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
            )
            names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
            more = {"clean": "lower", "strip_sep_token": True}
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **names)
        fast.save_pretrained(tmp_path)
        return open_clip.tokenizer.HFTokenizer(str(tmp_path), context_length=40, **more)

    return save


@pytest.mark.parametrize(
    ("kind", "start", "end", "pad"), [("SigLIP", (), 1, 1), ("CLIPA", (1,), 0, 0)]
)
def test_ids_are_open_clips(saved, kind, start, end, pad):
    theirs = saved(kind)
    ours = tokenizer_of(theirs)
    assert (ours.start, ours.end, ours.pad, ours.context_length) == (start, end, pad, 40)
    ids = ours(SENTENCES)
    assert ids.tolist() == theirs(SENTENCES).tolist()
    ends = ours.ends(ids)
    assert ends.tolist() == [len(start) + ours.count(sentence) for sentence in SENTENCES]
    outline = ours.outline(ends)
    assert ((outline == end) == (ids == end)).all() and ((outline == pad) == (ids == pad)).all()
    words = ours.placeholder(4)
    assert ours.count(words) == 4
    for sentence in SENTENCES:  # what stands behind the placeholder is all the rest
        assert ours.encode(f"{words} {sentence}")[:4] == ours.encode(words)


def test_open_clips_own_is_openais(saved):
    open_clip = pytest.importorskip("open_clip", reason="open_clip_torch is not installed")
    from promptkit.backbones.tokens import CLIP_TOKENIZER

    ours = tokenizer_of(open_clip.SimpleTokenizer())
    assert (ours.start, ours.end, ours.pad) == ((49406,), 49407, 0)
    assert ours(SENTENCES).tolist() == CLIP_TOKENIZER(SENTENCES).tolist()
    assert [ours.decode(id_) for id_ in ours.encode("a cat")] == ["a</w>", "cat</w>"]
