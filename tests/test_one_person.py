"""One person's photos as one class among those of a background."""

import pytest
from PIL import Image

from unlearnable import ErrorMinimizing, RandomNoise, apply, audit, protect
from unlearnable.data.files import decode
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError, SourceError
from unlearnable.keys import Key
from unlearnable.methods import name_of, usual_method
from unlearnable.noise import Budget


@pytest.fixture
def mine(tmp_path):
    """A flat folder of photos of sizes of their own, with one in a folder below."""
    star = shapes(60).only("star")
    for number, name in enumerate(("a", "b", "holidays/c", "d")):
        path = tmp_path / "me" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(star.images[number]).resize((50 + number, 40), 3).save(path, quality=95)
    return tmp_path / "me"


@pytest.fixture
def others(tmp_path):
    """A background: a folder of three classes."""
    made = shapes(60)
    for row, origin in enumerate(made.origins):
        if made.labels[row] < 3:
            path = tmp_path / "others" / f"{origin.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(made.images[row]).save(path)
    return tmp_path / "others"


def test_my_photos_alone_are_written_at_their_own_sizes_and_names(mine, others, tmp_path):
    done = protect(mine, tmp_path / "out", method="random", named="anna", background=others)
    files = {p.relative_to(done.destination).as_posix() for p in done.destination.rglob("*.*")}
    assert files == {"a.png", "b.png", "holidays/c.png", "d.png"}
    assert [file["change"] for file in done.manifest["files"]] == [8] * 4
    assert decode(done.destination / "d.png").pixels.shape == (40, 53, 3)
    assert done.manifest["protected"] == 4 < done.manifest["images"]
    assert done.manifest["classes"][-1] == "anna"


def test_what_is_found_is_a_key_for_me_and_for_nobody_else(mine, others, tmp_path):
    search = ErrorMinimizing(
        form="class-wise", surrogate="resnet18:4", batches=2, batch_size=32, rounds=2, threads=1
    )
    done = protect(mine, tmp_path / "out", method=search, seed=1, named="anna", background=others)
    assert list(Key.open(done.private).classes) == ["anna"]
    assert not done.noise.values[:-1].any() and done.noise.values[-1].any()
    applied = apply(done.private, [mine / "a.jpg"], tmp_path / "more")
    assert [file.change for file in applied.files] == [done.manifest["files"][0]["change"]]


def test_a_background_that_is_too_different_is_refused_before_anything_is_written(others, tmp_path):
    for number in range(12):
        path = tmp_path / "me" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32), (255, 0, number)).save(path)
    search = ErrorMinimizing(
        form="class-wise",
        surrogate="resnet18:4",
        batches=150,
        batch_size=32,
        rounds=1,
        threads=1,
        sweep_batch=64,
    )
    with pytest.raises(SourceError, match="tells anna from the background, noise or none"):
        protect(tmp_path / "me", tmp_path / "out", method=search, named="anna", background=others)
    assert not (tmp_path / "out").exists()


LITTLE = {"surrogate": "resnet18:4", "surrogates": "2", "epochs": "1", "threads": "1"}


def test_what_is_usual_for_a_key_leads_my_photos_away_from_what_they_show(mine, others, tmp_path):
    usual = usual_method(named=True, settings={**LITTLE, "batches": "40"})
    assert name_of(usual) == "tap" and usual.away and usual.form == "class-wise"
    places = {"named": "anna", "background": others, "budget": Budget("linf", 16)}
    done = protect(mine, tmp_path / "out", method=usual, **places, seed=1)
    assert list(Key.open(done.private).classes) == ["anna"]
    before, after = done.manifest["search"]["loss"]
    assert after > before + 1


def test_photos_that_are_known_in_spite_of_the_noise_are_refused(mine, others, tmp_path):
    usual = usual_method(named=True, settings={**LITTLE, "batches": "100", "steps": "1"})
    faint = Budget("linf", 1)
    with pytest.raises(SourceError, match=r"noise or none.* by --background, or allow more noise"):
        protect(mine, tmp_path / "out", method=usual, budget=faint, named="anna", background=others)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"named": "anna"}, "--as NAME and --background SET go together"),
        ({"background": "others"}, "--as NAME and --background SET go together"),
        ({"named": "disc", "background": "others"}, "has a class of that name already"),
        ({"named": "anna", "background": "others", "rate": 0.5}, "leave out --classes, --rate"),
        (
            {"named": "anna", "background": "others", "method": RandomNoise(form="sample-wise")},
            "leave out .* --form sample-wise",
        ),
    ],
)
def test_what_does_not_go_with_a_key_is_said(mine, others, tmp_path, options, said):
    if "background" in options:
        options = {**options, "background": others}
    with pytest.raises(SettingError, match=said):
        protect(mine, tmp_path / "out", **{"method": "random", **options})
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_of_mine_is_said(others, tmp_path):
    (tmp_path / "me").mkdir()
    with pytest.raises(SourceError, match="holds no images"):
        protect(tmp_path / "me", tmp_path / "out", method="random", named="me", background=others)


def test_the_photos_are_audited_among_the_background(mine, others, tmp_path):
    done = protect(mine, tmp_path / "out", method="random", named="star", background=others)
    made = shapes(200)
    for row, origin in enumerate(made.origins):
        if made.classes[made.labels[row]] in ("star", *(p.name for p in others.iterdir())):
            path = tmp_path / "test" / f"{origin.name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(made.images[row][::-1]).save(path)
    places = {"clean": mine, "test": tmp_path / "test", "out": tmp_path / "run", "size": 32}
    with pytest.raises(SettingError, match=r"holds photos of star alone: .* by --background"):
        audit(done.destination, **places)
    found = audit(
        done.destination,
        **places,
        background=others,
        arms=("clean", "protected"),
        countermeasures=(),
        models=("resnet18:4",),
    )
    assert [row["arm"] for row in found.rows] == ["clean", "protected"]
    assert "partial" in {doubt.about for doubt in found.doubts}, "accuracy is about my photos alone"


def test_a_background_is_refused_where_every_class_was_protected(others, tmp_path):
    protect(others, tmp_path / "out", method="random")
    with pytest.raises(SettingError, match="--background is for a folder of `protect --as`"):
        audit(tmp_path / "out", clean=others, test=others, out=tmp_path / "run", background=others)
