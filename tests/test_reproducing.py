import json
import re
from dataclasses import replace

import numpy as np
import pytest

from unlearnable import reproducing, workshop
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError, SourceError
from unlearnable.experiment import (
    Data,
    Entry,
    Figure,
    Finding,
    NoiseSpec,
    Published,
    Recipe,
    Trial,
)
from unlearnable.provenance import code_hash
from unlearnable.recipes import RECIPES
from unlearnable.recipes.benchmark import Choice
from unlearnable.recipes.scale import Scale
from unlearnable.report.ranking import ranked, ranking
from unlearnable.report.recipe import write_recipe
from unlearnable.reproducing import recipe_of, reproduce, verify
from unlearnable.schedules import SCHEDULES
from unlearnable.workshop import code_of

BRIEF = replace(SCHEDULES["quick"], epochs=1, batch_size=16)
CLEAN = Trial(Data("shapes", 4), "resnet18:2", BRIEF)
NOISY = Trial(CLEAN.data, CLEAN.model, BRIEF, NoiseSpec("random"), "protected")


def tiny(scale):
    entries = (
        Entry("plain", "clean", CLEAN, (0, 1), published=Published(95.0)),
        Entry("plain", "random", NOISY),
        Entry("discs", "clean", CLEAN, classes=("disc",)),
    )
    finding = Finding("It learns.", lambda found: found["plain", "clean"].mean > 2)
    unmeasured = Finding("It is not asked.", lambda found: found["nothing", "here"].mean > 0)
    return Recipe("Tiny", "What it shows.", entries, (finding, unmeasured), ("All of it.",))


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    monkeypatch.setitem(RECIPES, "tiny", tiny)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reproduced")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tiny", tiny)
        reproduce("tiny", out=folder, device="cpu")
    return folder


def test_every_recipe_can_be_read_at_both_scales():
    for recipe in RECIPES.values():
        for name in ("quick", "paper"):
            made = recipe(Scale(name))
            places = [(entry.row, entry.column) for entry in made.entries]
            assert len(set(places)) == len(places), "two entries in one place"
            assert len({trial.id for trial in made.trials()}) == len(list(made.trials()))
            for trial in made.trials():
                code_of(trial)  # its method, settings and countermeasures exist


def test_a_finding_that_lacks_figures_is_not_measured_and_others_may_fail(out):
    done = reproducing.written(tiny(Scale()), "tiny", out)
    assert [verdict for _, verdict in done.findings] == ["does not hold", "not measured"]


def test_the_table_puts_published_and_ours_side_by_side(out):
    text = (out / "tiny.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| plain | clean"))
    assert re.fullmatch(
        r"\| plain \| clean \| 95.0 \[P\] \| [\d.]+ ± [\d.]+ \| 2 \| -[\d.]+ \|", line
    )
    assert "| plain | random | – |" in text and "Not as published: All of it." in text


def test_page_and_picture_stand_alone(out):
    page, picture = (out / "tiny.html").read_text(), (out / "tiny.svg").read_text()
    assert "<title>Tiny</title>" in page and "<svg" in page
    assert not re.search(r'(src|href)="(?!#)', page.replace("xlink:href", "href"))
    assert 'role="img"' in picture and "What it shows." in picture


def test_a_training_is_kept_with_all_that_it_depends_on_and_no_pixel(out):
    cell = json.loads((out / "cells" / f"{NOISY.id}.json").read_text())
    assert cell["command"] == "unlearnable reproduce tiny --scale quick" and cell[
        "code"
    ] == code_of(NOISY)
    assert cell["data"]["images"] == [40, 1000] and len(cell["data"]["train"]) == 64
    assert cell["trial"]["noise"]["method"] == "random" and cell["trial"]["seed"] == 0
    assert {"commit", "versions", "hardware", "accuracy", "recall", "curve"} <= cell.keys()
    assert (out / "work").stat().st_mode & 0o777 == 0o700
    assert (out / "work" / ".gitignore").read_text() == "*\n"


def test_what_is_finished_is_not_run_again_and_needs_no_data(out):
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    reproduce("tiny", out=out, device="cpu", data={"shapes": "/nowhere"})
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()} == before


def test_a_training_whose_code_has_changed_is_run_again(out, tmp_path):
    path = tmp_path / "cells" / f"{NOISY.id}.json"
    path.parent.mkdir()
    stale = json.loads((out / "cells" / path.name).read_text()) | {"code": "other", "accuracy": 2}
    path.write_text(json.dumps(stale))
    done = reproduce("tiny", out=tmp_path, device="cpu")
    assert done.cells[NOISY.id]["accuracy"] <= 1
    assert done.cells[NOISY.id]["code"] == code_of(NOISY)


def test_what_other_code_left_half_done_is_not_taken_up(tmp_path, monkeypatch):
    reproduce("tiny", only=["discs"], out=tmp_path, device="cpu")
    monkeypatch.setattr(workshop, "code_hash", lambda modules: "changed")
    reproduce("tiny", only=["discs"], out=tmp_path, device="cpu")
    trained = [path.parts[-3] for path in tmp_path.glob("work/*/cells/*.json")]
    assert len(trained) == 2 and "bench-changed" in trained


def test_other_images_of_the_same_name_are_refused(out):
    missing = Entry("a", "b", CLEAN, (7,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "tiny", lambda scale: Recipe("T", "", (missing,)))
        with pytest.raises(SettingError, match="other images of shapes"):
            reproduce("tiny", out=out, device="cpu", data={"shapes": shapes(100, seed=3)})


def test_a_row_can_be_run_alone_and_an_unknown_one_lists_the_known(tmp_path):
    done = reproduce("tiny", only=["discs"], out=tmp_path, device="cpu")
    assert list(done.figures) == [("discs", "clean")]
    with pytest.raises(SettingError, match="choose one of plain, discs"):
        reproduce("tiny", only=["disc"], out=tmp_path, device="cpu")


def test_verify_runs_a_training_again_and_notices_a_wrong_record(out, tmp_path):
    found = verify("tiny", out=out, device="cpu", draw=lambda choices: choices[-1])
    assert found.agrees and found.now == found.then
    assert not replace(found, then=found.now + 0.2).agrees
    assert not list((out / "work").glob("verify-*"))
    with pytest.raises(SettingError, match="holds no training"):
        verify("tiny", out=tmp_path, device="cpu")


def test_the_hash_of_code_follows_imports_but_ignores_comments_and_what_changes_no_figure(
    tmp_path, monkeypatch
):
    from unlearnable import provenance

    package = tmp_path / "house"
    package.mkdir()
    (package / "top.py").write_text(
        '"""Says."""\nfrom house.below import f\nfrom house.errors import E\n'
    )
    (package / "errors.py").write_text("E = 1\n")
    below = package / "below.py"
    below.write_text("def f():\n    return 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def found():
        provenance._imports.cache_clear()
        provenance._tree.cache_clear()
        return code_hash(["house.top"])

    before = found()
    below.write_text('def f():\n    """Say one."""\n    return 1  # one\n')
    assert found() == before
    (package / "errors.py").write_text("E = 2\n")
    assert found() == before
    below.write_text("def f():\n    return 2\n")
    assert found() != before


def test_the_hash_of_code_is_that_of_every_python(tmp_path):
    """Python 3.12 writes f-strings with other quotes than 3.11."""
    from unlearnable import provenance

    file = tmp_path / "words.py"
    file.write_text("""said = f"{a['b']!r:>{width}} and 'c'"\n""")
    text = provenance._tree(file)
    assert "f'" not in text and 'f"' not in text
    assert all(part in text for part in ("a['b']", "114", "width", "and 'c'"))
    file.write_text("""said = f"{a['b']!s:>{width}} and 'c'"\n""")
    provenance._tree.cache_clear()
    assert provenance._tree(file) != text


def test_figures_hold_mean_spread_and_chance():
    cells = {
        trial.id: {"classes": ["a", "b"], "recall": [share, 0.5]}
        for trial, share in zip(tiny(Scale()).entries[0].trials, (0.3, 0.5), strict=True)
    }
    recipe = Recipe("T", "", (Entry("a", "b", CLEAN, (0, 1), classes=("a",)),))
    (figure,) = reproducing.measured(recipe, cells).values()
    assert figure == Figure(pytest.approx(0.4), pytest.approx(0.1414, abs=1e-3), 2, 0.5)


def test_sets_are_split_joined_and_protected_with_noise_found_elsewhere(tmp_path, monkeypatch):
    two = shapes(60)
    rows = np.isin(two.labels, (0, 1))
    others = two.images[rows], two.labels[rows], ("bars", "cat")
    ships = shapes(40).images[:12], np.arange(12) % 2, ("ship", "boat")
    data = Data("two", kept=2, plus=(("ships", "ship", 3),))
    noise = NoiseSpec.of(
        "random", {"form": "class-wise"}, classes=("#1",), found_on=Data("shapes", 2)
    )
    trial = Trial(data, "resnet18:2", BRIEF, noise, "protected", verifies=True)
    entries = (
        Entry("bars", "accuracy", trial, classes=("bars",)),
        Entry("all", "area", trial, measure="verification"),
        Entry("pixels", "area", trial, measure="pixels"),
    )
    monkeypatch.setitem(RECIPES, "odd", lambda scale: Recipe("Odd", "", entries, confusions=True))
    sources = {"two": others, "ships": ships}
    done = reproduce("odd", out=tmp_path, device="cpu", data=sources)
    (cell,) = done.cells.values()
    assert cell["classes"] == ["bars", "cat", "ship"]
    assert cell["data"]["images"] == [2 * 4 + 3, 2 * 2 + 6]
    assert 0 <= done.figures["all", "area"].mean <= 1
    assert done.figures["pixels", "area"].mean == cell["pixels"]["area"]
    manifests = [
        json.loads(path.read_text())
        for path in (tmp_path / "work" / "noises").glob("*.private/manifest.json")
    ]
    found, put = sorted(manifests, key=lambda manifest: "protected_classes" in manifest["settings"])
    assert found["settings"]["method"] == "random" and found["source"] == "shapes"
    assert put["search"]["from"]["bars"] == "bars" and put["protected"] == 4
    page = done.page.read_text()
    assert "true positives" in page and "<image" not in page, "its policy shows no bitmap"


def test_a_data_set_that_is_not_there_is_asked_for_by_name(tmp_path):
    with pytest.raises(SourceError, match="--data tinyimagenet100=PATH"):
        reproduce("transfer", out=tmp_path, device="cpu")


def places(choice):
    return [(entry.row, entry.column) for entry in recipe_of("benchmark", "quick", choice).entries]


def test_the_bench_tries_what_is_chosen_beside_clean_images():
    chosen = Choice(("lsp", "em:16"), ("gray",), ("resnet18", "vgg11"))
    rows = {row for row, _ in places(chosen)}
    assert {"clean, vgg11", "lsp, vgg11", "em:16, resnet18"} <= rows
    assert ("lsp, vgg11", "none") in places(chosen) and ("clean, vgg11", "gray") in places(chosen)
    (trial,) = (
        e.trial for e in recipe_of("benchmark", "quick", Choice(("em:16",), ("at:8",))).entries
        if (e.row, e.column) == ("em:16", "at:8")
    )  # fmt: skip
    assert trial.noise.epsilon == 16 and trial.model == "resnet18:16"
    assert (trial.countermeasure, trial.data.per_class) == ("at:8:steps=3", 500)


def test_the_bench_shares_its_trainings_with_the_recipes_of_the_paper():
    bench = {trial.id for trial in recipe_of("benchmark", "quick").trials()}
    assert bench & {trial.id for trial in recipe_of("adversarial", "quick").trials()}
    assert bench & {trial.id for trial in recipe_of("table1", "quick").trials()}


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice(("nosuch",)), "choose one of em"),
        (Choice(("em:much",)), "as a number"),
        (Choice(("em",), ("nosuch",)), "choose one of"),
        (Choice(("em",), (), ("alexnet",)), "choose one of vgg11"),
    ],
)
def test_the_bench_refuses_what_it_does_not_know(choice, says):
    with pytest.raises(SettingError, match=says):
        recipe_of("benchmark", "quick", choice)


def test_other_recipes_have_noises_of_their_own():
    with pytest.raises(SettingError, match="are for `reproduce benchmark`"):
        recipe_of("table1", "quick", Choice(("em",)))


def test_noises_are_ranked_by_the_countermeasure_that_undoes_most(tmp_path):
    entries = tuple(
        Entry(row, column, replace(CLEAN, seed=place * 10 + number))
        for place, row in enumerate(("clean", "weak", "strong", "untried"))
        for number, column in enumerate(("none", "gray"))
    )
    recipe = Recipe("Bench", "About.", entries, ranked=True)
    shares = {
        ("clean", "none"): 0.7, ("clean", "gray"): 0.6,
        ("weak", "none"): 0.1, ("weak", "gray"): 0.5,
        ("strong", "none"): 0.3, ("strong", "gray"): 0.2,
        ("untried", "none"): 0.1,
    }  # fmt: skip
    figures = {place: Figure(share, None, 1, 0.1) for place, share in shares.items()}
    noise = {"budget": {"norm": "l2", "size": 332.6, "masked": False}, "psnr": 32.61}
    hardware = {"device": "cpu", "name": "x", "threads": 1, "precision": "p", "torch": "t"}
    cells = {e.trials[0].id: {"noise": noise, "hardware": hardware} for e in entries}
    found = ranked(recipe, figures, cells)
    assert [one.row for one in found] == ["strong", "weak", "untried"]
    assert found[1].worst == (pytest.approx(0.8), "gray")
    heads, lines = ranking(recipe, figures, cells)
    assert lines[1] == ("strong", "L2 332.6", "32.6", "30.0", "20.0", "0.33", "none")
    assert lines[3][3:] == ("10.0", "–", "0.00", "none") and len(heads) == len(lines[0])
    table, page, picture = write_recipe(recipe, figures, cells, tmp_path, "bench")
    assert "| strong | L2 332.6 |" in table.read_text() and "Recovery:" in table.read_text()
    assert 'aria-label="Ranking"' in page.read_text()
    assert picture.read_text().count(">50</text>") == 1, "a figure in a square"


def test_a_row_is_ranked_by_whichever_seeds_there_are():
    entries = (Entry("clean", "none", CLEAN), Entry("noise", "none", NOISY, (0, 1)))
    figures = {
        ("clean", "none"): Figure(0.7, None, 1, 0.1),
        ("noise", "none"): Figure(0.1, None, 1, 0.1),
    }
    cells = {CLEAN.id: {}, NOISY.seeded(1).id: {}}
    assert [one.row for one in ranked(Recipe("T", "", entries, ranked=True), figures, cells)] == [
        "noise"
    ]
