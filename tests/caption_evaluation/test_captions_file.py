"""Captions and references from files: every format, every fault, and arbitrary content."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caption_evaluation.captions_file import read_captions, read_references
from caption_evaluation.json_file import read_file
from caption_evaluation.skipped import Skips
from gegcore.errors import ConfigError, DataError, GegError
from gegcore.metrics import ptb

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(content: Any, name: str = "captions.json") -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_text(text, encoding="utf-8")
        return path

    return file


ENTRIES = [{"image_id": 42, "caption": "a dog"}, {"image_id": "b.jpg", "caption": "a cat"}]
CAPTIONS = {42: "a dog", "b.jpg": "a cat"}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (ENTRIES, "results.json"),
        ("\n\n".join(map(json.dumps, ENTRIES)) + "\n", "results.jsonl"),
        ("\r\n".join(map(json.dumps, ENTRIES)), "lines-called.json"),
        ({"42": "a dog", "b.jpg": "a cat"}, "mapping.json"),
        ({"42": ["a dog"], "b.jpg": ["a cat"]}, "pycocoevalcap.json"),
        ({"42": {"caption": "a dog"}, "b.jpg": {"caption": "a cat"}}, "objects.json"),
        ({"annotations": [{"id": 9, **entry} for entry in ENTRIES]}, "annotations.json"),
        ([{"id": 42, "text": "a dog"}, {"file_name": "b.jpg", "text": "a cat"}], "other.json"),
        ({"results": ENTRIES, "model": "mine"}, "results.json"),
        ({"captions": ENTRIES, "date": [2024, 1]}, "captions.json"),
        ({"predictions": ENTRIES, "config": {"beam": 3}, "errors": []}, "predictions.json"),
        (b"\xef\xbb\xbf" + json.dumps(ENTRIES).encode(), "windows.json"),
    ],
)
def test_formats_of_captions(write: Write, content: Any, name: str) -> None:
    assert read_captions(write(content, name)) == CAPTIONS


TABLE = pd.DataFrame({"image_id": ["42", "b.jpg"], "caption": ["a dog", "a cat"]})


@pytest.mark.parametrize("orient", ["columns", "split", "records", "index", "table"])
def test_layouts_of_pandas(write: Write, orient: Any) -> None:
    assert read_captions(write(TABLE.to_json(orient=orient))) == CAPTIONS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("image_id,caption\n42,a dog\nb.jpg,a cat\n", "captions.csv"),
        ('Caption,score,Image_ID\n"a dog",1,42\n"a cat",2,b.jpg\n', "captions.csv"),
        ("image\tcaption\r\n42\ta dog\r\nb.jpg\ta cat\r\n", "captions.tsv"),
        ("image_name| comment_number| comment\n42| 0| a dog\nb.jpg| 0| a cat\n", "results.csv"),
        ("42#0\ta dog\nb.jpg#0\ta cat\n", "Flickr8k.token.txt"),
        ("id;text\n42;a dog\nb.jpg;a cat", "no-ending"),
    ],
)
def test_tables_of_text(write: Write, text: str, name: str) -> None:
    assert read_captions(write(text, name)) == CAPTIONS


def test_cells_hold_commas_quotes_and_words_that_pandas_takes_for_nothing(write: Write) -> None:
    texts = ['a "dog", barking', "null", "NA", "a, b"]
    table = pd.DataFrame({"image_id": range(4), "caption": texts})
    found = read_captions(write(table.to_csv(index=False), "captions.csv"))
    assert list(found.values()) == texts


def test_parquet_of_captions_and_of_lists(tmp_path: Path) -> None:
    TABLE.to_parquet(tmp_path / "captions.parquet")
    assert read_captions(tmp_path / "captions.parquet") == CAPTIONS
    lists = pd.DataFrame({"file_name": ["a.jpg"], "captions": [["a dog", "one dog"]]})
    lists.to_parquet(tmp_path / "references.parquet")
    assert read_references(tmp_path / "references.parquet").captions["a.jpg"] == [
        "a dog",
        "one dog",
    ]


def test_several_rows_an_image_are_references(write: Write) -> None:
    text = "image,caption\na.jpg,a dog\na.jpg,one dog\nb.jpg,a cat\n"
    found = read_references(write(text, "captions.txt")).captions
    assert found == {"a.jpg": ["a dog", "one dog"], "b.jpg": ["a cat"]}


def test_dictionaries_of_pycocoevalcap(write: Write) -> None:
    content = {"42": [{"caption": "a dog"}], "7": [{"image_id": 7, "id": 1, "caption": "a cat"}]}
    assert read_captions(write(content)) == {42: "a dog", 7: "a cat"}
    content["7"].append({"caption": "one cat"})
    assert read_references(write(content)).captions[7] == ["a cat", "one cat"]


def test_textcaps(write: Write) -> None:
    said = {"reference_strs": ["a sign", "a red sign"], "image_name": "9f.jpg"}
    rows = [{"image_id": "9f", "caption_str": text, **said} for text in ("a sign", "a red sign")]
    content = {"dataset_name": "textcaps", "data": rows}
    assert read_references(write(content)).captions == {"9f": ["a sign", "a red sign"]}


def karpathy() -> dict[str, Any]:
    def image(number: int, split: str) -> dict[str, Any]:
        name = f"COCO_val2014_{number + 900:012d}.jpg"
        said = [{"raw": f"dog {number}"}, {"tokens": ["one", "dog", str(number)]}]
        about = {"filepath": "val2014", "filename": name, "cocoid": number + 900}
        return {**about, "imgid": number, "split": split, "sentences": said}

    splits = ["train", "restval", "val", "test", "test"]
    return {"dataset": "coco", "images": [image(*each) for each in enumerate(splits)]}


def test_karpathy_s_file_by_split_and_by_the_ids_of_the_captions(write: Write) -> None:
    path = write(karpathy())
    test = read_references(path, split="test")
    assert test.captions == {903: ["dog 3", "one dog 3"], 904: ["dog 4", "one dog 4"]}
    assert test.files[903] == "val2014/COCO_val2014_000000000903.jpg"
    assert [*read_references(path, split="train").captions] == [900, 901]
    assert len(read_references(path).captions) == 5
    assert [*read_references(path, wanted=[3, 4]).captions] == [0, 1, 2, 3, 4]
    by_name = read_references(path, wanted=["COCO_val2014_000000000904.jpg"], split="test").captions
    assert len(by_name) == 2


def test_a_table_with_lists_and_splits(tmp_path: Path) -> None:
    """Flickr30k as it is passed on: a list of captions written into a cell, Karpathy's splits."""
    path, said = tmp_path / "flickr.csv", ["a dog", 'it\'s "black", or not']
    rows = {"filename": ["1.jpg", "2.jpg"], "split": ["test", "restval"]}
    for written in (json.dumps(said), repr(said)):
        table = pd.DataFrame({**rows, "raw": [written, "[no] list"]})
        table.to_csv(path, index=False)
        assert read_references(path).captions == {"1.jpg": said, "2.jpg": ["[no] list"]}
        assert [*read_references(path, split="train").captions] == ["2.jpg"]
    table.to_parquet(tmp_path / "flickr.parquet")
    found = read_references(tmp_path / "flickr.parquet", split="test")
    assert found.captions == {"1.jpg": said}
    with pytest.raises(DataError, match="no row of split 'val'"):
        read_references(path, split="val")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "image_id,caption\n1,a dog\n"), ("token.txt", "1.jpg#0\ta dog\n")],
)
def test_a_split_of_a_table_without_splits(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match="has no splits"):
        read_references(tmp_path / name, split="test")


def test_plain_text_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("1.jpg\ta dog\n2.jpg\ta cat\n")
    with pytest.raises(DataError, match=r"neither JSON nor a table .*'1\.jpg\\ta dog'"):
        read_captions(tmp_path / "said.txt")


def test_a_split_of_what_has_none_or_an_unknown_one(write: Write) -> None:
    with pytest.raises(ConfigError, match="has no splits"):
        read_references(write(CAPTIONS), split="test")  # type: ignore[arg-type]
    content = {"dataset": "coco", "images": karpathy()["images"][:3]}
    with pytest.raises(DataError, match="no image of split 'test'"):
        read_references(write(content), split="test")


@pytest.mark.parametrize(
    ("content", "kind", "fix"),
    [
        (gzip.compress(b"{}", mtime=0), "compressed with gzip", "gunzip"),
        (pickle.dumps({42: "a dog"}), "a Python pickle, which could run code", "json.dump"),
        (b"PK\x03\x04" + bytes(50), "a zip archive or an Excel file", "read_excel('"),
        (b"\x89HDF\r\n\x1a\n", "HDF5", "read_hdf"),
        (b"\x93NUMPY\x01\x00", "an array of NumPy", "numpy.load"),
        (b"<?xml version='1.0'?>", "XML or HTML", "read_xml"),
        (b"\x89PNG\r\n", "a picture", "captions"),
        (b"PAR1 and nothing more", "no whole Parquet file", "again"),
    ],
    ids=("gzip", "pickle", "zip", "hdf5", "numpy", "xml", "png", "parquet"),
)
def test_other_kinds_of_files_are_named(write: Write, content: bytes, kind: str, fix: str) -> None:
    with pytest.raises(DataError, match=kind) as caught:
        read_captions(write(content, "captions.bin"))
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image_id,caption\n1,a\n2,b,c\n", "is no table"),
        ("a.jpg#0\ta dog\na cat\n", "has a line 2 that is not"),
        ("image_id,words\n1,a\n", "no columns of image ids and captions; it has: image_id, words"),
    ],
)
def test_faults_of_tables(write: Write, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_captions(write(text, "captions.csv"))


def test_order_of_the_file_is_kept_and_empty_captions_are_captions(write: Write) -> None:
    captions = read_captions(write({"3": "c", "1": "", "2": "b"}))
    assert list(captions.items()) == [(3, "c"), (1, ""), (2, "b")]


def test_references_of_annotations_with_file_names(write: Write) -> None:
    content = {
        "images": [{"id": 42, "file_name": "dog.jpg"}, {"id": 43, "file_name": None}],
        "annotations": [
            {"id": 1, "image_id": 42, "caption": "a dog"},
            {"id": 2, "image_id": 43, "caption": "a cat"},
            {"id": 3, "image_id": 42, "caption": "one dog"},
        ],
    }
    found = read_references(write(content))
    assert found.captions == {42: ["a dog", "one dog"], 43: ["a cat"]}
    assert found.files == {42: "dog.jpg"}


def test_references_of_a_mapping_and_of_entries(write: Write) -> None:
    assert read_references(write({"1": ["a", "b"], "2": "c"})).captions == {1: ["a", "b"], 2: ["c"]}
    entries = [{"image_id": 1, "captions": ["a", "b"]}, {"image_id": "1", "caption": "c"}]
    assert read_references(write(entries)).captions == {1: ["a", "b", "c"]}


FAULTS = [
    ("", r"captions\.json is empty"),
    (" \n ", "is empty"),
    ("[]", "holds no captions"),
    ("{}", "holds no captions"),
    ('[{"image_id": 1,\n "caption": }]', r"not valid JSON: .* \(line 2, column 13\)"),
    ('{"image_id": 1, "caption": "a"}\n{"image_id": 2,, "caption": "b"}', "line 2, column 16"),
    ("42", "a number at its top level"),
    ('"captions"', "a string at its top level"),
    ("null", "null at its top level"),
    ("[" * 100_000, "nested too deeply"),
    ('{"1": ' + "9" * 5000 + "}", "not usable JSON"),
    (b'{"1": "caf\xe9"}', "not UTF-8 text: byte 0xe9 in line 1"),
    ([1, "a"], r"entries that are not objects \(2\): entry 1 is a number, entry 2 is a string"),
    ([{"caption": "a"}], 'entry 1 has no "image_id"'),
    ([ENTRIES[0], {"image_id": 2}], 'entry 2 has no "caption"'),
    ([{"image_id": None, "caption": "a"}], r"entry 1 \(image_id: None\)"),
    ([{"image_id": 1.5, "caption": "a"}], r"neither number nor name \(1\): entry 1"),
    ([{"image_id": 1, "caption": 5}], r"not text \(1\): entry 1 \(image 1: a number\)"),
    ({"1": ["a", "b"]}, r"two captions \(1\): 1 in key '1' and key '1'"),
    ('{"1": "half \\ud800"}', "half a surrogate pair"),
    ({"": "a"}, r"neither number nor name \(1\): key ''"),
    ([*ENTRIES, ENTRIES[0]], r"two captions \(1\): 42 in entry 1 and entry 3"),
    ({"1": "a", " 1": "b"}, "1 in key '1' and key ' 1'"),
    ({"1": "a " * 501}, r"more than 500 words .*\(1\): key '1' \(image 1: 501 words"),
    ({"1": "!" * 501}, r"image 1: 501 words, 501 characters"),
    ({"1": "a" * 10_000_000}, r"image 1: 1 words, 10,000,000 characters"),
    ({"images": [{"sentences": [{"raw": "a"}], "imgid": 0}]}, r"field 'images\.0\.filename'"),
    ('{"1": "a", "1": "b"}', r"named twice \(1\): key '1'"),
]


@pytest.mark.parametrize(("content", "said"), FAULTS, ids=[said[:25] for _, said in FAULTS])
def test_each_fault_of_captions_is_named(write: Write, content: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_captions(write(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"1": ["a", 3]}, r"captions that are not text \(1\): key '1' \(image 1: a number\)"),
        ({"1": ["a"], "2": []}, r"empty list \(1\): key '2' \(image 2\)"),
        ({"1": ["a"], "2": ["?!", ""]}, r"no letter or digit \(1\): 2"),
        ({"1": ["a"], "2": ["&nbsp;", "&quot;"]}, r"no word: the tokenizer drops .*\(1\): 2"),
        ({"1": ["a " * 501, "b"]}, r"more than 500 words .*\(image 1: 501 words"),
        ({"images": [{"sentences": [], "filename": "a.jpg"}]}, r"field 'images\.0\.split'"),
        ({"1": {"a": "b"}}, r"not text \(1\)"),
        ({"annotations": []}, "holds no references"),
    ],
)
def test_each_fault_of_references_is_named(write: Write, content: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_references(write(content))


MATHEMATICAL = "\U0001d41a \U0001d41d\U0001d428\U0001d420"
DROPPED = [MATHEMATICAL, "\U0001f170\U0001f130", "\u2180", "\u3007", "\U00013000", "&mdash;"]
KEPT = ["\u0643\u0644\u0628", "\u4e00\u53ea\u72d7", "\u0e2b\u0e21\u0e32", f"{MATHEMATICAL} 1"]


def test_images_are_left_out_whose_references_the_tokenizer_drops(write: Write) -> None:
    texts = {str(number): [text, text] for number, text in enumerate([*KEPT, *DROPPED])}
    skips = Skips(allowed=True)
    found = read_references(write(texts), skips)
    assert list(found.captions) == [*range(len(KEPT))]
    assert all(map(ptb.tokenize, found.captions.values()))
    (no_letter, dropped) = sorted(skips.found.items(), key=lambda item: len(item[1]))
    assert "no letter or digit" in no_letter[0] and len(no_letter[1]) == 1
    assert "drops" in dropped[0] and len(dropped[1]) == len(DROPPED) - 1


def test_words_of_other_scripts_are_words_without_java(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ptb, "java_problem", lambda: "no Java")
    assert read_references(write({"1": MATHEMATICAL, "2": KEPT[0]})).captions.keys() == {1, 2}


def test_runaway_texts_can_be_skipped(write: Write) -> None:
    skips = Skips(allowed=True)
    texts = {"1": ["a " * 20_000, "a dog"], "2": "a " * 500, "3": "x " * 20_000}
    assert [*map(len, read_references(write(texts), skips).captions.values())] == [1, 1]
    ((reason, items),) = skips.found.items()
    assert "500 words or 5,000 characters" in reason and len(items) == 2


def test_what_was_read_once_is_not_read_again(write: Write, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if os.fork() == 0:
        pipe.write_text(json.dumps(ENTRIES))
        os._exit(0)
    assert read_captions(pipe, content=read_file(pipe)) == CAPTIONS


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_captions(tmp_path / "none.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_captions(tmp_path)


def test_bad_entries_can_be_skipped_and_are_listed(write: Write) -> None:
    skips = Skips(allowed=True)
    bad = [7, {"caption": "a"}, {"image_id": [], "caption": "a"}, {"image_id": 5, "caption": 5}]
    assert read_captions(write([*ENTRIES, *bad, ENTRIES[0]]), skips) == CAPTIONS
    reasons = [reason.partition(": ")[2] for reason in skips.found]
    assert reasons == [
        "entries that are not objects",
        "entries without a field",
        "ids that are neither number nor name",
        "captions that are not text",
        "images with two captions",
    ]
    assert [len(items) for items in skips.found.values()] == [1] * 5


def test_malformed_json_cannot_be_skipped(write: Write) -> None:
    with pytest.raises(DataError, match="not valid JSON"):
        read_captions(write('{"1": "a"'), Skips(allowed=True))


def test_long_lists_of_faults_are_cut(write: Write) -> None:
    with pytest.raises(DataError) as raised:
        read_captions(write({str(i): i for i in range(1000)}))
    assert "(1,000)" in raised.value.what and len(raised.value.what) < 500


WORDS = st.sampled_from(["image_id", "caption", "id", "annotations", "images", "file_name", "1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner),
    max_leaves=15,
)
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arbitrary texts are tokenised without Java, which takes a second to start."""
    if "damaged" in request.node.name or "arbitrary" in request.node.name:
        monkeypatch.setattr(ptb, "java_problem", lambda: "no Java")


def _read_all(path: Path) -> None:
    """Only errors of ours, and only text that can be written."""
    for allowed in (False, True):
        try:
            captions = read_captions(path, Skips(allowed))
            json.dumps([str(x) for x in captions.items()], ensure_ascii=False).encode()
        except GegError as error:
            str(error).encode()
        try:
            found = read_references(path, Skips(allowed))
            assert all(found.captions.values())
            str(found).encode()
        except GegError as error:
            str(error).encode()


@FUZZ
@given(value=JSON)
def test_arbitrary_json_is_read_or_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    _read_all(path)


@FUZZ
@given(content=st.binary(max_size=200), lines=st.booleans())
def test_arbitrary_bytes_are_read_or_refused(tmp_path: Path, content: bytes, lines: bool) -> None:
    path = tmp_path / ("fuzz.jsonl" if lines else "fuzz.json")
    path.write_bytes(content)
    _read_all(path)


@FUZZ
@given(data=st.data())
def test_damaged_captions_files_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(json.dumps(ENTRIES * 2).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.json"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    _read_all(path)


def test_a_runaway_caption_is_to_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({"1": "a " * 501}))
    with pytest.raises(DataError) as caught:
        read_captions(path)
    assert caught.value.fix == "cut or remove them; --skip-bad leaves them out"
