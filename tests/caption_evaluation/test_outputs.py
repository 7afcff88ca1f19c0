"""A report replaces a report and nothing else; what cannot be written is said before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_report import _report

from caption_evaluation.outputs import check_outputs, write_report
from gegcore.errors import ConfigError

ROLES = ("captions", "references", "compared captions", "images", "weights")


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path | None]:
    monkeypatch.chdir(tmp_path)
    for name in ("captions.json", "references.json", "other.json", "weights.json"):
        Path(name).write_text("[]")
    Path("pictures.html").mkdir()
    files = ("captions.json", "references.json", "other.json", "pictures.html", "weights.json")
    return dict(zip(ROLES, map(Path, files), strict=True)) | {"none": None}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", ["same", "dot", "up", "absolute", "hard link", "symbolic link"])
def test_no_input_is_replaced(
    inputs: dict[str, Path | None], role: str, way: str, tmp_path: Path
) -> None:
    path = inputs[role]
    assert path is not None
    other = Path(f"link{path.suffix}")
    if way == "hard link":
        if path.is_dir():
            pytest.skip("folders have no hard links")
        os.link(path, other)
    elif way == "symbolic link":
        other.symlink_to(path)
    else:
        other = {"dot": Path(".") / path, "up": Path("..") / tmp_path.name / path}.get(way, path)
        other = path.absolute() if way == "absolute" else other
    with pytest.raises(ConfigError, match=f"would replace the {role}"):
        check_outputs([other], inputs)
    assert path.is_dir() or path.read_text() == "[]"


OWN = {
    "notes.md": "# Captions of my dogs",
    "page.html": "<!doctype html><title>Captions of mine</title>",
    "results.json": '[{"image_id": 1, "caption": "gegcore"}]',
    "mapping.json": '{"gegcore": "a dog"}',
    "picture.html": "\x89PNG\n",
}


@pytest.mark.parametrize("name", OWN)
def test_a_file_that_is_no_report_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(OWN[name])
    with pytest.raises(ConfigError, match="exists and is no report") as raised:
        check_outputs([tmp_path / name], {})
    assert "another name" in raised.value.fix and (tmp_path / name).read_text() == OWN[name]


def test_folders_pipes_and_dead_links_are_no_reports(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "self.json").symlink_to("self.json")
    for name in ("folder", "pipe", "self"):
        with pytest.raises(ConfigError, match=f"{name}.json"):
            check_outputs([tmp_path / f"{name}.json"], {})


@pytest.mark.parametrize("ending", ["json", "md", "html", "HTML"])
def test_reports_and_empty_files_are_replaced(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"report.{ending}"
    path.touch()
    for _ in range(2):
        check_outputs([path], {})
        write_report(path, _report())
        assert path.stat().st_size > 1000


def test_a_link_to_a_report_stays_a_link(tmp_path: Path) -> None:
    link, path = tmp_path / "link.json", tmp_path / "report.json"
    link.symlink_to(path)
    path.touch()
    check_outputs([link], {})
    write_report(link, _report())
    assert link.is_symlink() and path.stat().st_size > 1000


@pytest.mark.parametrize("other", ["a.json", "./a.json", "A.json", "../{here}/a.json", "l/a.json"])
def test_no_report_is_named_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("l").symlink_to(".")
    with pytest.raises(ConfigError, match="twice"):
        check_outputs([Path("a.json"), Path(other.format(here=tmp_path.name))], {})
    check_outputs([Path("a.json"), Path("a.md")], {})


def test_what_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    long = "x" * 240 + ".json"  # The temporary file beside it has a longer name.
    for name in ("file/report.json", long):
        with pytest.raises(ConfigError, match="cannot be written"):
            check_outputs([tmp_path / name], {})
    check_outputs([tmp_path / "new" / "folder" / "report.json"], {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be written: Permission denied"):
        check_outputs([tmp_path / "closed" / "report.json"], {})
