"""`gegcore prepare`: data, features, CLIP tables and groups of a profile.

`accelerate launch -m gegcore.cli prepare` shares features and groups between several GPUs.
"""

from __future__ import annotations

import argparse

from gegcore.commands.options import Commands, add_profile, say_calibration


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    prepare = commands.add_parser(
        "prepare", help="make data, features, CLIP tables and similar-image groups of a profile"
    )
    add_profile(prepare)
    prepare.add_argument(
        "--stage",
        choices=("data", "features", "clip", "groups"),
        help="make one stage and what it needs (default: all)",
    )
    prepare.set_defaults(function=_prepare)


def _prepare(arguments: argparse.Namespace) -> None:
    from gegcore.profiles import load_profile

    profile = load_profile(arguments.profile)
    from gegcore.materials import STAGES, Materials
    from gegcore.training.distributed import finish, start_accelerator

    state = start_accelerator()
    materials, several = Materials.of(profile, state.device), state.num_processes > 1
    for stage in STAGES if arguments.stage is None else (arguments.stage,):
        with state.main_process_first():  # which downloads weights, and makes what is not shared
            if several and stage == "groups":
                materials.make("clip")
            if not several or stage in ("data", "clip"):
                materials.make(stage)
        if several:
            materials.make_share(stage, (state.process_index, state.num_processes))
            state.wait_for_everyone()
            with state.main_process_first():
                materials.make(stage)  # opens what all have made
    embedded = arguments.stage in (None, "clip", "groups")
    if state.is_main_process and embedded and materials.calibration:
        say_calibration(materials.calibration)
    if finish():
        print(f"{profile.name}: {arguments.stage or 'all stages'} ready in {materials.folder}")
