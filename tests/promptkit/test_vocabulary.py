"""Names that are no classes of the data set."""

import pytest
import torch

from promptkit.encoders.text_encoder import encode_prompts
from promptkit.prompts.context import ContextPrompts
from promptkit.prompts.vocabulary import VocabularyPrompts, read_vocabulary

KEY = "TRAINER.E2MIM.VOCABULARY.FILE"


def test_names_of_the_data_set_repeats_and_blanks_are_left_out(tmp_path, capsys):
    path = tmp_path / "names.txt"
    path.write_text("cat\n\nRed Star\nold_house\ncat\n  dog \nring\n")
    names = read_vocabulary(str(path), ["red_star", "Ring"], key=KEY)
    assert names == ["cat", "old house", "dog"]
    assert "Vocabulary: 3 names; 2 more are classes here" in capsys.readouterr().out


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{KEY}: there is no file .*absent.txt"):
        read_vocabulary(str(tmp_path / "absent.txt"), [], key=KEY)
    (tmp_path / "one.txt").write_text("ring\nstar\n")
    with pytest.raises(ValueError, match="must have two names that are no classes here"):
        read_vocabulary(str(tmp_path / "one.txt"), ["star"], key=KEY)


def test_drawn_names_have_the_learners_context(tiny_clip):
    names = ["cat", "old house", "dog", "bicycle wheel"]
    learner = ContextPrompts(tiny_clip, ["ring", "star"], num_context=3)
    words = VocabularyPrompts(tiny_clip, names, learner.ctx, 3)
    words.draw(torch.Generator().manual_seed(2))
    assert len(set(words.rows.tolist())) == 3
    slow = ContextPrompts(tiny_clip, [names[row] for row in words.rows], num_context=3)
    slow.load_state_dict(learner.state_dict())
    found, expected = (encode_prompts(tiny_clip, p()) for p in (words, slow))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(learner.ctx.grad, slow.ctx.grad, rtol=1e-4, atol=1e-5)
