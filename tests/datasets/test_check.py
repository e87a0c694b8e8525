"""What `python -m datasets.check` says of whole, incomplete and missing data sets."""

import os

import pytest
from PIL import Image

from dassl.data.datasets import DATASET_REGISTRY
from datasets.check import check, main
from datasets.sources import SOURCES
from datasets.split_file import PUBLISHED, read_entries


@pytest.fixture
def dtd(tmp_path):
    """DTD, whole: small pictures at its paths."""
    picture = tmp_path / "picture.jpg"
    Image.new("RGB", (4, 4), (200, 30, 60)).save(picture)
    split = read_entries(os.path.join(PUBLISHED, "split_zhou_DescribableTextures.json.gz"))
    for part in split.values():
        for image, *_ in part:
            path = tmp_path / "dtd/images" / image
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(picture, path)
    return tmp_path


def test_whole_incomplete_missing(dtd, capsys):
    assert check("dtd", str(dtd)).state == "found"
    assert main([str(dtd), "DescribableTextures"]) == 0
    assert "found" in capsys.readouterr().out

    images = sorted((dtd / "dtd/images/banded").iterdir())
    for path in images[:5]:
        path.unlink()
    finding = check("dtd", str(dtd))
    assert finding.state == "incomplete" and sum(finding.images) == 5640 - 5
    assert finding.remarks[0].startswith(f"5 missing in {dtd}/dtd/images: banded/")
    assert finding.remarks[0].endswith(" and 2 more")

    assert main([str(dtd), "dtd", "eurosat"]) == 1
    out = capsys.readouterr().out
    get = f"or get it: python -m datasets.fetch eurosat --root {dtd}\n"
    assert f"eurosat: no folder {dtd}/eurosat. Set" in out and get in out and "of 2,820" in out
    assert SOURCES["eurosat"].page in out


def test_deep_opens_each_image(dtd):
    broken = dtd / "dtd/images/banded/banded_0133.jpg"
    content = broken.read_bytes()
    broken.unlink()  # it is one file with all others
    broken.write_bytes(content[:100])
    finding = check("dtd", str(dtd))
    assert (finding.state, finding.notes) == ("found", ())
    finding = check("dtd", str(dtd), deep=True)
    # All but one are the same file.
    assert finding.notes[0].startswith("images of test that are copies of images of train: 1,692 (")
    assert finding.state == "incomplete" and sum(finding.images) == 5639
    assert (
        "1 unreadable in" in finding.remarks[0] and "banded/banded_0133.jpg" in finding.remarks[0]
    )


def test_a_set_in_folders_is_counted(dtd):
    for name in ("n01440764", "n01443537"):
        path = dtd / "imagenet-adversarial/imagenet-a" / name / "x.jpg"
        path.parent.mkdir(parents=True)
        os.link(dtd / "picture.jpg", path)
    finding = check("imagenet_a", str(dtd))
    assert (finding.state, finding.classes, finding.images) == ("incomplete", 2, (0, 0, 2))
    assert finding.remarks == (
        "2 classes where 200 are expected",
        "2 images of test where 7,500 are expected",
    )


def test_a_set_without_its_lists_is_incomplete(dtd):
    (dtd / "fgvc_aircraft").mkdir()
    finding = check("fgvc_aircraft", str(dtd))
    assert finding.state == "incomplete" and "variants.txt" in finding.remarks[0]


def test_every_source_is_a_registered_data_set_with_a_yaml():
    from pathlib import Path

    import train

    configs = Path(train.__file__).parent / "configs/datasets"
    for name, source in SOURCES.items():
        assert source.registered in DATASET_REGISTRY.registered_names()
        assert f"NAME: {source.registered}\n" in (configs / f"{name}.yaml").read_text()
