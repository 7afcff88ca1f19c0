"""Profiles are checked before anything runs, and errors name the field and the fix."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gegcore import profiles
from gegcore.errors import ConfigError
from gegcore.profiles import Profile, load_profile, profile_names


def mine(folder: Path, text: str) -> Path:
    """A profile of one's own."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", profile_names())
def test_shipped_profiles_are_valid(name: str) -> None:
    profile = load_profile(name)
    for objective in profile.experiments.objectives:
        profile.objective(objective)


def test_paper_settings_are_the_defaults() -> None:
    profile = load_profile("smoke").model_copy(update={"objectives": {}})
    geg = profile.objective("scst_geg")
    assert (geg.rewards, geg.epochs) == ({"cider": 0.1, "geg_avg": 10.0}, 10)
    assert (geg.learning_rate, geg.betas, geg.eps) == (5e-5, (0.9, 0.999), 1e-8)
    assert geg.baseline == "greedy"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("data: {train: 10, val: 10, test: 3}\ngroup_size: 5", "K = 5.*3 images of the test split"),
        ("data: {train: 10, val: 10, test: 10}\nmodels: {transfomer: {}}", "'transfomer'"),
        ("data: {train: 10, val: 10, test: 10}\nobjectives: {scts: {}}", "objective 'scts'"),
        ("data: {train: 10, val: 10, test: 10}\nobjectives: {mle: {epochs: 0}}", "field 'epochs'"),
        ("data: {train: 10, val: 10, test: 10}\ngroup_sizes: 5", "field 'group_sizes'"),
        ("data: {train: 10, val: 10}\nexperiments: {objectives: [scst]}\ngroup_size: 2", "'mle'"),
        (
            "data: {train: 10, val: 10, test: 10}\ngroup_size: 2\n"
            "experiments: {ablations: {models: [xlan], objectives: [scst_er]}}",
            "'scst_er' starts from 'scst'",
        ),
        ("data: {train: 10, val: 10, test: 10, tset: 3}", "field 'tset'"),
        ("data: [", "not valid YAML"),
    ],
)
def test_bad_profiles_are_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_profile(str(path))


@pytest.mark.parametrize(
    ("text", "field", "value", "near"),
    [
        ("group_sizes: 5", "group_sizes", "", "group_size"),
        ("experiments: {objectivs: [mle]}", "experiments.objectivs", "", "objectives"),
        ("data: {trian: 5}", "trian", "", "train"),
        ("objectives: {mle: {epoch: 1}}", "epoch", "", "epochs"),
        ("objectives: {scst: {until: {metrc: R@1}}}", "until.metrc", "", "metric"),
        ("models: {m2: {widht: 64}}", "widht", "", "width"),
        ("objectives: {scst: {rewards: {cidr: 1}}}", "objectives.scst.rewards", "cidr", "cider"),
        (
            "objectives_by_model: {xlan: {scst: {rewards: {cidr: 1}}}}",
            *("objectives_by_model.xlan.scst.rewards", "cidr", "cider"),
        ),
        (
            'metrics: ["emoji_scenes.truth:truth_metrics"]',
            *("metrics", "emoji_scenes.truth:truth_metrics", "truth_metric"),
        ),
        ("data: {extractor: scene}", "data.extractor", "scene", "scenes"),
        ("judges: {x: scenes-vs}", "judges.x", "scenes-vs", "scenes-vse"),
        ("judges: {x: ViT-B-23}", "judges.x", "ViT-B-23", "ViT-B-32"),
        ("clip: scenes-clp", "clip", "scenes-clp", "scenes-clip"),
        ("clip: ViT-B-23", "clip", "ViT-B-23", "ViT-B-32"),
        ("clip: ViT-B-32\nclip_pretrained: opnai", "clip_pretrained", "opnai", "openai"),
    ],
)
def test_a_misspelt_name_or_field_is_refused_with_the_nearest(
    tmp_path: Path, text: str, field: str, value: str, near: str
) -> None:
    """Before anything is computed: of a reward also where no objective of the grid has it."""
    path = mine(tmp_path, f"extends: smoke\n{text}\n")
    with pytest.raises(ConfigError, match=rf"field '{re.escape(field)}'.*{value}") as caught:
        load_profile(str(path))
    assert f"did you mean '{near}'" in caught.value.fix
    if value:
        assert caught.value.what.startswith("profile 'mine' (mine.yaml)")


@pytest.mark.parametrize(
    "text",
    [
        "clip: ViT-B-32-quickgelu\nclip_pretrained: openai",
        "clip: ViT-B-32\nclip_pretrained: not/here/yet.safetensors",
        "judges: {x: ViT-B-32-quickgelu, y: scenes-clip, z: scenes-vse}",
        'metrics: ["needy_metric:score"]',
    ],
)
def test_names_that_are_right_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """What they need, a file or a package, may be on another machine."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needy_metric.py").write_text("import surely_not_installed\n")
    path = mine(tmp_path, f"extends: smoke\n{text}\n")
    assert load_profile(str(path)).name == "mine"


def test_a_tag_of_the_other_activation_is_refused(tmp_path: Path) -> None:
    path = mine(tmp_path, "extends: smoke\nclip: ViT-B-32\nclip_pretrained: openai\n")
    with pytest.raises(ConfigError, match="field 'clip_pretrained'.*QuickGELU") as caught:
        load_profile(str(path))
    assert caught.value.fix == "use 'ViT-B-32-quickgelu' with these weights"


@pytest.mark.parametrize(
    ("grid", "captioner", "fix"),
    [
        ("{models: [updown]}", "xlan", "add 'xlan' to experiments.models, or set `ablations: {m"),
        ("{objectives: [mle, scst_geg]}", "lstm_a3", "add 'scst' to experiments.objectives"),
        ("{by_model: {xlan: [stray]}}", "xlan", "add 'mle_geg' to experiments.by_model.xlan"),
    ],
)
def test_a_start_that_is_not_run_is_said_by_its_cause(
    tmp_path: Path, grid: str, captioner: str, fix: str
) -> None:
    path = tmp_path / "mine.yaml"
    stray = "objectives: {stray: {loss: self_critical, start_from: mle_geg}}"
    path.write_text(f"extends: coco\n{stray}\nexperiments: {grid}\n")
    with pytest.raises(ConfigError, match=f"captioner '{captioner}': objective") as caught:
        load_profile(str(path))
    assert caught.value.fix.startswith(fix)


MINIMAL = "data: {train: 10, val: 10, test: 10}\n"


@pytest.mark.parametrize(
    "text",
    [
        "name: ../../outside",
        "name: a b",
        "name: 'x; touch ran'",
        "name: $(touch ran)",
        'name: "a\\nb"',
        "name: ''",
        "name: ..",
        "name: ü",
        "name: 7",
        "name: {a: 1}",
    ],
)
def test_a_name_that_is_no_name_of_a_folder_is_refused(tmp_path: Path, text: str) -> None:
    path = mine(tmp_path, f"{MINIMAL}{text}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml.*field 'name'") as caught:
        load_profile(str(path))
    assert caught.value.fix == "mend mine.yaml; without `name` it is that of the file"


@pytest.mark.parametrize("file", ["my profile.yaml", "a;b.yml", "$(id).yaml", "..yaml", "ü.yaml"])
def test_a_name_from_a_files_name_is_held_to_the_same(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.write_text(MINIMAL)
    with pytest.raises(ConfigError, match=re.escape(f"({file}), field 'name'")):
        load_profile(str(path))
    path.write_text(f"{MINIMAL}name: my-own_2\n")
    assert load_profile(str(path)).name == "my-own_2"


def test_a_variant_cannot_lead_out_of_the_runs(tmp_path: Path) -> None:
    path = mine(tmp_path, f"{MINIMAL}variant: /../../outside\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml.*field 'variant'"):
        load_profile(str(path))


def test_a_path_is_that_file_and_a_name_is_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smoke.yaml").write_text("extends: smoke\ndata: {train: 33}\n")
    (tmp_path / "below").mkdir()
    for folder, name in (
        (tmp_path, "smoke.yaml"),
        (tmp_path, "./smoke.yaml"),
        (tmp_path / "below", "../smoke.yaml"),
        (tmp_path / "below", str(tmp_path / "smoke.yaml")),
    ):
        monkeypatch.chdir(folder)
        assert load_profile(name).data.size("train") == 33
    monkeypatch.chdir(tmp_path)
    assert load_profile("smoke").data.size("train") != 33, "a name is one of config/"
    for name in ("./smoke", "../smoke", str(tmp_path / "smoke"), "", "smoke\n"):
        with pytest.raises(ConfigError, match="there is no profile"):
            load_profile(name)
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "below/smoke.yaml"))) as caught:
        load_profile("below/smoke.yaml")  # where it was looked for
    assert "did you mean 'smoke'" in caught.value.fix
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_profile("~/smoke.yaml").data.size("train") == 33


@pytest.mark.parametrize("parent", ["../quick", "/etc/passwd", "quick.yaml", "[quick]", "7", "''"])
def test_only_a_name_can_be_extended(tmp_path: Path, parent: str) -> None:
    path = mine(tmp_path, f"extends: {parent}\n")
    (tmp_path / "quick.yaml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match="field 'extends'.*no such profile"):
        load_profile(str(path))


def test_a_file_may_extend_through_a_profile_of_its_own_name(tmp_path: Path) -> None:
    """`standard` extends `quick`; that this file is another `quick` makes no circle."""
    path = tmp_path / "quick.yaml"
    path.write_text("extends: standard\ngroup_size: 3\n")
    assert load_profile(str(path)).experiments == load_profile("standard").experiments


def test_ablations_are_further_objectives_of_some_captioners() -> None:
    grid = load_profile("standard").experiments
    runs = grid.runs()
    assert len(runs) == len(set(runs)) == 7 * 4 * 3 + 3 * 4 * 3
    assert {model for model, objective, _ in runs if objective == "scst_er"} == {
        *grid.ablations.models
    }


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"name: \x1b"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load_profile(str(path))


@pytest.mark.parametrize("model", ["../theirs:Net", "a b:Net", "a:b/../../c", "..a:B", "a;b:C"])
def test_what_a_profile_names_is_a_python_name(tmp_path: Path, model: str) -> None:
    path = mine(tmp_path, f"{MINIMAL}experiments: {{models: ['{model}']}}\n")
    with pytest.raises(ConfigError, match="captioner.*is no package.module:object"):
        load_profile(str(path))


def test_unknown_profile_suggests_a_known_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smoke'"):
        load_profile("smokee")


def test_a_profile_can_extend_another(tmp_path: Path) -> None:
    path = mine(tmp_path, "extends: quick\ndata: {train: 700}\nobjectives: {mle: {epochs: 2}}\n")
    own, quick = load_profile(str(path)), load_profile("quick")
    assert (own.name, own.data.train, own.data.test) == ("mine", 700, quick.data.test)
    assert own.objective("mle").epochs == 2
    assert own.objective("mle").learning_rate == quick.objective("mle").learning_rate
    assert own.models == quick.models


@pytest.mark.parametrize(
    ("text", "named"),
    [("extends: quik", "quik"), ("- a\n- b", "holds no fields"), ("extends: mine", "mine")],
)
def test_a_profile_cannot_extend_nothing_or_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, named: str
) -> None:
    monkeypatch.setattr(profiles, "CONFIG_FOLDER", tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=named):
        load_profile("mine")


def test_a_model_may_have_settings_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = "extends: quick\nobjectives_by_model: {xlan: {mle: {learning_rate: 2.0e-3}}}\n"
    path.write_text(text, encoding="utf-8")
    profile = load_profile(str(path))
    assert profile.objective("mle", "xlan").learning_rate == 2.0e-3
    assert profile.objective("mle", "transformer") == profile.objective("mle")
    assert profile.objective("mle", "xlan").epochs == profile.objective("mle").epochs


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ("{vgg: {mle: {epochs: 2}}}", "'vgg'"),
        ("{xlan: {ml: {epochs: 2}}}", "objective 'ml'"),
        ("{xlan: {mle: {epoch: 2}}}", "field 'epoch'"),
    ],
)
def test_wrong_settings_of_a_model_are_named(tmp_path: Path, fields: str, named: str) -> None:
    path = mine(tmp_path, f"extends: quick\nobjectives_by_model: {fields}\n")
    with pytest.raises(ConfigError, match=re.escape(named)):
        load_profile(str(path))


ALIASES = [("m2", "meshed_memory"), ("up_down", "updown"), ("x_lan", "xlan")]


@pytest.mark.parametrize(("alias", "name"), ALIASES)
@pytest.mark.parametrize("profile", ["standard", "coco"])  # sizes and rates of ours; recipes
def test_another_name_of_a_captioner_is_the_same_captioner(
    profile: str, alias: str, name: str
) -> None:
    found = load_profile(profile)
    assert found.sizes(alias) == found.sizes(name)
    for objective in ("mle", "scst", "scst_geg"):
        assert found.objective(objective, alias) == found.objective(objective, name)
        assert found.settings(alias, objective) == found.settings(name, objective)
        assert found.run(alias, objective, 1) == found.run(name, objective, 1)
    changed = found.changed(alias, "scst", epochs=7)
    assert changed == found.changed(name, "scst", epochs=7) != found
    assert changed.objective("scst", name).epochs == 7


@pytest.mark.parametrize(("alias", "name"), ALIASES)
def test_a_file_may_call_a_captioner_by_another_name(tmp_path: Path, alias: str, name: str) -> None:
    """Also on top of a profile that has the usual one: field by field, as under that name."""
    path = tmp_path / "mine.yaml"
    text = (
        "extends: quick\n"
        "models: {NAME: {region_dropout: 0.3}}\n"
        "objectives_by_model: {NAME: {mle: {label_smoothing: 0.2}}}\n"
        "experiments: {models: [transformer, NAME], by_model: {NAME: [scst_er]},"
        " ablations: {models: [NAME], objectives: [mle_geg]}}\n"
    )
    profiles = []
    for each in (alias, name):
        path.write_text(text.replace("NAME", each))
        profiles.append(load_profile(str(path)))
    assert profiles[0] == profiles[1]
    sizes = load_profile("quick").sizes(name)
    assert profiles[0].sizes(alias) == sizes | {"region_dropout": 0.3}
    assert profiles[0].objective("mle", alias).label_smoothing == 0.2
    assert {(name, "mle_geg", 1), (name, "scst_er", 1)} <= {*profiles[0].experiments.runs()}
    fields = profiles[0].model_dump()
    fields["models"][alias] = fields["models"].pop(name)
    assert profiles[0] == Profile.model_validate(fields)


@pytest.mark.parametrize("field", ["models", "objectives_by_model", "experiments: {by_model"])
def test_one_captioner_under_two_names_is_refused(tmp_path: Path, field: str) -> None:
    path = tmp_path / "mine.yaml"
    end = "}" if "{" in field else ""
    path.write_text(f"extends: quick\n{field}: {{xlan: {{}}, x_lan: {{}}}}{end}\n")
    named = field.split("{")[-1]
    with pytest.raises(ConfigError, match=rf"mine\.yaml, field '{named}': 'xlan'.*two") as caught:
        load_profile(str(path))
    assert caught.value.fix == "write all of it under 'xlan'"


def test_another_kind_of_data_set_replaces_the_old_one(tmp_path: Path) -> None:
    """Its fields are its own; a change of some fields of the same kind keeps the others."""
    (tmp_path / "theirs_data.py").write_text(
        "from gegcore.data.dataset import DataSettings\n"
        "class Few(DataSettings):\n"
        "    count: int\n"
        "    def size(self, split): return self.count\n"
        "    def open(self, split, folder): raise NotImplementedError\n"
    )
    path = mine(tmp_path, 'extends: quick\ndata: {kind: "theirs_data:Few", count: 9}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        profile = load_profile(str(path))
        assert profile.data.size("val") == profile.data.count == 9
        assert profile.model_dump(mode="json")["data"]["kind"] == "theirs_data:Few"
        path.write_text('extends: quick\ndata: {kind: "theirs_data:Few", cuont: 9}\n')
        with pytest.raises(ConfigError, match="data"):
            load_profile(str(path))
        path.write_text('extends: quick\ndata: {kind: "theirs_data:Fewer"}\n')
        with pytest.raises(ConfigError, match="dataset 'theirs_data:Fewer' cannot be found"):
            load_profile(str(path))


def test_nothing_changed_is_the_same_profile() -> None:
    profile = load_profile("quick")
    own = profile.objective("scst_geg", "updown")
    same = profile.changed(
        *("updown", "scst_geg", profile.group_size),
        **{"rewards": own.rewards, "epochs": own.epochs, "learning_rate": None},
    )
    assert same is profile and profile.changed("updown", "mle") is profile


def test_changed_settings_are_of_one_run_and_have_a_variant() -> None:
    profile = load_profile("quick")
    rewards = {"cider": 0.1, "geg_avg": 2.0}
    changed = profile.changed("xlan", "scst_geg", group_size=3, rewards=rewards, epochs=1)
    config = changed.objective("scst_geg", "xlan")
    assert (changed.group_size, config.rewards, config.epochs) == (3, rewards, 1)
    assert config.select == profile.objective("scst_geg").select
    assert changed.objective("scst_geg", "transformer") == profile.objective("scst_geg")
    assert changed.objective("scst", "xlan") == profile.objective("scst", "xlan")
    assert profile.group_size == 5 and profile.variant == ""
    others = [
        profile.changed("xlan", "scst_geg", rewards=rewards, epochs=1),
        profile.changed("xlan", "scst_geg", 3, rewards=rewards),
        profile.changed("xlan", "scst_geg", 3, rewards={**rewards, "cider": 0}, epochs=1),
        changed.changed("xlan", "scst_geg", epochs=2),
    ]
    assert len({other.variant for other in (profile, changed, *others)}) == 6
    assert profile.changed("xlan", "scst_geg", 3, rewards=rewards, epochs=1) == changed


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"epoch": 2}, "field 'epoch'"),
        ({"epochs": 0}, "field 'epochs'"),
        ({"rewards": {"cider": "much"}}, r"field 'rewards\.cider'"),
        ({"betas": [1.5, 0.999]}, r"field 'betas\.0'"),
        ({"betas": [0.9, 1]}, r"field 'betas\.1'"),
        ({"betas": [-0.1, 0.9]}, r"field 'betas\.0'"),
        ({"betas": [0.9, float("nan")]}, r"field 'betas\.1'"),
        ({"clip_value": -1}, "field 'clip_value'"),
        ({"clip_value": 0}, "field 'clip_value'"),
        ({"clip_norm": -1}, "field 'clip_norm'"),
        ({"clip_norm": float("nan")}, "field 'clip_norm'"),
        ({"baseline": "mean_of_others", "samples": 1}, "field 'baseline'.*1 sample"),
        ({"start_from": "scst_geg"}, "circle: scst_geg -> scst_geg"),
        ({"start_from": "scst_goe"}, "unknown objective 'scst_goe'"),
        ({"group_size": 0}, "field 'group_size'"),
        ({"group_size": 500}, "K = 500 images need more than the 500 images of the val split"),
    ],
)
def test_wrong_changes_are_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_profile("quick").changed("transformer", "scst_geg", **fields)


def test_one_setting_of_a_loss_of_ones_own_can_be_changed() -> None:
    profile = load_profile("rivals")
    changed = profile.changed("attention", "disc_cap", **{"loss_settings.weight": 3})
    assert changed.objective("disc_cap", "attention").loss_settings == {"weight": 3}
    assert profile.objective("disc_cap", "attention").loss_settings == {}
    with pytest.raises(ConfigError, match="field 'weigth'"):
        profile.changed("attention", "disc_cap", **{"loss_settings.weigth": 3})
    with pytest.raises(ConfigError, match="no settings of its own"):
        profile.changed("attention", "mle", **{"loss_settings.weight": 3})


def test_an_unknown_objective_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown objective 'scst_gegg'") as caught:
        load_profile("quick").objective("scst_gegg")
    assert caught.value.fix.startswith("did you mean 'scst_geg'? ")


def test_stages_are_the_way_from_the_first() -> None:
    profile = load_profile("quick")
    assert profile.stages("scst_geg") == ["mle", "scst", "scst_geg"]
    assert profile.stages("mle") == ["mle"]


def test_changed_settings_name_a_run_of_their_own() -> None:
    smoke = load_profile("smoke")
    same = {"cider": 0.1, "geg_avg": 10.0}
    assert smoke.changed("xlan", "scst_geg", 5, rewards=same, epochs=None) is smoke
    more, fewer = (smoke.changed("xlan", "scst_geg", k, epochs=3) for k in (None, 4))
    assert len({smoke.variant, more.variant, fewer.variant}) == 3
    assert (more.objective("scst_geg", "xlan").epochs, fewer.group_size) == (3, 4)
    assert more.objective("scst_geg", "updown") == smoke.objective("scst_geg", "updown")
    with pytest.raises(ConfigError, match="'mle' has no reward to change"):
        smoke.changed("xlan", "mle", rewards={"cider": 1.0, "geg_avg": 2.0})


def test_none_is_a_value_of_what_may_be_none() -> None:
    quick = load_profile("quick")
    assert quick.changed("xlan", "scst", epochs=None, until=None) is quick
    changed = quick.changed("xlan", "scst", clip_value=None, epochs=None)
    wanted = quick.objective("scst", "xlan").model_copy(update={"clip_value": None})
    assert changed.objective("scst", "xlan") == wanted and changed.variant
    assert changed.stages("scst") == ["mle", "scst"]
    assert quick.changed("xlan", "scst", start_from=None).stages("scst", "xlan") == ["scst"]


@pytest.mark.parametrize(
    ("text", "circle"),
    [
        ("objectives: {scst: {start_from: scst}}", "scst -> scst"),
        ("objectives: {scst: {start_from: scst_geg}}", "scst(_geg)? -> scst(_geg)? -> scst(_geg)?"),
        ("objectives_by_model: {xlan: {mle: {start_from: scst}}}", "mle -> scst -> mle"),
        ("objectives_by_model: {xlan: {mle: {start_from: scst_er}}}", "mle -> scst_er -> scst ->"),
    ],
)
def test_objectives_in_a_circle_are_named(tmp_path: Path, text: str, circle: str) -> None:
    path = mine(tmp_path, f"extends: quick\n{text}\n")
    with pytest.raises(ConfigError, match=f"start from each other in a circle: {circle}") as caught:
        load_profile(str(path))
    assert "start_from" in caught.value.fix


def test_a_circle_that_no_run_of_the_profile_meets_is_found_when_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    own = "{loss: self_critical, start_from: %s}"
    path.write_text(f"extends: quick\nobjectives: {{a: {own % 'b'}, b: {own % 'a'}}}\n")
    profile = load_profile(str(path))
    with pytest.raises(ConfigError, match="circle: a -> b -> a"):
        profile.run("xlan", "a", 1)
    with pytest.raises(ConfigError, match="circle: b -> a -> b"):
        profile.stages("b")
