"""The notebook with controls runs, and its controls change what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
import zmq
from ipywidgets import VBox
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from bookkit.play import widgets
from gegcore.errors import DataError
from gegcore.experiment.train import train
from gegcore.gap import group_embedding_gap
from gegcore.materials import Materials

NOTEBOOK = Path(__file__).resolve().parents[3] / "notebooks" / "lab" / "explore.ipynb"


@pytest.fixture(scope="module", autouse=True)
def run(materials: Materials) -> None:
    train(materials, "transformer", "mle", 1)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was displayed last."""
    found: list[Any] = []
    monkeypatch.setattr(widgets, "display", lambda *pieces: found.extend(pieces))
    return found


def move(box: VBox, **values: Any) -> None:
    for control in box.children:
        if getattr(control, "description", "") in values:
            control.value = values[control.description]


def test_groups_of_any_picture_and_size(materials: Materials, shown: list[Any]) -> None:
    box = widgets.groups(materials)
    shown.clear()
    move(box, K=3)
    assert shown[-1].body.count("<figure") == 4
    move(box, picture=7)
    group = materials.groups["test"]
    scores = [f"s = {score:.3f}" for score in group.score[7, :3].tolist()]
    assert all(score in shown[-1].body for score in scores)


def test_captions_of_a_run(materials: Materials, shown: list[Any]) -> None:
    box = widgets.captions(materials)
    shown.clear()
    move(box, picture=3)
    first = shown[-1].body
    assert first.count("<tr>") == 7 and "beam 3" in first and "sample 5" in first
    move(box, seed=5)
    assert shown[-1].body != first and shown[-1].body.count("<tr>") == 7
    move(box, beam=1)
    assert "beam 1" in shown[-1].body


def test_the_reward_of_a_caption_is_eq_7(materials: Materials, shown: list[Any]) -> None:
    box = widgets.reward(materials)
    shown.clear()
    said = materials.data["train"].records[4].captions[2]
    move(box, picture=4)
    move(box, caption=said)
    move(box, alpha=0.0, beta=10.0)
    table, index = materials.tables["train"], materials.groups["train"].index
    text = materials.clip.encode_texts([said])
    gap = float(group_embedding_gap(text, table.images[[4]], table.images[index[[4]]]).average)
    assert f"{gap:+.4f}" in shown[-1].body and f"= {10 * gap:+.3f}" in shown[-1].body


def test_without_runs_the_command_is_named(
    materials: Materials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="no trained run") as caught:
        widgets.captions(materials)
    assert "gegcore run --profile smoke" in caught.value.fix


class _Client(NotebookClient):
    """nbclient misses a reply that arrives while it answers an Output widget, and waits in vain.

    jupyter_client sends around zmq's asyncio socket, which so loses its wake-up (seen in one cell
    of fourteen); to ask for the socket's events wakes it.
    """

    def process_message(self, *message: Any) -> Any:
        try:
            return super().process_message(*message)
        finally:
            assert self.kc is not None
            self.kc.shell_channel.socket.get(zmq.EVENTS)


def test_the_notebook_runs(materials: Materials) -> None:
    """In a kernel, with a control that is moved there."""
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in book.cells)
    (parameters,) = [c for c in book.cells if "parameters" in c.metadata.get("tags", [])]
    parameters.source = 'profile = "smoke"'
    book.cells.append(
        new_code_cell("groups.children[1].value = 2\nprint(groups.children[-1].outputs)")
    )
    _Client(book, timeout=300, kernel_name="python3").execute()
    views = [
        output
        for cell in book.cells
        for output in cell.get("outputs", [])
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {})
    ]
    assert len(views) == 3
    assert "figure" in str(book.cells[-1].outputs)
