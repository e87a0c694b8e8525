"""The configuration tree and the errors of filling it."""

import pytest

from dassl.config import (
    clean_cfg,
    get_cfg_default,
    merge_opts,
    merge_tree,
    read_yaml,
)


def merge_file(cfg, path):
    merge_tree(cfg, read_yaml(path), path)


def test_defaults_are_a_copy_with_upstream_values():
    cfg = get_cfg_default()
    cfg.SEED = 5
    cfg.OPTIM.LR = 1.0
    again = get_cfg_default()
    assert (again.SEED, again.OPTIM.LR, again.VERSION, again.USE_CUDA) == (-1, 0.0003, 1, True)
    assert again.OPTIM.SGD_DAMPNING == 0 and again.INPUT.RRCROP_SCALE == (0.08, 1.0)
    assert again.DATALOADER.TRAIN_U.SAME_AS_X is True and again.TEST.FINAL_MODEL == "last_step"
    assert dict(again.TRAINER) == {"NAME": ""}
    groups = {"INPUT": 21 + 1, "DATASET": 11, "DATALOADER": 6, "MODEL": 3, "OPTIM": 21}
    groups |= {"TRAIN": 3, "TEST": 6}
    assert again.INPUT.DRAFT is False  # ours
    assert {name: len(again[name]) for name in groups} == groups


def test_clean_cfg_keeps_one_trainer():
    cfg = get_cfg_default()
    for name in ("COOP", "COCOOP"):
        cfg.TRAINER[name] = get_cfg_default().TRAIN
    clean_cfg(cfg, "CoOp")
    assert set(cfg.TRAINER) == {"NAME", "COOP"}


def write(tmp_path, text):
    path = tmp_path / "trainer.yaml"
    path.write_text(text)
    return str(path)


def test_merge_file_reads_numbers_and_tuples_as_yacs_does(tmp_path):
    text = "OPTIM:\n  LR: 1e-5\n  STEPSIZE: [3, 4]\nINPUT:\n  SIZE: (32, 16)\n"
    merged, plain = get_cfg_default(), get_cfg_default()
    merge_file(merged, write(tmp_path, text))
    plain.merge_from_file(write(tmp_path, text))
    assert merged == plain
    assert (merged.OPTIM.LR, merged.INPUT.SIZE) == (1e-5, (32, 16))
    assert merged.OPTIM.STEPSIZE == (3, 4)
    merge_file(merged, write(tmp_path, ""))  # an empty file changes nothing
    assert merged.OPTIM.LR == 1e-5


def test_unknown_key_in_a_file(tmp_path):
    cfg = get_cfg_default()
    path = write(tmp_path, "OPTIM:\n  LR: 0.5\n  MAX_EPOCHS: 3\n")
    with pytest.raises(KeyError) as error:
        merge_file(cfg, path)
    text = str(error.value)
    assert text.startswith(f'Unknown config key "OPTIM.MAX_EPOCHS" in the file "{path}".')
    assert 'Did you mean "OPTIM.MAX_EPOCH"?' in text and "OPTIM.WARMUP_EPOCH" in text
    assert cfg == get_cfg_default()  # nothing half merged


def test_nearest_key_is_sought_in_the_whole_tree():
    with pytest.raises(KeyError, match='Did you mean "DATALOADER.TRAIN_X.BATCH_SIZE"'):
        merge_opts(get_cfg_default(), ["TRAIN_X.BATCH_SIZE", "3"])
    with pytest.raises(KeyError, match='Did you mean "DATASET.ROOT"'):
        merge_opts(get_cfg_default(), ["dataset.root", "x"])


def test_keys_of_an_unknown_trainer(tmp_path):
    with pytest.raises(KeyError, match='"TRAINER.COOP".*Known here: TRAINER.NAME'):
        merge_file(get_cfg_default(), write(tmp_path, "TRAINER:\n  COOP:\n    N_CTX: 4\n"))
    with pytest.raises(KeyError, match="once that trainer's file is imported"):
        merge_opts(get_cfg_default(), ["TRAINER.COOP.N_CTX", 4])


@pytest.mark.parametrize(
    ("opts", "text"),
    [
        (["OPTIM.LR", "x"], "OPTIM.LR must be float (now 0.0003); got 'x' (str) in the command"),
        (["OPTIM.LR", "True"], "OPTIM.LR must be float (now 0.0003); got True (bool)"),
        (["OPTIM.LR", "1e400"], "OPTIM.LR must be finite; got '1e400'"),
        (["DATASET.ROOT", None], "must be str (now ''); got None (NoneType)"),
        (["DATASET.ROOT", None], "put it in quotes: ''."),
        (["OPTIM.MAX_EPOCH", 1.5], "OPTIM.MAX_EPOCH must be int (now 10); got 1.5 (float)"),
        (["MODEL.INIT_WEIGHTS", True], "must be str (now ''); got True (bool)"),
        (["MODEL.INIT_WEIGHTS", True], "put it in quotes: 'True'"),
        (["USE_CUDA", "no"], "USE_CUDA must be bool (now True); got 'no' (str)"),
        (["OPTIM", "sgd"], "OPTIM must be a group of keys; got 'sgd' (str)"),
        (["SEED.X", 1], 'There is no key "SEED.X": SEED must be int (now -1)'),
    ],
)
def test_wrong_type(opts, text):
    cfg = get_cfg_default()
    with pytest.raises(ValueError) as error:
        merge_opts(cfg, opts)
    assert text in str(error.value)
    assert cfg == get_cfg_default()


def test_whole_numbers_for_floats_and_text_that_spells_something_else(tmp_path):
    """Published recipes write GPA_MEAN: 15; advice to quote a value must work when followed."""
    cfg = get_cfg_default()
    merge_opts(cfg, ["OPTIM.LR", "1", "OPTIM.GAMMA", 2])
    assert [(type(x), x) for x in (cfg.OPTIM.LR, cfg.OPTIM.GAMMA)] == [(float, 1), (float, 2)]
    for text in ("2020", "{}", "(1, 2)", "None", "'a'", "1e3"):
        merge_opts(cfg, ["DATASET.ROOT", text])
        assert cfg.DATASET.ROOT == text
    merge_file(cfg, write(tmp_path, "DATASET:\n  ROOT: '2024'\n  NAME: \"{}\"\n"))
    assert (cfg.DATASET.ROOT, cfg.DATASET.NAME) == ("2024", "{}")


def test_a_tree_may_be_changed_between_reading_and_merging(tmp_path):
    cfg = get_cfg_default()
    path = write(tmp_path, "OPTIM:\n  MAX_EPOCHS: 3\n")
    tree = read_yaml(path)
    merge_tree(cfg, {"OPTIM": {"MAX_EPOCH": tree["OPTIM"]["MAX_EPOCHS"]}}, path)
    assert cfg.OPTIM.MAX_EPOCH == 3
    with pytest.raises(KeyError, match='MAX_EPOCHS" in the file ".*trainer.yaml"'):
        merge_tree(cfg, tree, path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_in_a_file(tmp_path, encoding):
    path = tmp_path / "marked.yaml"
    path.write_text("DATASET:\n  NAME: caf\u00e9\n", encoding=encoding)
    cfg = get_cfg_default()
    merge_file(cfg, str(path))
    assert cfg.DATASET.NAME == "caf\u00e9"
    path.write_bytes("DATASET:\n  NAME: \u4e2d\n".encode("gbk"))
    with pytest.raises(ValueError, match=r"marked.yaml. is not valid YAML"):
        merge_file(cfg, str(path))


def test_wrong_type_in_a_file_names_the_file(tmp_path):
    path = write(tmp_path, "INPUT:\n  SIZE: 224\n")
    with pytest.raises(ValueError) as error:
        merge_file(get_cfg_default(), path)
    assert f'INPUT.SIZE must be tuple (now (224, 224)); got 224 (int) in the file "{path}"' in str(
        error.value
    )


def test_merge_opts():
    cfg = get_cfg_default()
    merge_opts(cfg, ["OPTIM.LR", "1e-2", "INPUT.SIZE", "[8, 8]", "DATASET.NAME", "DTD", "SEED", 0])
    assert (cfg.OPTIM.LR, cfg.INPUT.SIZE, cfg.DATASET.NAME, cfg.SEED) == (0.01, (8, 8), "DTD", 0)
    merge_opts(cfg, [])
    with pytest.raises(ValueError, match='pairs KEY VALUE; got 3 items.*"OPTIM.LR", has no value'):
        merge_opts(cfg, ["SEED", "3", "OPTIM.LR"])
    assert cfg.SEED == 0


def test_files_that_are_no_configuration(tmp_path):
    with pytest.raises(FileNotFoundError, match='Config file ".*gone.yaml" not found'):
        merge_file(get_cfg_default(), str(tmp_path / "gone.yaml"))
    with pytest.raises(ValueError, match="trainer.yaml. is not valid YAML"):
        merge_file(get_cfg_default(), write(tmp_path, "OPTIM: [1,\n"))
    with pytest.raises(ValueError, match="must hold KEY: VALUE pairs; got a list"):
        merge_file(get_cfg_default(), write(tmp_path, "- 1\n"))
    for text, kind in (
        ("version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        ("<!DOCTYPE html><html>", "an HTML page"),
        ("OPTIM", "a text file"),
    ):
        with pytest.raises(ValueError, match=f"must hold KEY: VALUE pairs; got {kind}"):
            merge_file(get_cfg_default(), write(tmp_path, text))
    with pytest.raises(ValueError, match="got a group of keys in .* put it in quotes: '{}'"):
        merge_file(get_cfg_default(), write(tmp_path, "DATASET:\n  NAME: {}\n"))
    with pytest.raises(ValueError, match="of no known type"):
        merge_file(get_cfg_default(), write(tmp_path, "SEED: 2020-01-01\n"))
