import sys
from hashlib import md5

import datasets
import numpy as np
import pytest
import scipy.io
from PIL import Image

from unlearnable.data import named
from unlearnable.data.sources import open_images
from unlearnable.errors import DamagedError, MissingExtraError, SourceError


def write_svhn(folder, part="train", **changed):
    """A file in the layout of the published ones, in which the digit 0 is labelled 10."""
    folder.mkdir(exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 11), dtype=np.uint8)
    labels = np.array([10, *range(1, 11)], np.uint8)[:, None]
    content = {"X": images, "y": labels, **changed}
    scipy.io.savemat(folder / f"{part}_32x32.mat", content, do_compression=True)
    return images


@pytest.mark.parametrize("part", ["train", "test"])
def test_svhn_is_read_and_its_ten_is_a_zero(tmp_path, part):
    original = write_svhn(tmp_path, part)
    images = open_images("svhn", split=part, data_dir=tmp_path)
    assert images.images.shape == (11, 32, 32, 3)
    assert np.array_equal(images.images[4], original[:, :, :, 4])
    assert images.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert images.classes == tuple("0123456789")
    assert images.names[0] == "0/00001" and images.names[10] == "0/00002"


def test_svhn_that_is_not_there_says_how_to_get_it(tmp_path):
    write_svhn(tmp_path, "train")
    with pytest.raises(SourceError, match=r"svhn is not in .*--download.*--data-dir"):
        open_images("svhn", split="test", data_dir=tmp_path)


def test_svhn_is_fetched_if_asked_and_checked(tmp_path, monkeypatch, served):
    write_svhn(tmp_path / "there")
    file = tmp_path / "there" / "train_32x32.mat"
    monkeypatch.setattr(named, "SVHN_URL", f"{served}/there/")
    with pytest.raises(SourceError, match=r"svhn cannot be fetched: .*corrupted"):
        open_images("svhn", data_dir=tmp_path / "here", download=True)
    right = md5(file.read_bytes()).hexdigest()
    monkeypatch.setitem(named.SVHN, "train", ("train_32x32.mat", right))
    assert len(open_images("svhn", data_dir=tmp_path / "here", download=True)) == 11
    assert (tmp_path / "here" / "train_32x32.mat").read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"X": np.zeros((32, 32, 3, 5), np.uint8)}, "does not hold the images"),
        ({"X": np.zeros((28, 28, 3, 11), np.uint8)}, "does not hold the images"),
        ({"X": np.zeros((32, 32, 3, 11))}, "does not hold the images"),
        ({"X": np.zeros((32, 32), np.uint8)}, "not a readable file"),
        ({"y": np.full((11, 1), 11)}, "does not hold the labels"),
        ({"y": np.full((11, 1), "a")}, "not a readable file"),
    ],
)
def test_svhn_of_other_content_is_refused(tmp_path, changed, reason):
    write_svhn(tmp_path, **changed)
    with pytest.raises(DamagedError, match=reason):
        open_images("svhn", data_dir=tmp_path)


@pytest.mark.parametrize("kept", [0, 100, 200, 20000])
def test_svhn_cut_short_is_refused(tmp_path, kept):
    write_svhn(tmp_path)
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DamagedError, match=r"train_32x32\.mat is not a readable file of SVHN"):
        open_images("svhn", data_dir=tmp_path)


def test_svhn_without_scipy_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'unlearnable\[svhn\]'"):
        open_images("svhn", data_dir=tmp_path)


def test_imagenet_is_read_in_the_tree_that_torchvision_extracts(tmp_path, pixels):
    for part, numbers in (("train", (18, 36)), ("val", (1,))):
        for wnid in ("n01440764", "n01443537"):
            (tmp_path / part / wnid).mkdir(parents=True)
            for number in numbers:
                name = f"{wnid}_{number}" if part == "train" else f"ILSVRC2012_val_{wnid[-4:]}"
                image = Image.fromarray(pixels(20, 10 + number, 3))
                image.save(tmp_path / part / wnid / f"{name}.JPEG", "JPEG")
    train = open_images("imagenet", data_dir=tmp_path, size=16)
    assert train.names[1] == "train/n01440764/n01440764_36" and len(train) == 4
    assert train.size == (16, 16) and train.classes == ("n01440764", "n01443537")
    val = open_images("imagenet", data_dir=tmp_path, split="test", size=16)
    assert len(val) == 2 and val.names[0] == "val/n01440764/ILSVRC2012_val_0764"


def test_imagenet_is_not_fetched_and_says_where_it_is_looked_for(tmp_path):
    with pytest.raises(SourceError, match="its terms ask for a person"):
        open_images("imagenet", data_dir=tmp_path, download=True)
    with pytest.raises(SourceError, match=r"read from .*/train/WNID/\*\.JPEG .*--data-dir"):
        open_images("imagenet", data_dir=tmp_path)


@pytest.fixture
def hub(tmp_path, monkeypatch, pixels):
    """Write a data set of one or more parts as parquet files, as they lie on the hub."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def write(labels, *parts, column="label", feature=None, sizes=((9, 12),)):
        feature = feature or datasets.ClassLabel(names=["ant", "bee"])
        kinds = datasets.Features({"img": datasets.Image(), column: feature})
        (tmp_path / "set").mkdir()
        for part in parts or ("train",):
            images = [
                Image.fromarray(pixels(*sizes[row % len(sizes)], 3, seed=row))
                for row in range(len(labels))
            ]
            rows = datasets.Dataset.from_dict({"img": images, column: labels}, features=kinds)
            rows.to_parquet(tmp_path / "set" / f"{part}-00000-of-00001.parquet")
        return f"hf:{tmp_path / 'set'}"

    return write


def test_a_folder_of_parquet_files_is_read(hub, pixels):
    source = hub([1, 0, 1])
    images = open_images(source)
    assert images.names == ("bee/00001", "ant/00001", "bee/00002")
    assert images.classes == ("ant", "bee") and images.source == source
    assert np.array_equal(images.images[2], pixels(9, 12, 3, seed=2))


def test_a_part_is_chosen_by_split_or_by_name(hub):
    source = hub([1, 0, 1], "train", "validation")
    assert len(open_images(f"{source}:validation")) == 3
    with pytest.raises(SourceError, match='cannot be opened: Unknown split "test"'):
        open_images(source, split="test")


def test_images_of_mixed_sizes_come_to_one(hub):
    images = open_images(hub([1, 0, 1], sizes=((9, 12), (40, 50))))
    assert images.size == (32, 32) and images.resized


@pytest.mark.parametrize(
    ("labels", "classes"), [([7, 10, 7], ("7", "10")), (["x", "b", "x"], ("b", "x"))]
)
def test_a_plain_column_of_labels_will_do(hub, labels, classes):
    kind = datasets.Value("string" if isinstance(labels[0], str) else "int64")
    images = open_images(hub(labels, feature=kind))
    assert images.classes == classes
    assert [images.classes[label] for label in images.labels] == [str(label) for label in labels]


def test_labels_of_minus_one_are_a_class_where_no_names_say_otherwise(hub):
    assert open_images(hub([-1, 1, 1], feature=datasets.Value("int64"))).classes == ("-1", "1")


@pytest.mark.parametrize("unknown", [-1, None])
def test_images_without_a_label_are_refused(hub, unknown):
    with pytest.raises(SourceError, match="has 2 images without a label"):
        open_images(hub([1, 0, unknown, unknown]))


def test_columns_that_lack_a_label_are_listed(hub):
    with pytest.raises(SourceError, match="has the columns img, kind: it needs one of images"):
        open_images(hub([1, 0], column="kind", feature=datasets.Value("int64")))


def test_an_image_that_is_missing_is_named(hub, tmp_path, monkeypatch):
    source = hub([1, 0, 1])
    kinds = datasets.load_dataset(source[3:], split="train").features
    rows = {"img": [{"bytes": b"text", "path": None}, None, None], "label": [1, 0, 1]}
    file = tmp_path / "set" / "train-00000-of-00001.parquet"
    file.unlink()
    datasets.Dataset.from_dict(rows, features=kinds).to_parquet(file)
    with pytest.raises(SourceError, match=r"^bee/00001 cannot be used: .*not a readable image"):
        open_images(source)
    with pytest.raises(SourceError, match="holds no image"):
        open_images(source, skip_unreadable=True)


def test_what_cannot_be_opened_is_named_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    with pytest.raises(SourceError, match=r"hf:.*nosuch cannot be opened: Couldn't find"):
        open_images(f"hf:{tmp_path / 'nosuch'}")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match="cannot be opened: "):
        open_images(f"hf:{tmp_path / 'set'}")
    with pytest.raises(SourceError, match="hf: names no data set: write hf:NAME"):
        open_images("hf:")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'unlearnable\[hf\]'"):
        open_images("hf:any")
