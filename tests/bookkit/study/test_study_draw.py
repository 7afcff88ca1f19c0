"""What a study asks: the paper's protocol, balanced, blind, and the same from the same seed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from two_captioners import PLAIN, RICH

from bookkit.study.design import SIMILAR, Study, read_study
from bookkit.study.draw import Pool, Size, draw_study
from gegcore.errors import ConfigError, DataError
from gegcore.storage import write_json

Systems = dict[str, dict[int | str, str]]


def test_a_target_stands_among_the_twenty_pictures_nearest_to_the_caption(
    study: Study, pool: Pool, systems: Systems
) -> None:
    for trial in study.retrieval.values():
        target = study.pictures[trial.target]
        assert trial.caption.text == systems[trial.caption.system][target]
        scores = dict(zip(pool.images, pool.similarity([trial.caption.text])[0], strict=True))
        nearest = sorted({*pool.images} - {target}, key=lambda image: -scores[image])[:SIMILAR]
        assert {study.pictures[name] for name in trial.pictures} == {target, *nearest}
        assert len(trial.pictures) == SIMILAR + 1
    places = [trial.pictures.index(trial.target) for trial in study.retrieval.values()]
    assert len({*places}) > 3


def test_every_picture_is_asked_for_with_every_system_and_in_one_experiment(study: Study) -> None:
    asked = Counter((trial.target, trial.caption.system) for trial in study.retrieval.values())
    assert len(asked) == 6 * 2 and {*asked.values()} == {1}
    searched = {target for target, _ in asked}
    compared = {trial.picture for trial in study.comparison.values()}
    practised = {study.practice.retrieval.target, study.practice.comparison.picture}
    assert len(searched) == len(compared) == 6
    assert len(searched | compared | practised) == 14
    for trial in study.comparison.values():
        assert {caption.system for caption in trial.captions.values()} == {PLAIN, RICH}


def test_forms_are_balanced(study: Study) -> None:
    """Nobody is asked for a picture twice, half of the captions are of each, all equally often."""
    for form in study.forms:
        trials = [study.retrieval[name] for name in form.retrieval]
        assert len(trials) == len({trial.target for trial in trials}) == 4
        assert Counter(t.caption.system for t in trials) == {PLAIN: 2, RICH: 2}
        assert len({study.comparison[name].picture for name in form.comparison}) == 4
    for kind in ("retrieval", "comparison"):
        answered = Counter(name for form in study.forms for name in getattr(form, kind))
        assert {*answered} == {*getattr(study, kind)} and len({*answered.values()}) == 1


@pytest.mark.parametrize(("pictures", "trials"), [(6, 4), (5, 5), (5, 3), (4, 1)])
def test_three_systems_are_balanced_too(
    systems: Systems, pool: Pool, pictures: int, trials: int
) -> None:
    study = draw_study(systems | {"third": systems[RICH]}, pool, Size(pictures, trials), 1, {})
    assert len(study.retrieval) == 3 * pictures and len(study.comparison) == 2 * pictures
    for kind in ("retrieval", "comparison"):
        answered = Counter(name for form in study.forms for name in getattr(form, kind))
        assert {*answered} == {*getattr(study, kind)} and len({*answered.values()}) == 1
    for trial in study.comparison.values():
        assert PLAIN in {caption.system for caption in trial.captions.values()}


def test_the_page_knows_no_system_target_image_or_seed(study: Study) -> None:
    shown = json.dumps(study.page())
    for secret in ("wordy", "terse", "target", "system", "seed", "invented"):
        assert secret not in shown
    assert not any(str(image) in shown for image in study.pictures.values())
    first = Counter(
        [*trial.captions.values()][0].system == RICH for trial in study.comparison.values()
    )
    assert len(first) == 2  # nor does the order of captions say whose they are


def test_same_seed_same_study_and_another_seed_another(
    study: Study, systems: Systems, pool: Pool
) -> None:
    about = {"profile": "invented"}
    assert draw_study(systems, pool, Size(6, 4), 7, about) == study
    other = draw_study(systems, pool, Size(6, 4), 8, about)
    assert other.digest != study.digest and {*other.pictures}.isdisjoint(study.pictures)


def test_what_cannot_be_drawn_is_said(systems: Systems, pool: Pool) -> None:
    with pytest.raises(ConfigError, match="cannot be drawn.*\n.*19 pictures"):
        draw_study(systems, pool, Size(20, 4), 0, {})
    with pytest.raises(ConfigError, match="cannot be drawn"):
        draw_study(systems, pool, Size(4, 5), 0, {})
    assert Size().of(1000) == (60, 20) and Size().of(24) == (11, 11)
    with pytest.raises(ConfigError, match="0 trials of 0 pictures"):
        Size().of(3)
    with pytest.raises(ConfigError, match="two systems"):
        draw_study({PLAIN: systems[PLAIN]}, pool, Size(6, 4), 0, {})
    small = Pool(pool.images[:20], pool.families[:20], pool.references[:20], pool.similarity)
    with pytest.raises(DataError, match="20 pictures are too few"):
        draw_study(systems, small, Size(1, 1), 0, {})


def test_families_and_pictures_without_a_caption_are_left_out(systems: Systems, pool: Pool) -> None:
    families = Pool(pool.images, pool.families // 2, pool.references, pool.similarity)
    missing = pool.images[:2]
    rich = {image: said for image, said in systems[RICH].items() if image not in missing}
    study = draw_study({**systems, RICH: rich}, families, Size(8, 8), 0, {})
    asked = {study.pictures[trial.target] for trial in study.retrieval.values()}
    asked |= {study.pictures[trial.picture] for trial in study.comparison.values()}
    assert len({pool.images.index(image) // 2 for image in asked}) == 16
    assert asked.isdisjoint(missing)


def test_a_key_is_read_as_it_was_written_and_nothing_else(study: Study, tmp_path: Path) -> None:
    write_json(tmp_path / "key.json", study.model_dump(mode="json"))
    assert read_study(tmp_path / "key.json") == study
    write_json(tmp_path / "key.json", {**study.model_dump(mode="json"), "seed": "7"})
    with pytest.raises(DataError, match="key.json is no key of a study: seed"):
        read_study(tmp_path / "key.json")
