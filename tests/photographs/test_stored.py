"""Features that others have computed, in the forms in which they are passed on."""

from __future__ import annotations

import base64
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from squares import Corpus

from gegcore.data.features import write_features
from gegcore.data.relations import spatial_relations
from gegcore.errors import ConfigError, DataError
from gegcore.materials import Materials
from gegcore.profiles import Profile
from photographs.feature_files import open_features
from photographs.stored import StoredFeatures

IDS = range(24, 33)
"""Of the split val."""

WIDTH = 6


def regions_of(image: int) -> tuple[np.ndarray, np.ndarray]:
    """Of an image, 2 to 4 regions and their boxes in pixels of a photograph 100 wide, 50 high."""
    rng = np.random.default_rng(image)
    n = 2 + image % 3
    low = rng.uniform(0, 20, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 25, (n, 2))], axis=1).astype(np.float32)
    return rng.normal(size=(n, WIDTH)).astype(np.float32), boxes


def npz(folder: Path) -> Path:
    place = folder / "up_down"
    place.mkdir()
    for image in IDS:
        rows, boxes = regions_of(image)
        size = {"image_h": np.array(50), "image_w": np.array(100)}
        np.savez(place / f"{image}.npz", features=rows, boxes=boxes, cls_prob=rows, **size)
    return place


def tsv(folder: Path) -> Path:
    path = folder / "trainval_36.tsv"
    with open(path, "w") as stream:
        for image in reversed(IDS):
            rows, boxes = regions_of(image)
            packed = [base64.b64encode(x.tobytes()).decode() for x in (boxes, rows)]
            stream.write("\t".join([*map(str, (image, 100, 50, len(rows))), *packed]) + "\n")
    return path


def hdf5(folder: Path) -> Path:
    path = folder / "coco_detections.hdf5"
    with h5py.File(path, "w") as file:
        for image in IDS:
            file[f"{image}_features"], file[f"{image}_boxes"] = regions_of(image)
    return path


def store(
    corpus: Corpus, paths: dict[str, Path], mean_first: bool = False, regions: int = 3
) -> Any:
    files = {name: open_features(path) for name, path in paths.items()}
    data = corpus.data().open("val", corpus.folder)
    extractor = StoredFeatures(files, regions, mean_first)
    return write_features(data, extractor, corpus.folder / "val", batch=4)


@pytest.mark.parametrize("form", [npz, tsv, hdf5])
def test_every_form_gives_the_same_regions(corpus: Corpus, form: Callable[[Path], Path]) -> None:
    """HDF5 does not say how large a photograph is: that is asked of the photograph."""
    batch = store(corpus, {"regions": form(corpus.folder)}).batch(range(9))
    sizes = [(100, 50)] * 9
    if form is hdf5:
        data = corpus.data().open("val", corpus.folder)
        sizes = [picture.size for picture in data.originals(range(9))]
    for row, (image, size) in enumerate(zip(IDS, sizes, strict=True)):
        rows, boxes = (torch.from_numpy(x[:3]) for x in regions_of(image))
        n = len(rows)
        assert batch.mask[row].tolist() == [True] * n + [False] * (3 - n)
        assert torch.allclose(batch.regions[row, :n], rows, atol=1e-2)
        assert not batch.regions[row, n:].any()
        assert torch.allclose(batch.boxes[row, :n], boxes / torch.tensor([*size, *size]))
        assert torch.allclose(batch.pooled[row], rows.mean(0), atol=1e-2)
        there = torch.ones(1, n, dtype=torch.bool)
        assert batch.relations is not None
        wanted = spatial_relations(boxes[None], there, (size[1], size[0]))
        assert torch.equal(batch.relations[row, :n, :n], wanted[0])


def test_regions_alone_of_numpy_files(corpus: Corpus) -> None:
    place = corpus.folder / "cocobu_att"
    place.mkdir()
    for image in IDS:
        if image % 2:
            np.save(place / f"{image}.npy", regions_of(image)[0])
        else:
            np.savez(place / f"{image}.npz", regions_of(image)[0])
    batch = store(corpus, {"regions": place}, mean_first=True).batch([0, 1])
    assert batch.relations is None and not batch.boxes.any()
    for row in (0, 1):
        first = torch.from_numpy(regions_of(24 + row)[0][:3])
        assert torch.allclose(batch.regions[row, : len(first)], first, atol=1e-2)


def test_xmodaler_puts_the_mean_before_the_regions(corpus: Corpus) -> None:
    """Of files that have more than regions: N - 1 regions, their mean before them."""
    batch = store(corpus, {"regions": npz(corpus.folder)}, mean_first=True).batch(range(9))
    for row, image in enumerate(IDS):
        first = torch.from_numpy(regions_of(image)[0][:2])
        assert torch.allclose(batch.regions[row, 0], first.mean(0), atol=1e-2)
        assert torch.allclose(batch.regions[row, 1 : 1 + len(first)], first, atol=1e-2)


def test_pooled_attributes_and_relations_of_pickles(corpus: Corpus) -> None:
    arrays = {
        "pooled": {image: np.full(5, image, np.float32) for image in IDS},
        "attributes": {str(image): np.full(7, image / 40, np.float32) for image in IDS},
        "relations": {image: np.full((4, 4), image - 15, np.int16) for image in IDS},
    }
    paths = {"regions": tsv(corpus.folder)}
    for name, content in arrays.items():
        paths[name] = corpus.folder / f"{name}.pkl"
        paths[name].write_bytes(pickle.dumps(content, protocol=2))
    found = store(corpus, paths)
    assert found.sizes.relations == 21 and found.sizes.attributes == 7
    batch = found.batch([8])
    assert batch.pooled.tolist() == [[32.0] * 5]
    assert torch.allclose(batch.attributes, torch.full((1, 7), 0.8), atol=1e-3)
    assert batch.relations.shape == (1, 3, 3) and (batch.relations == 17).all()


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    (tmp_path / "x.pkl").write_bytes(pickle.dumps({1: Harm()}))
    with pytest.raises(DataError, match=r"no pickle of arrays alone: it holds pathlib"):
        open_features(tmp_path / "x.pkl")
    assert not (tmp_path / "harm").exists()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def test_what_is_wrong_with_files_is_named(corpus: Corpus) -> None:
    folder = corpus.folder
    with pytest.raises(DataError, match="no features at"):
        open_features(folder / "absent")
    with pytest.raises(DataError, match="in no known form"):
        open_features(corpus.json)
    (folder / "list.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match="holds a list"):
        open_features(folder / "list.pkl")
    (folder / "words.tsv").write_text("image_id\timage_w\n")
    with pytest.raises(DataError, match="line 1 does not begin with an image id"):
        open_features(folder / "words.tsv")
    table = tsv(folder)
    _cut(table)
    with pytest.raises(DataError, match=r"features of image 24 cannot be read"):
        store(corpus, {"regions": table})
    place = npz(folder)
    _cut(place / "30.npz")
    with pytest.raises(DataError, match=r"features of image 30 cannot be read"):
        store(corpus, {"regions": place})
    (place / "30.npz").unlink()
    with pytest.raises(DataError, match="has no features of image 30"):
        store(corpus, {"regions": place})
    np.savez(place / "30.npz", np.zeros(6, np.float32))
    with pytest.raises(DataError, match=r"image 30 has features of shape \(6,\)"):
        store(corpus, {"regions": place})


def _other_content(path: Path) -> None:
    """Of the same size."""
    for file in path.iterdir() if path.is_dir() else [path]:
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(content)


@pytest.mark.parametrize("form", [npz, tsv, hdf5])
def test_other_features_of_the_same_size_are_noticed_and_a_copy_is_the_same(
    corpus: Corpus, form: Callable[[Path], Path]
) -> None:
    path = form(corpus.folder)
    about = open_features(path).about
    copy = corpus.folder / "copies" / path.name
    if path.is_dir():
        shutil.copytree(path, copy, copy_function=shutil.copyfile)
        (copy / "notes.txt").write_text("are no features")
    else:
        copy.parent.mkdir()
        shutil.copyfile(path, copy)
    assert open_features(copy).about == about
    _other_content(copy)
    assert open_features(copy).about != about


def test_features_that_are_computed_again_are_read_again(corpus: Corpus) -> None:
    """A few bytes of all files; one file of those that are probed is enough."""
    place = npz(corpus.folder)
    before = store(corpus, {"regions": place}).digest
    for image in IDS:
        rows, boxes = regions_of(image)
        size = {"image_h": np.array(50), "image_w": np.array(100)}
        np.savez(place / f"{image}.npz", features=rows + 1, boxes=boxes, cls_prob=rows, **size)
    again = store(corpus, {"regions": place})
    assert again.digest != before
    wanted = torch.from_numpy(regions_of(24)[0][:1] + 1)
    assert torch.allclose(again.batch([0]).regions[0, :1], wanted, atol=1e-2)


def test_a_sample_of_many_files_reaches_from_the_first_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photographs.feature_files._PROBES", 4)
    for image in range(100):
        np.save(tmp_path / f"{image:03d}.npy", np.full(3000, image))
    about, changed = open_features(tmp_path).about, []
    for image in range(100):
        path = tmp_path / f"{image:03d}.npy"
        content = path.read_bytes()
        path.write_bytes(bytes(len(content)))
        if open_features(tmp_path).about != about:
            changed.append(image)
        path.write_bytes(content)
    assert changed == [0, 33, 66, 99] and open_features(tmp_path).about == about
    (tmp_path / "000.npy").rename(tmp_path / "100.npy")
    assert open_features(tmp_path).about != about
    empty = tmp_path / "empty"
    empty.mkdir()
    assert open_features(empty).about


def test_other_photographs_have_no_stored_features(corpus: Corpus) -> None:
    extractor = StoredFeatures({"regions": open_features(npz(corpus.folder))}, 3, False)
    other = corpus.data().of_files([corpus.folder / "images" / "0024_square.png"])
    with pytest.raises(ConfigError, match="read from files") as caught:
        extractor.of(other, [0])
    assert "regions or grid" in caught.value.fix


def test_a_profile_names_its_parts(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(corpus.folder))
    fields = {"kind": "karpathy", "json": corpus.json, "images": corpus.folder / "images"}
    fields |= {"extractor": "stored", "features": {"rows": "x"}}
    profile = Profile.model_validate({"name": "tiny", "data": fields, "group_size": 2})
    with pytest.raises(ConfigError, match=r"data\.features has rows") as caught:
        _ = Materials.of(profile).extractor
    assert "give regions" in caught.value.fix
    npz(corpus.folder)
    fields["features"] = {"regions": "up_down"}
    profile = Profile.model_validate({"name": "tiny", "data": fields, "group_size": 2})
    assert Materials.of(profile).extractor.name == "stored: regions"


def test_features_that_are_no_numbers_are_named(corpus: Corpus) -> None:
    place = npz(corpus.folder)
    rows, boxes = regions_of(30)
    for value in (np.nan, np.inf):
        rows[1, 2] = value
        np.savez(place / "30.npz", features=rows, boxes=boxes)
        with pytest.raises(DataError, match=r"up_down: regions of image 30 are NaN or infinite"):
            store(corpus, {"regions": place})
    boxes[0, 0] = np.nan
    np.savez(place / "30.npz", features=regions_of(30)[0], boxes=boxes)
    with pytest.raises(DataError, match=r"up_down: boxes of image 30 are NaN or infinite"):
        store(corpus, {"regions": place})
    np.savez(place / "30.npz", np.array([["a", "b"]]))
    with pytest.raises(DataError, match=r"regions of image 30 are of type <U1"):
        store(corpus, {"regions": place})
    np.savez(place / "30.npz", regions_of(30)[0])
    pooled = corpus.folder / "pooled.pkl"
    pooled.write_bytes(pickle.dumps({i: np.full(5, np.nan if i == 27 else 1.0) for i in IDS}))
    with pytest.raises(DataError, match=r"pooled.pkl: pooled of image 27 are NaN"):
        store(corpus, {"regions": place, "pooled": pooled})


@pytest.mark.parametrize("image", [25, 30])
def test_features_of_another_width_are_named(corpus: Corpus, image: int) -> None:
    """In the first batch of four, and in a later one."""
    place = npz(corpus.folder)
    np.savez(place / f"{image}.npz", np.zeros((2, WIDTH + 1), np.float32))
    said = rf"up_down: regions of image {image} have width 7, those of image 24 have 6"
    with pytest.raises(DataError, match=said):
        store(corpus, {"regions": place})
    np.savez(place / f"{image}.npz", np.zeros((2, WIDTH), np.float32))
    pooled = corpus.folder / "pooled.pkl"
    pooled.write_bytes(pickle.dumps({i: np.ones(4 if i == image else 5) for i in IDS}))
    with pytest.raises(DataError, match=rf"pooled of image {image} have width 4, .* 24 have 5"):
        store(corpus, {"regions": place, "pooled": pooled})


def test_where_features_of_an_image_were_looked_for_is_said(corpus: Corpus) -> None:
    place = npz(corpus.folder)
    for path in list(place.iterdir()):
        path.rename(place / f"{int(path.stem):012d}.npz")
    with pytest.raises(DataError, match=r"image 24: no 24\.npy or 24\.npz") as raised:
        store(corpus, {"regions": place})
    assert "without leading zeros" in raised.value.fix
    said = {tsv: "line that begins with 1", hdf5: "1 or 1_features"}
    for form, names in said.items():
        with pytest.raises(DataError, match=f"image 1: no {names}"):
            open_features(form(corpus.folder)).read(1)
    (corpus.folder / "x.pkl").write_bytes(pickle.dumps({"0001": np.ones(3)}))
    with pytest.raises(DataError, match="image 1: no 1\n"):
        open_features(corpus.folder / "x.pkl").read(1)
