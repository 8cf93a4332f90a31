import json
from dataclasses import replace

import numpy as np
import pytest

from unlearnable import audit, open_images, protect
from unlearnable.arms import make_arms, with_random_noise
from unlearnable.countermeasures import make_countermeasure
from unlearnable.countermeasures.gray import Gray
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError, SourceError
from unlearnable.noise import Budget
from unlearnable.pairing import paired
from unlearnable.runtime import Run

NAMES = ("none", "gray", "early-stopping")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("audit")
    train, test = shapes(40), shapes(30, split="test")
    protect(train, place / "out", method="random", seed=0)
    found = audit(
        place / "out",
        clean=train,
        test=test,
        out=place / "run",
        countermeasures=["none"],
        models=["resnet18:4"],
        seeds=[0, 1],
        device="cpu",
    )
    return place, train, test, found


def again(place, train, test, **options):
    usual = {"countermeasures": ["none"], "models": ["resnet18:4"], "seeds": [0, 1]}
    options = {**usual, "device": "cpu", **options}
    return audit(place / "out", clean=train, test=test, out=place / "run", **options)


def test_every_cell_is_a_file_and_a_line_of_the_results(run):
    place, _, test, _ = run
    leaks = json.loads((place / "run/audit.json").read_text())["leaks"]
    lines = [json.loads(line) for line in (place / "run/results.jsonl").read_text().splitlines()]
    assert len(lines) == 6 == len(list((place / "run/cells").glob("*.json")))
    for line in lines:
        cell = json.loads((place / "run/cells" / f"{line['id']}.json").read_text())
        assert cell["accuracy"] == line["accuracy"] == cell["curve"][-1]["accuracy"]
        assert cell["peak_accuracy"] == max(point["accuracy"] for point in cell["curve"])
        assert np.sum(cell["confusion"]) == len(test) - len(leaks)
        assert line["countermeasure"] == "none" and line["chance"] == 0.1
        hits = np.diag(cell["confusion"]) / np.sum(cell["confusion"], axis=1)
        assert hits == pytest.approx(cell["recall"]) and hits.mean() == pytest.approx(
            line["accuracy"]
        )


def test_rows_state_mean_spread_and_n_and_the_clean_arm_is_the_measure(run):
    rows = {row["arm"]: row for row in run[3].rows}
    assert set(rows) == {"clean", "protected", "random"}
    assert rows["clean"]["learnability"] in (1.0, None)
    assert rows["protected"]["n"] == 2
    assert rows["protected"]["spread"] is not None


def test_finished_cells_are_not_run_again(run):
    place, train, test, found = run
    times = {path: path.stat().st_mtime_ns for path in (place / "run/cells").glob("*.json")}
    assert again(place, train, test).rows == found.rows
    assert times == {path: path.stat().st_mtime_ns for path in (place / "run/cells").glob("*.json")}


def test_changed_data_or_settings_are_other_cells(run):
    place, train, test, _ = run
    before = {path.name for path in (place / "run/cells").glob("*.json")}
    darker = replace(test, images=test.images // 2)
    again(place, train, darker, arms=["clean"], seeds=[0])
    again(place, train, test, arms=["clean"], seeds=[7])
    after = {path.name for path in (place / "run/cells").glob("*.json")}
    assert len(after - before) == 2


def test_a_cell_that_another_process_runs_is_left_to_it(run):
    from unlearnable.cells import Bench
    from unlearnable.schedules import SCHEDULES
    from unlearnable.storage import locked

    place, train, test, _ = run
    bench = Bench(
        train,
        train,
        test,
        budget=Budget(),
        schedule=SCHEDULES["quick"],
        run=Run.start("cpu"),
        out=place / "shared",
    )
    cell = bench.cell(*make_arms(["clean"]), make_countermeasure("none"), "resnet18:4", 3)
    state = place / "shared" / "state" / cell.id
    state.mkdir(parents=True)
    with locked(state):
        assert bench.work([cell]) == 1
    assert not bench.path(cell).exists()


def test_helpers_run_the_cells_that_this_process_does_not(run, monkeypatch):
    place, train, test, _ = run
    calls = []

    def work(bench, cells):
        calls.append([bench.path(cell).exists() for cell in cells])
        return 0

    monkeypatch.setattr("unlearnable.cells.Bench.work", work)  # here, and not in the helper
    found = again(place, train, test, arms=["clean", "protected"], seeds=[11], jobs=2)
    assert calls == [[False, False], [True, True]]
    assert [row["n"] for row in found.rows] == [1, 1] and found.elsewhere == 0
    with pytest.raises(SettingError, match="jobs=0: there must be at least one"):
        again(place, train, test, jobs=0)


def test_it_trains_on_the_files_as_they_lie_on_the_disk(run):
    place, train, _, _ = run
    published = paired(open_images(place / "out"), train)
    assert published.names == train.names
    change = published.images.astype(int) - train.images
    assert 0 < np.abs(change).max() <= 8


def test_random_noise_of_equal_budget_differs_by_seed_and_keeps_it():
    images = shapes(20)
    first, second = (
        with_random_noise(images, Budget("linf", 5), Run.start("cpu", seed=s)) for s in (0, 1)
    )
    assert not np.array_equal(first.images, second.images)
    assert np.abs(first.images.astype(int) - images.images).max() == 5


def test_what_does_not_belong_together_is_refused(run, tmp_path):
    place, train, test, _ = run
    with pytest.raises(SourceError, match="do not hold the same images"):
        again(place, train.take(np.arange(30)), test)
    renamed = replace(test, classes=("zebra", *test.classes[1:]))
    with pytest.raises(SourceError, match="has the class zebra"):
        again(place, train, renamed)
    with pytest.raises(SettingError, match="unknown arm 'bogus': choose one of clean"):
        again(place, train, test, arms=["bogus"])
    with pytest.raises(SettingError, match="unknown model 'nosuch'"):
        again(place, train, test, models=["nosuch"])


def test_countermeasures_are_tried_on_both_arms_and_prepared_once(run, monkeypatch):
    place, train, test, _ = run
    prepared = []
    prepare = Gray.prepare

    def counted(self, images, *, run):
        prepared.append(len(images))
        return prepare(self, images, run=run)

    monkeypatch.setattr(Gray, "prepare", counted)
    found = again(place, train, test, countermeasures=["gray", "early-stopping"], seeds=[0, 1])
    tried = [(row["arm"], row["countermeasure"]) for row in found.rows]
    assert set(tried) == {
        *((arm, name) for arm in ("clean", "protected") for name in NAMES),
        ("random", "none"),
    }
    assert prepared == [40, 40]  # once an arm, and not for each seed
    again(place, train, test, countermeasures=["gray", "early-stopping"], seeds=[0, 1])
    assert prepared == [40, 40]


def test_rows_say_how_much_of_the_noise_a_countermeasure_leaves(run):
    place, train, test, _ = run
    found = again(place, train, test, countermeasures=["gray", "early-stopping"], seeds=[0, 1])
    left = {row["countermeasure"]: row["survived"] for row in found.rows if row["survived"]}
    assert all(row["arm"] == "protected" for row in found.rows if row["survived"])
    noise = paired(open_images(place / "out"), train).images.astype(float) - train.images
    luma = np.broadcast_to((noise @ [0.299, 0.587, 0.114])[..., None], noise.shape)
    expected = (luma * noise).sum() / (noise * noise).sum()
    assert left == {"gray": pytest.approx(expected, abs=0.01)}
    table = (place / "run/table.md").read_text()
    assert f"Of the noise itself is left: {100 * expected:.0f} % after gray." in table


def test_early_stopping_counts_the_epoch_that_held_out_images_choose(run):
    place, train, test, _ = run
    again(place, train, test, countermeasures=["gray", "early-stopping"], seeds=[0, 1])
    cells = [json.loads(path.read_text()) for path in (place / "run/cells").glob("*.json")]
    stopped = [cell for cell in cells if cell["countermeasure"] == "early-stopping"]
    assert len(stopped) == 4
    for cell in stopped:
        heldout = [point["heldout"] for point in cell["curve"]]
        assert cell["epoch"] == 1 + heldout.index(max(heldout))
        assert cell["accuracy"] == cell["curve"][cell["epoch"] - 1]["accuracy"]


def test_a_mix_is_compared_with_its_clean_part_at_equal_steps(run):
    place, train, test, _ = run
    found = again(place, train, test, arms=["clean", "mix:0.5"], seeds=[0])
    epochs = {row["arm"]: row["epochs"] for row in found.rows}
    assert epochs == {"clean": 15, "mix:0.5": 15, "part:0.5": 30}
    assert [row["own_schedule"] for row in found.rows] == [False, False, True]


def test_a_report_lies_beside_the_cells_and_is_private(run):
    place, *_ = run
    for name in ("report.html", "audit.json", "samples.npz"):
        assert (place / "run" / name).stat().st_mode & 0o077 == 0
    assert (place / "run").stat().st_mode & 0o077 == 0
    record = json.loads((place / "run/audit.json").read_text())
    assert record["verdict"]["decided"] is False  # three test images a class
    assert "has 3 test images" in record["verdict"]["words"][0]
