"""All checks, in the order of their lines: first what `make book` needs."""

from __future__ import annotations

from functools import partial

from bookkit.doctor import files, java, machine, packages
from bookkit.doctor.check import Check

_SETUP = "make setup"

CHECKS = (
    Check("Python", "runs everything", machine.python, _SETUP),
    Check("packages", "what gegcore itself imports", packages.packages, _SETUP),
    Check("book packages", "notebooks, pages", partial(packages.packages, "book"), _SETUP),
    Check(
        "PyTorch",
        "training, CLIP",
        machine.pytorch,
        "pip install --force-reinstall -c constraints.txt torch torchvision",
    ),
    Check("cores", "speed", machine.cores, _SETUP),
    Check("memory", "training, METEOR", machine.memory, _SETUP),
    Check("disk", "artifacts, runs, book", machine.disk, _SETUP),
    Check("folders", "where builds write", machine.folders, _SETUP),
    Check("Java", "METEOR, SPICE, PTB tokenizer", java.java, java.REINSTALL),
    Check(
        "PTB tokenizer",
        "words of captions in all language metrics",
        java.ptb_tokenizer,
        java.REINSTALL_METRICS,
        full=True,
    ),
    Check("METEOR", "a language metric", java.meteor, java.REINSTALL_METRICS, full=True),
    Check("emojis", "pictures of the world", files.pictures, _SETUP),
    Check("weights", "networks of the world", files.shipped_weights, files.RESTORE),
    Check("world CLIP", "reward, groups, retrieval", files.world_clip, files.RESTORE, full=True),
    Check("font", "letters of figures", files.fonts, _SETUP),
    Check("versions", "the same numbers as the book", packages.versions, _SETUP, needed=False),
    Check("SPICE", "one more language metric", java.spice, "gegcore setup-spice", needed=False),
    Check(
        "SPICE at work",
        "the same, really scoring",
        java.spice_at_work,
        "gegcore setup-spice",
        needed=False,
        full=True,
    ),
    Check("cache folder", "CoreNLP, SPICE's memory", machine.cache_folder, _SETUP, needed=False),
    Check("OpenAI CLIP", "photographs, as in the paper", files.paper_clip, _SETUP, needed=False),
    Check("test packages", "make test", partial(packages.packages, "test"), _SETUP, needed=False),
    Check(
        "examples",
        "examples/huggingface_geg.py",
        partial(packages.packages, "examples"),
        _SETUP,
        needed=False,
    ),
    Check("Chromium", "browser tests of the book", packages.chromium, _SETUP, needed=False),
)
