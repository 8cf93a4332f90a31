"""The claim of the README on real images: minutes of computing, run by hand."""

import os
import shutil
from pathlib import Path

import pytest

from unlearnable import audit, protect

DATA = Path(os.environ.get("UNLEARNABLE_TEST_DATA", "")) / "cifar10"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "train").is_dir(), reason="UNLEARNABLE_TEST_DATA has no cifar10/train"
    ),
]


@pytest.fixture(scope="module")
def subset(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("subset")
    for folder in (DATA / "train").iterdir():
        (place / folder.name).mkdir()
        for file in sorted(folder.iterdir())[:1000]:
            shutil.copy(file, place / folder.name)
    return place


@pytest.mark.parametrize(("form", "bound"), [("sample-wise", 0.18), ("class-wise", 0.20)])
def test_a_model_trained_on_protected_images_stays_near_chance(subset, tmp_path, form, bound):
    from unlearnable import ErrorMinimizing

    done = protect(subset, tmp_path / "out", method=ErrorMinimizing(form=form), seed=0)
    assert done.manifest["largest_change"] <= 8
    found = audit(
        tmp_path / "out",
        clean=subset,
        test=DATA / "test",
        out=tmp_path / "run",
        countermeasures=["none"],
    )
    accuracy = {row["arm"]: row["accuracy"] for row in found.rows}
    assert accuracy["clean"] >= 0.70
    assert abs(accuracy["random"] - accuracy["clean"]) <= 0.03
    assert accuracy["protected"] <= bound
