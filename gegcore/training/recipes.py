"""How X-modaler trains each of the seven captioners: settings of an objective, by model.

Read from the configurations and launch scripts that X-modaler publishes (Li et al. 2021; snapshot
ed1f5590). Batches are those of all GPUs together, as gradients are averaged over them: 4 GPUs, but
1 for LSTM-A3, and 12 for GCN-LSTM with SCST. What is not listed here is as in `config.OBJECTIVES`.

Of +GEG, +ER and GEG-sole the paper gives learning rate and epochs, one for all models (Sec. 4.1),
and no batch size: we take that of the model's SCST recipe. +SCST++ is SCST gone on with (Sec. 4.4).
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

_STEPS_OF_3: Settings = {"schedule": "step", "decay": 0.8, "decay_every": 3}
_STEPS_OF_10: Settings = {"schedule": "step", "decay": 0.8, "decay_every": 10}


def _noam(width: int, warmup_steps: int = 10_000) -> Settings:
    """Vaswani et al. 2017, Eq. 3, whose rate peaks at the end of the warm-up."""
    peak = width**-0.5 * warmup_steps**-0.5
    return {"schedule": "noam", "warmup_steps": warmup_steps, "learning_rate": peak}


_RECURRENT: Settings = {
    "epochs": 30,
    "images_per_step": 32,
    "label_smoothing": 0.0,
    "learning_rate": 5e-4,
    **_STEPS_OF_3,
    "scheduled_sampling": {"start": 0, "every": 5, "increase": 0.05, "most": 0.25},
}
_TRANSFORMER: Settings = {
    "epochs": 30,
    "images_per_step": 32,
    "label_smoothing": 0.1,
    **_noam(512),
}

CROSS_ENTROPY: dict[str, Settings] = {
    "lstm_a3": {**_RECURRENT, "images_per_step": 8},
    "attention": _RECURRENT,
    "updown": _RECURRENT,
    "gcn_lstm": {
        **_RECURRENT,
        "epochs": 300,
        "images_per_step": 200,
        "captions_per_image": 1,
        "decay_every": 15,
        "scheduled_sampling": {"start": 0, "every": 25, "increase": 0.05, "most": 0.25},
    },
    "transformer": _TRANSFORMER,
    "meshed_memory": {**_TRANSFORMER, "images_per_step": 40, "betas": (0.9, 0.98)},
    "xlan": {
        "epochs": 70,
        "images_per_step": 40,
        "label_smoothing": 0.0,
        **_noam(1024),
        "betas": (0.9, 0.98),
        "eps": 1e-9,
        "clip_value": None,
        "clip_norm": 0.5,
        "scheduled_sampling": {"start": 6, "every": 5, "increase": 0.05, "most": 0.5},
    },
}
"""Model -> settings of MLE. X-modaler's Transformers ignore their scheduled sampling."""

SELF_CRITICAL: dict[str, Settings] = {
    "lstm_a3": {"epochs": 30, "images_per_step": 16, "learning_rate": 5e-5},
    "attention": {"epochs": 30, "images_per_step": 64, "learning_rate": 5e-5, **_STEPS_OF_10},
    "updown": {"epochs": 30, "images_per_step": 64, "learning_rate": 5e-5},
    "gcn_lstm": {
        **{"epochs": 60, "images_per_step": 144, "learning_rate": 5e-5},
        **{"schedule": "step", "decay": 0.8, "decay_every": 30},
    },
    "transformer": {"epochs": 30, "images_per_step": 64, "learning_rate": 1e-5},
    "meshed_memory": {"epochs": 60, "images_per_step": 64, "learning_rate": 1e-5, **_STEPS_OF_10},
    "xlan": {"epochs": 35, "images_per_step": 20, "learning_rate": 1e-5, **_STEPS_OF_10},
}
"""Model -> settings of SCST."""


def recipe(model: str, objective: str) -> Settings:
    """What a model's recipe says about an objective: fields of `ObjectiveConfig`.

    Nothing, for a captioner that X-modaler does not have.
    """
    if model not in SELF_CRITICAL:
        return {}
    if objective == "mle":
        return dict(CROSS_ENTROPY[model])
    scst = SELF_CRITICAL[model]
    if objective == "scst":
        return dict(scst)
    kept = ["images_per_step", *(["learning_rate"] if objective == "scst_pp" else [])]
    return {name: scst[name] for name in kept}
