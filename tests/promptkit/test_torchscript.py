"""The tensors of a TorchScript archive are those that torch reads, and nothing in it is run."""

import pickle
import re
import shutil
import warnings
import zipfile

import pytest
import torch
from torch import nn

from promptkit.backbones.torchscript import read_tensors
from promptkit.backbones.weights_file import read_weights

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Layered(nn.Module):
    """Half precision, a tied weight and a turned one, a scalar, nothing, two Linear classes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2).half()
        self.layers = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        self.tied = self.layers[0].weight
        self.turned = nn.Parameter(torch.randn(4, 5).t()[1:])
        self.register_buffer("size", torch.tensor(77))
        self.register_buffer("empty", torch.zeros(0, 3))
        self.register_buffer("unsaved", torch.ones(2), persistent=False)
        self.no_weight = torch.ones(3)

    def forward(self, images):
        return self.layers(self.first(images.half()).float()) + self.no_weight.sum() + self.size


@pytest.fixture(scope="module", params=["trace", "script"])
def archive(request, tmp_path_factory):
    """Path of an archive."""
    path = str(tmp_path_factory.mktemp("archive") / "model.pt")
    model = Layered().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, its files are not gone
        traced = request.param == "trace"
        made = torch.jit.trace(model, torch.ones(2, 3)) if traced else torch.jit.script(model)
        made.save(path)
    return path


def changed(archive: str, target, *, ends: str, content: bytes) -> str:
    """A copy of an archive in which the members with such an end hold something else."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            copy.writestr(name, content if name.endswith(ends) else source.read(name))
    return str(target)


def test_the_tensors_are_those_of_torch(archive):
    expected = torch.jit.load(archive).state_dict()
    found = read_tensors(archive)
    assert found.keys() == expected.keys() and len(found) > 8
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and found[name].stride() == value.stride(), name
        assert torch.equal(found[name], value), name


def test_the_code_is_not_compiled(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        name = next(name for name in file.namelist() if re.search(r"/code/.*\.py$", name))
        code = file.read(name) + b"\n  def broken(self): this is no code"
    path = changed(archive, tmp_path / "x.pt", ends=name, content=code)
    with pytest.raises(RuntimeError):
        torch.jit.load(path)
    assert read_tensors(path).keys() == read_tensors(archive).keys()


class Attack:
    def __reduce__(self):
        return shutil.rmtree, ("never",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps(Attack(), 2), "asks for the Python object shutil.rmtree"),
        (pickle.dumps({"a": 1}, 2), "UnpicklingError"),
        (b"\x80\x02cbuiltins\neval\n.", "asks for the Python object builtins.eval"),
        (b"\x80\x02", "cut short, damaged"),
    ],
)
def test_other_objects_are_refused(archive, tmp_path, content, said):
    path = changed(archive, tmp_path / "x.pt", ends="/data.pkl", content=content)
    with pytest.raises(ValueError, match=said):
        read_weights(path)


def test_storages_of_another_size_are_refused(archive, tmp_path):
    path = changed(archive, tmp_path / "x.pt", ends="/data/0", content=b"1234567")
    with pytest.raises(pickle.UnpicklingError, match="the storage 0 is not of"):
        read_tensors(path)
    path = changed(archive, tmp_path / "y.pt", ends="/byteorder", content=b"big")
    with pytest.raises(pickle.UnpicklingError, match="big-endian"):
        read_tensors(path)
