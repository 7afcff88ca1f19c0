"""Controls for JupyterLab: similar groups, captions and rewards of one picture, as they change.

Each function returns a widget; what it shows is computed by gegcore when a control is moved.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from IPython.display import display
from ipywidgets import Dropdown, FloatSlider, IntSlider, Text, VBox, interactive_output

from bookkit.report.captions import group_strip
from bookkit.report.page import Html
from gegcore.decoding import beam_search, decode
from gegcore.errors import DataError
from gegcore.experiment.captioning import load_captioner
from gegcore.gap import group_embedding_gap
from gegcore.groups import SimilarGroups, similar_groups
from gegcore.materials import Materials
from gegcore.models.captioner import Captioner
from gegcore.rewards import CiderD
from gegcore.runs import TRAINED


def groups(materials: Materials, split: str = "test") -> VBox:
    """A picture and the K most like it (Eq. 2), for any picture and K."""
    table, data = materials.tables[split], materials.data[split]

    def show(picture: int, k: int) -> None:
        row = range(picture, picture + 1)
        found = similar_groups(table.images, table.captions, table.caption_image, k, rows=row)
        # As a row of all: the strip looks a picture up by its position.
        index, score = (x.expand(picture + 1, -1) for x in (found.index, found.score))
        display(group_strip(data, SimilarGroups(index, score), picture))

    most = min(10, len(data.records) - 1)
    k = IntSlider(materials.profile.group_size, 1, most, description="K")
    return _controls(show, picture=_picture(materials, split), k=k)


def captions(materials: Materials, split: str = "test") -> VBox:
    """What a trained run says of a picture: greedily, by beam search, and in samples.

    Raises:
        DataError: the profile has no trained run.
    """
    store, words, profile = materials.features[split], materials.vocabulary, materials.profile
    runs = {
        profile.run(*name).name: name
        for name in profile.experiments.runs()
        if profile.run(*name).file(TRAINED).is_file()
    }
    if not runs:
        fix = f"make one: gegcore run --profile {profile.name} --objective mle"
        raise DataError(f"profile '{profile.name}' has no trained run", fix)

    @cache
    def captioner(run: str) -> Captioner:
        return load_captioner(materials, profile.run(*runs[run]), runs[run][0])

    def show(run: str, picture: int, temperature: float, beam: int, seed: int) -> None:
        model = captioner(run)
        batch = store.batch([picture]).to(materials.device)
        limits: dict[str, Any] = {"max_len": profile.max_len, "forbid": words.forbidden}
        generator = torch.Generator(materials.device).manual_seed(seed)
        drawn = decode(model, batch, 5, temperature=temperature, generator=generator, **limits)
        best = beam_search(model, batch, beam, profile.max_len, words.forbidden).tokens[0, 0]
        said = {"greedy": drawn.tokens[0, 0], f"beam {beam}": best}
        said |= {f"sample {n + 1}": tokens for n, tokens in enumerate(drawn.tokens[0, 1:])}
        _show(materials, split, picture, {k: words.decode(v.tolist()) for k, v in said.items()})

    return _controls(
        show,
        run=Dropdown(options=list(runs), value=list(runs)[-1], description="run"),
        picture=_picture(materials, split),
        temperature=FloatSlider(1.0, min=0.1, max=2.0, step=0.1, description="temperature"),
        beam=IntSlider(3, 1, 8, description="beam"),
        seed=IntSlider(0, 0, 99, description="seed"),
    )


def reward(materials: Materials, split: str = "train") -> VBox:
    """What a caption of a training picture earns (Eq. 7), term by term, for any alpha and beta."""
    data, table = materials.data[split], materials.tables[split]
    words, index = materials.vocabulary, materials.groups[split].index
    cider = CiderD(materials.references(split), len(words))
    weights = materials.profile.objective("scst_geg").rewards

    def show(picture: int, caption: str, alpha: float, beta: float) -> None:
        text = caption.strip() or data.records[picture].captions[0]
        ids = torch.tensor([[words.encode(text)[: materials.profile.max_len]]]).reshape(1, 1, -1)
        language = float(cider(ids, torch.tensor([picture]))[0, 0])
        embedding = materials.clip.rewarding.encode_texts([text]).cpu()
        own, group = table.images[[picture]], table.images[index[[picture]]]
        gap = float(group_embedding_gap(embedding, own, group).average)
        terms = {"caption": text, "CIDEr-D": f"{language:.3f}", "GEG-Avg": f"{gap:+.4f}"}
        total = alpha * language + beta * gap
        terms["reward"] = f"{alpha:g} x {language:.3f} + {beta:g} x {gap:+.4f} = {total:+.3f}"
        _show(materials, split, picture, terms)

    return _controls(
        show,
        picture=_picture(materials, split),
        caption=Text("", placeholder="empty: its first reference caption", description="caption"),
        alpha=FloatSlider(
            weights.get("cider", 0.0), min=0.0, max=1.0, step=0.05, description="alpha"
        ),
        beta=FloatSlider(
            weights.get("geg_avg", 0.0), min=0.0, max=20.0, step=0.5, description="beta"
        ),
    )


def _controls(show: Callable[..., None], **controls: Any) -> VBox:
    """Controls above what they show; text is taken when it is entered."""
    for control in controls.values():
        control.continuous_update = False
    return VBox([*controls.values(), interactive_output(show, controls)])


def _picture(materials: Materials, split: str) -> IntSlider:
    return IntSlider(0, 0, len(materials.data[split].records) - 1, description="picture")


def _show(materials: Materials, split: str, picture: int, rows: dict[str, str]) -> None:
    """The picture with its group, and a table of names and texts below it."""
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    strip = group_strip(materials.data[split], materials.groups[split], picture)
    display(strip, Html(f"<table>{cells}</table>"))
