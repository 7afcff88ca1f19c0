"""`results/` as an RO-Crate: read back by rocrate, compared with the folders it describes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rocrate.rocrate import ROCrate

from bookkit.report.crate import METADATA, main, write_crate
from gegcore.errors import DataError
from gegcore.storage import read_json, sha256_file

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "results"
RUNS = sorted(path.parent for path in RESULTS.glob("*/*/config.yaml"))


@pytest.fixture(scope="module")
def crate() -> ROCrate:
    return ROCrate(RESULTS)


@pytest.fixture
def two_runs(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for run in (RUNS[0], RUNS[-1]):
        shutil.copytree(run, folder / run.relative_to(RESULTS))
    return folder


def test_the_stored_description_is_of_the_stored_files(tmp_path: Path) -> None:
    kept = RESULTS / METADATA
    before = kept.read_bytes()
    shutil.copytree(RESULTS, tmp_path / "results")
    again = write_crate(tmp_path / "results").read_bytes()
    assert before == again, "run `python -m bookkit.report.crate results`"


def test_every_file_is_described_with_its_digest(crate: ROCrate) -> None:
    files = [path for path in RESULTS.rglob("*") if path.is_file() and path.name != METADATA]
    described = {entity.id: entity for entity in crate.get_by_type("File")}
    assert set(described) == {path.relative_to(RESULTS).as_posix() for path in files}
    for path in files:
        entity = described[path.relative_to(RESULTS).as_posix()]
        assert entity["sha256"] == sha256_file(path)
        assert entity["contentSize"] == str(path.stat().st_size)


def values_of(run: Any) -> dict[str, Any]:
    return {each["name"]: each["value"] for each in run["additionalProperty"]}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.parent.name}-{run.name}")
def test_a_run_is_described_as_it_was_made(crate: ROCrate, run: Path) -> None:
    name = run.relative_to(RESULTS).as_posix()
    kept = crate.get(f"{name}/")
    config = yaml.safe_load((run / "config.yaml").read_text())
    made = read_json(run / "provenance.json")
    said = values_of(kept)
    assert (said["profile"], said["model"], said["seed"]) == (
        config["profile"]["name"], config["model"], config["seed"],
    )  # fmt: skip
    plain = f"{said['model']}-{said['objective']}-seed{said['seed']}"
    assert run.name == "-".join(filter(None, (plain, config["profile"]["variant"])))
    assert said["objective"] in config["profile"]["objectives"]
    assert said["revision of the training"] == made["trained"]["git_revision"]
    assert said["revision of the evaluation"] == made["evaluated"]["git_revision"]
    assert said["digest of training"] == made["digests"]["training"]
    assert {part.id for part in kept["hasPart"]} == {f"{name}/{p.name}" for p in run.iterdir()}
    action = crate.get(f"#{name}/made")
    assert action["result"] is kept and action["object"].id == f"{name}/config.yaml"
    assert action["endTime"] == made["evaluated"]["created"]
    assert action["instrument"]["softwareVersion"] == made["trained"]["git_revision"]


def test_the_whole_has_a_licence_authors_and_the_paper(crate: ROCrate) -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    root = crate.root_dataset
    assert root["license"]["name"] == cited["license"]
    assert [author["name"] for author in root["author"]] == [a["name"] for a in cited["authors"]]
    assert root["citation"]["name"] == cited["preferred-citation"]["title"]
    writers = [writer["name"] for writer in root["citation"]["author"]]
    assert writers[0] == "Youyuan Zhang" and len(writers) == 4
    (written,) = (e for e in read_json(RESULTS / METADATA)["@graph"] if e["@id"] == "./")
    folders = sorted(f"{path.name}/" for path in RESULTS.iterdir() if path.is_dir())
    assert [part["@id"] for part in written["hasPart"]] == folders


def test_the_same_files_give_the_same_bytes(two_runs: Path) -> None:
    first = write_crate(two_runs).read_bytes()
    for path in two_runs.rglob("*.json"):
        path.touch()
    assert write_crate(two_runs).read_bytes() == first
    assert main([str(two_runs)]) == 0
    assert (two_runs / METADATA).read_bytes() == first


def test_what_else_lies_there_is_not_described(two_runs: Path) -> None:
    before = write_crate(two_runs).read_bytes()
    for name in ("holiday", ".git"):
        (two_runs / name).mkdir()
        (two_runs / name / "private.txt").write_text("x")
    assert write_crate(two_runs).read_bytes() == before


def test_a_run_that_does_not_say_how_it_was_made_is_named(two_runs: Path) -> None:
    first = write_crate(two_runs).read_bytes()
    broken = next(two_runs.glob("*/*/provenance.json"))
    broken.write_text("{}")
    with pytest.raises(DataError, match=broken.parent.name):
        write_crate(two_runs)
    assert (two_runs / METADATA).read_bytes() == first, "the old description stays whole"


def test_without_a_citation_file_the_files_are_described_all_the_same(
    two_runs: Path, tmp_path: Path
) -> None:
    read = ROCrate(write_crate(two_runs, tmp_path / "none.cff").parent)
    assert len(read.get_by_type("CreateAction")) == 2
