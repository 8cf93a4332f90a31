import doctest
import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest

import unlearnable

PUBLIC = {
    "COUNTERMEASURES", "METHODS", "Audit", "Budget", "Detection", "ErrorMaximizing",
    "ErrorMinimizing", "ImageSet", "Noise", "Protection", "RandomNoise", "Run", "UnlearnableError",
    "Writing", "apply", "audit", "detect", "import_released", "inspect", "open_images", "protect",
    "remove",
}  # fmt: skip
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(unlearnable.__path__, "unlearnable.")
    if not module.name.endswith("__main__")
)
ROOT = Path(__file__).parent.parent


def test_the_public_names_are_these():
    assert set(unlearnable.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(unlearnable, name) is not None
    assert set(dir(unlearnable)) >= PUBLIC


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nosuch"):
        _ = unlearnable.nosuch


@pytest.mark.parametrize("name", MODULES)
def test_every_example_runs(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_no_file_is_longer_than_four_hundred_lines(name):
    source = Path(importlib.import_module(name).__file__).read_text()
    assert len(source.splitlines()) <= 400


def test_every_room_has_its_place_in_the_import_contract():
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = " ".join(contract["contracts"][0]["layers"]).replace("|", " ").split()
    rooms = {name.split(".")[1] for name in MODULES}
    assert rooms == set(layers)
