"""CITATION.cff, the page *How to cite*, the references and the changelog say the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from pybtex.database import Entry, Person, parse_file, parse_string

from gegcore import __version__

ROOT = Path(__file__).resolve().parents[1]
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PAPER = CITED["preferred-citation"]
PAGE = (ROOT / "book" / "cite.md").read_text(encoding="utf-8")
ENTRIES = parse_string("\n".join(re.findall(r"```bibtex\n(.*?)```", PAGE, re.S)), "bibtex").entries
CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def plain(text: str) -> str:
    """BibTeX's text without its braces and dashes."""
    return re.sub("[{}]", "", text).replace("--", "–")


def names(entry: Entry) -> list[str]:
    return [plain(str(person)) for person in entry.persons["author"]]


def test_the_paper_is_cited_as_the_citation_file_has_it() -> None:
    entry = ENTRIES["zhang2022distinctive"]
    writers = [f"{a['family-names']}, {a['given-names']}" for a in PAPER["authors"]]
    assert names(entry) == writers
    assert plain(entry.fields["title"]) == PAPER["title"]
    assert plain(entry.fields["booktitle"]) == PAPER["collection-title"]
    assert entry.fields["year"] == str(PAPER["year"])
    assert (entry.type, PAPER["type"]) == ("inproceedings", "conference-paper")
    known = parse_file(str(ROOT / "book" / "references.bib")).entries["zhang2022distinctive"]
    assert (entry.type, dict(entry.fields)) == (known.type, dict(known.fields))
    assert names(entry) == names(known)


def test_this_reproduction_is_cited_as_the_citation_file_has_it() -> None:
    entry = ENTRIES["gegcore"]
    assert entry.type == CITED["type"] == "software"
    assert names(entry) == [author["name"] for author in CITED["authors"]]
    fields = {name: plain(text) for name, text in entry.fields.items()}
    known = {"title", "version", "license", "url", "repository-code"}
    assert fields == {name: str(CITED[name]) for name in known & CITED.keys()}
    assert fields["version"] == __version__


def test_the_page_names_everybody_in_words() -> None:
    words = re.sub(r"\s+", " ", PAGE)
    assert f"*{PAPER['title']}*" in words
    for writer in PAPER["authors"]:
        assert str(Person(f"{writer['given-names']} {writer['family-names']}")) in [
            str(person) for person in ENTRIES["zhang2022distinctive"].persons["author"]
        ]
        assert f"{writer['given-names']} {writer['family-names']}" in words


def test_the_changelog_has_the_form_that_it_names() -> None:
    versions = re.findall(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?$", CHANGES, re.M)
    assert len(versions) == len(re.findall("^## ", CHANGES, re.M))
    assert versions[0] == ("Unreleased", "")
    assert all(date for _, date in versions[1:])
    kinds = set(re.findall(r"^### (.+)$", CHANGES, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(re.search(r"^- ", part, re.M) for part in CHANGES.split("\n### ")[1:])


def test_the_changelog_calls_released_what_has_a_tag() -> None:
    released = re.findall(r"^## \[(\d[^\]]*)\]", CHANGES, re.M)
    assert __version__ in released or "Nothing has been released yet" in CHANGES
    tags = ["git", "-C", str(ROOT), "tag", "--list", "v*"]
    found = subprocess.run(tags, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("no git repository")
    if "Nothing has been released yet" in CHANGES:
        assert released == [] and found.stdout.split() == []
