"""Names that are no classes of the data set."""

import pytest
import torch

import train
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


def test_its_names_are_part_of_what_makes_a_run_the_same(tiny_argv, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("zebra\nlion\n")
    argv = tiny_argv("E2MIM", "TRAINER.E2MIM.VOCABULARY.FILE", names, "OPTIM.MAX_EPOCH", 1)
    assert train.main(argv) == 0
    names.write_text("zebra\nlion\ntiger\n")
    assert train.main(argv) == 1
    assert "vocabulary_sha256" in capsys.readouterr().err
