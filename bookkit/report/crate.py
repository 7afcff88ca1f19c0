"""`results/` described for machines: an RO-Crate of runs, settings, seeds, revisions and digests.

Made from the files alone, in their order, so that the same files give the same description.
`python -m bookkit.report.crate results` writes it; `gegcore archive` does so, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from gegcore.errors import DataError, in_words
from gegcore.storage import read_json, sha256_file, write_json

METADATA = "ro-crate-metadata.json"
BESIDE = ("attention", "benchmarks", "coco_captions", "study", "sweeps")
"""Folders that are described beside those of runs; whatever else lies there is somebody's own."""

VERSION = "1.2"
CITATION = Path(__file__).resolve().parents[2] / "CITATION.cff"
LICENCE = "https://spdx.org/licenses/{}"
_FORMATS = {
    ".json": "application/json",
    ".yaml": "application/yaml",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}


def write_crate(folder: Path, citation: Path = CITATION) -> Path:
    """Describe runs, and `BESIDE` them, in a folder's `ro-crate-metadata.json`, atomically.

    Args:
        citation: a CITATION.cff, for name, licence, authors and the paper.

    Raises:
        DataError: a file of a run, or of the citation, is missing or malformed.
        StorageError: the description cannot be written.
    """
    crate = ROCrate(version=VERSION)
    crate.name = "Results of finished runs"
    if citation.is_file():  # not in an installed package
        _describe(crate, citation)
    dates, parts = [], []
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        runs = sorted(path.parent for path in part.glob("*-seed*/config.yaml"))
        if not runs and part.name not in BESIDE:
            continue
        dates += [_add_run(crate, folder, run) for run in runs]
        rest = [file for file in _files(part) if file.parent not in runs]
        inside = [crate.get(f"{run.relative_to(folder).as_posix()}/") for run in runs]
        inside += [_add_file(crate, folder, file) for file in rest]
        crate.add_dataset(dest_path=f"{part.name}/", properties={"hasPart": inside})
        parts.append({"@id": f"{part.name}/"})
    crate.root_dataset["hasPart"] = parts  # and no longer all that lies in them
    crate.root_dataset["datePublished"] = max(dates, default="1970-01-01")
    write_json(folder / METADATA, crate.metadata.generate())
    return folder / METADATA


def _describe(crate: ROCrate, citation: Path) -> None:
    """Name, licence, authors and the paper, as the citation file has them."""
    cited = _yaml(citation)
    try:
        paper = cited["preferred-citation"]
        licence, authors = cited["license"], [a["name"] for a in cited["authors"]]
        writers = [f"{a['given-names']} {a['family-names']}" for a in paper["authors"]]
        crate.name, crate.description = f"Results of: {cited['title']}", cited["abstract"]
        year, title = str(paper["year"]), paper["title"]
    except (KeyError, TypeError) as error:
        raise DataError(f"{citation} has no {error}", "see CITATION.cff of the project") from error
    held = {"@type": "CreativeWork", "name": licence}
    crate.license = _add(crate, LICENCE.format(licence), held)
    crate.root_dataset["author"] = [
        _add(crate, f"#author-{n}", {"@type": "Organization", "name": name})
        for n, name in enumerate(authors, 1)
    ]
    persons = [
        _add(crate, f"#paper-author-{n}", {"@type": "Person", "name": name})
        for n, name in enumerate(writers, 1)
    ]
    article = {"@type": "ScholarlyArticle", "name": title, "datePublished": year, "author": persons}
    crate.root_dataset["citation"] = _add(crate, "#paper", article)


def _add_run(crate: ROCrate, folder: Path, run: Path) -> str:
    """A run's folder, and the action that made it; returns when it was evaluated."""
    name = run.relative_to(folder).as_posix()
    config, made = _yaml(run / "config.yaml"), read_json(run / "provenance.json")
    try:
        trained, evaluated = made["trained"], made["evaluated"]
        said = {
            "profile": config["profile"]["name"],
            "model": config["model"],
            "objective": run.name.partition("-seed")[0].rpartition("-")[2],
            "seed": config["seed"],
            "revision of the training": trained["git_revision"],
            "revision of the evaluation": evaluated["git_revision"],
            **{f"digest of {what}": value for what, value in made["digests"].items()},
        }
        created = evaluated["created"]
        device, versions = trained["device"], trained["versions"]
    except (KeyError, TypeError) as error:
        what = f"{run}: config.yaml or provenance.json has no {error}"
        raise DataError(what, "restore the run, or archive it again") from error
    values = [
        _add(crate, f"#{name}/{key}", {"@type": "PropertyValue", "name": key, "value": value})
        for key, value in said.items()
    ]
    files = [_add_file(crate, folder, file) for file in _files(run)]
    settings = crate.get(f"{name}/config.yaml")
    about = {"name": f"run {run.name} of profile {run.parent.name}", "additionalProperty": values}
    kept = crate.add_dataset(dest_path=f"{name}/", properties={**about, "hasPart": files})
    software = _add(
        crate,
        f"#gegcore-{trained['git_revision']}",
        {
            "@type": "SoftwareApplication",
            "name": "gegcore",
            "softwareVersion": trained["git_revision"],
            "softwareRequirements": [f"{package} {v}" for package, v in versions.items()],
        },
    )
    action = {"@type": "CreateAction", "name": f"training and evaluation on {device}"}
    times = {"endTime": created, "instrument": software, "object": settings, "result": kept}
    _add(crate, f"#{name}/made", {**action, **times})
    return str(created)


def _add_file(crate: ROCrate, folder: Path, file: Path) -> Any:
    about = {"contentSize": str(file.stat().st_size), "sha256": sha256_file(file)}
    if file.suffix in _FORMATS:
        about["encodingFormat"] = _FORMATS[file.suffix]
    return crate.add_file(dest_path=file.relative_to(folder).as_posix(), properties=about)


def _add(crate: ROCrate, identifier: str, properties: dict[str, Any]) -> Any:
    identifier = identifier.replace(" ", "-")
    return crate.get(identifier) or crate.add(ContextEntity(crate, identifier, properties))


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


def _yaml(path: Path) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {error}", "restore it") from error


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Describe a folder of archived runs."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.report.crate", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("results"))
    print(write_crate(parser.parse_args(arguments).folder))


if __name__ == "__main__":
    main()
