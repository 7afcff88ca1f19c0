"""A study as a folder: `page/` for participants, `key.json` and `answers/` for the researcher."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bookkit.report.results import Runs, family_of
from bookkit.study.design import ANSWERS, KEY, Study
from bookkit.study.draw import Captions, Pool, Size, draw_study
from caption_evaluation.captions_file import read_captions
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from gegcore.data.dataset import CaptionDataset
from gegcore.errors import ConfigError, some
from gegcore.materials import Materials
from gegcore.profiles import Profile
from gegcore.storage import atomic_write, write_json, write_text
from photographs.dataset import Captioned, Photographs

_PAGE = Path(__file__).with_name("page")
_SIDE = 384  # pixels, the longer one
_CREDIT = (
    "The pictures are adaptations of emojis designed by OpenMoji, the open-source emoji and icon "
    "project, under CC BY-SA 4.0."
)


def study_of(
    profile: Profile, systems: Sequence[str], size: Size, seed: int, model: str = "", run: int = 0
) -> tuple[Study, Materials]:
    """A study of objectives of stored runs, or of files of captions: `NAME=captions.json`.

    Args:
        model: captioner of the runs; default: the first.
        run: seed of the runs; default: the first.

    Raises:
        ConfigError: an objective without such a run; or as `draw_study`, whose DataErrors too.
        DataError: no runs, or as `read_captions`.
    """
    captions: dict[str, Captions] = {}
    about = {"profile": profile.name}
    for name in systems:
        label, _, file = name.partition("=")
        if file:
            read = read_captions(Path(file)).items()
            captions[label] = {Captioned(image, "", ()).number: text for image, text in read}
        else:
            label = profile.objective(name).label
            about[label], captions[label] = _run(Runs.of(profile), name, model, run)
    materials = Materials.of(profile)
    return draw_study(captions, pool_of(materials), size, seed, about), materials


def _run(runs: Runs, objective: str, model: str, seed: int) -> tuple[str, Captions]:
    """Name and captions of a run."""
    for (its, name, number), run in runs.folders.items():
        if name == objective and its == (model or its) and number == (seed or number):
            return run.name, dict(run.captions().items())
    there = some(run.name for run in runs.folders.values())
    raise ConfigError(
        f"no run of objective '{objective}' with model '{model}' and seed {seed or 'any'}",
        f"there are: {there}; or give a file of captions, {objective}=captions.json",
    )


def pool_of(materials: Materials) -> Pool:
    """The test pictures of a profile, made ready if they are not."""
    data, table, clip = materials.data["test"], materials.tables["test"], materials.clip
    images = [record.image_id for record in data.records]
    return Pool(
        images=images,
        families=family_of(materials.profile, pd.Series(images)).to_numpy(),
        references=[record.captions[0] for record in data.records],
        similarity=lambda texts: (clip.encode_texts(texts).cpu() @ table.images.T).numpy(),
    )


def write_kit(study: Study, data: CaptionDataset, contact: str, folder: Path) -> None:
    """Write everything; the key last, so that a folder with a key is whole.

    Args:
        data: has the pictures.
        contact: who asks, and how to reach them: shown to participants.

    Raises:
        ConfigError: there is a study already, whose answers would lose their key.
    """
    if (folder / KEY).exists():
        raise ConfigError(f"{folder} has a study already", "name another folder, or move it away")
    row_of: dict[int | str, int] = {record.image_id: row for row, record in enumerate(data.records)}
    for name, image in study.pictures.items():
        with atomic_write(folder / "page" / "pictures" / f"{name}.webp", "wb") as stream:
            _picture(data, row_of[image]).save(stream, "WEBP", quality=88)
    for path in sorted(_PAGE.iterdir()):
        shutil.copy(path, folder / "page")
    credit = _CREDIT if isinstance(data, ScenesDataset) else ""
    shown = {**study.page(), "contact": contact, "credit": credit}
    content = json.dumps(shown, separators=(",", ":"))
    write_text(folder / "page" / "data.js", f"studyPage.start({content});\n")
    (folder / ANSWERS).mkdir(exist_ok=True)
    write_json(folder / KEY, study.model_dump(mode="json"))


def _picture(data: CaptionDataset, row: int) -> Image.Image:
    """Pixels and nothing else: no place, no date, no name of a camera."""
    if isinstance(data, ScenesDataset):
        return Image.fromarray(paint(data.scene(row), _SIDE))
    if not isinstance(data, Photographs):
        return Image.fromarray(data.images([row])[0])
    bare = Image.fromarray(np.asarray(data.originals([row])[0]))
    bare.thumbnail((_SIDE, _SIDE))
    return bare
