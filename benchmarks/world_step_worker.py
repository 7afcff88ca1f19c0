"""Takes RL steps when `world_step.py` asks for them, with whatever `gegcore` is first on its path.

Started with a folder that holds `setup.pt`; reads one JSON command a line, answers with one. So
two revisions of the package can take turns at the very same step.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from gegcore.clip import ClipModel
from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.data.vocabulary import Vocabulary
from gegcore.experiment.objective import build_objective
from gegcore.models.registry import build_captioner
from gegcore.rewards.cider import CiderD
from gegcore.rewards.encoder import CaptionEncoder
from gegcore.training.config import objective_config
from gegcore.training.distributed import start_accelerator
from gegcore.training.objectives import SelfCriticalObjective
from gegcore.training.step import OptimiserStep

PARTS = {
    "decode": (SelfCriticalObjective, "_captions"),
    "text tower": (CaptionEncoder, "forward"),
    "CIDEr-D": (CiderD, "forward"),
    "Adam": (OptimiserStep, "_update"),
}
"""Part of a step -> the method that is timed; what is left is encoding, scoring and backward."""
REST = "re-scoring and backward"


class Worker:
    """The objective and the optimiser of every captioner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        setup = torch.load(folder / "setup.pt", weights_only=False)
        features = FeatureBatch(**setup["features"])
        store = SimpleNamespace(batch=features.select)
        clip = ClipModel("scenes-clip", setup["clip"], setup["tokenizer"], lambda images: images)
        materials: Any = SimpleNamespace(
            profile=SimpleNamespace(max_len=setup["max_len"]),
            device=torch.device("cpu"),
            features={"train": store},
            references=lambda split: setup["references"],
            vocabulary=Vocabulary(setup["words"]),
            clip=clip,
            tables={"train": SimpleNamespace(images=setup["images"])},
            groups={"train": SimpleNamespace(index=setup["groups"])},
        )
        config = objective_config("scst_geg", setup["objective"])
        self.objective: Any = build_objective(materials, config)
        self.seconds: dict[str, float] = {}
        self.said: Tensor | None = None
        for name, (owner, method) in PARTS.items():
            setattr(owner, method, self._timed(name, getattr(owner, method)))
        self.weights, self.steps, accelerator = setup["weights"], {}, start_accelerator("cpu")
        inputs = InputSizes(**setup["inputs"])
        for name, sizes in setup["models"].items():
            model = build_captioner(name, 1 + len(setup["words"]), inputs, **sizes)
            self.steps[name] = OptimiserStep(model, self.objective, config, accelerator)
        self.batches, self.noise, self.rate = setup["batches"], setup["noise"], config.learning_rate

    def _timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            start = time.process_time()
            result = method(*args, **options)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start
            if name == "decode":
                self.said = result
            return result

        return run

    def step(self, name: str, turn: int) -> dict[str, float]:
        """One step from the stored weights; its captions and gradient go to files."""
        step = self.steps[name]
        step.model.load_state_dict(self.weights[name])
        self.seconds = {}
        start = time.process_time()
        step(self.batches[turn], self.noise[turn], self.rate, lambda: False)
        whole = time.process_time() - start
        torch.save((self.said, step.gradients.clone()), self.folder / "step.pt")
        return {**self.seconds, REST: whole - sum(self.seconds.values())}

    def reward(self, turn: int) -> dict[str, float]:
        """Rewards of the captions in `captions.pt`, into `rewards.pt`."""
        tokens = torch.load(self.folder / "captions.pt")
        parts = self.objective.reward.parts(tokens, self.batches[turn])
        torch.save(self.objective.reward.combine(parts), self.folder / "rewards.pt")
        return {name: float(value.mean()) for name, value in parts.items()}


def main() -> None:
    torch.set_num_threads(1)
    worker = Worker(Path(sys.argv[1]))
    print(json.dumps({"ready": str(sys.modules["gegcore"].__file__)}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        method = getattr(worker, command.pop("do"))
        print(json.dumps(method(**command)), flush=True)


if __name__ == "__main__":
    main()
