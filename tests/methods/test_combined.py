import json

import numpy as np
import pytest

from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.methods import make_method, name_of
from unlearnable.noise import Budget
from unlearnable.protecting import protect

QUICK = {"em.surrogate": "resnet18:4", "em.rounds": "2", "em.batches": "2"}


def test_each_part_keeps_its_own_budget_and_the_manifest_says_so(tmp_path):
    images = shapes(60)
    done = protect(images, tmp_path / "out", method=make_method("ops+em", QUICK), seed=0)
    parts = done.manifest["search"]["parts"]
    assert [part["method"] for part in parts] == ["ops", "em"]
    assert [part["budget"]["norm"] for part in parts] == ["l0", "linf"]
    assert done.manifest["settings"]["method"] == "ops+em"
    changes = np.abs(np.asarray(done.noise.values)).max(1).reshape(60, -1)
    assert ((changes > 8).sum(1) == 1).all(), "one pixel beyond the other's bound"
    for row, (y, x, *colour) in enumerate(parts[0]["pixels"][label] for label in images.labels):
        assert (done.noise.add_to(images.images[row], row)[y, x] == colour).all()
    assert (
        json.loads((tmp_path / "out.private" / "manifest.json").read_text())["state"] == "complete"
    )


def test_a_part_is_what_it_is_alone(tmp_path):
    images = shapes(60)
    whole = protect(images, tmp_path / "a", method=make_method("ops+em", QUICK), seed=0)
    plain = {key.partition(".")[2]: value for key, value in QUICK.items()}
    alone = protect(images, tmp_path / "b", method=make_method("em", plain), seed=0)
    both, em = np.asarray(whole.noise.values), np.asarray(alone.noise.values)
    same = (both == em).all(1).reshape(60, -1)
    assert (same.sum(1) >= 32 * 32 - 1).all()


def test_settings_go_to_the_part_that_they_name_or_to_all_that_have_them():
    method = make_method("lsp+em", {"form": "class-wise", "em.epsilon": "4", "lsp.side": "4"})
    assert [part.form for part in method.parts] == ["class-wise"] * 2
    assert method.budgets == (Budget("l2", 332.6), Budget("linf", 4))
    assert method.parts[0].side == 4 and name_of(method) == "lsp+em"


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("ops+nosuch", {}, "unknown method 'nosuch'"),
        ("em+em", {}, "once"),
        ("ops+em", {"tap.steps": "3"}, "part"),
        ("ops+em", {"nosuch": "3"}, "setting"),
        ("ops+em", {"em.epsilon": "much"}, "not a number"),
        ("ops+em", {"em.form": "class-wise"}, "one form"),
    ],
)
def test_what_cannot_be_put_together_is_refused(name, settings, says):
    with pytest.raises(SettingError, match=says):
        make_method(name, settings)
