"""One optimiser step over a global batch, in micro-batches and over processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gegcore.models.captioner import Captioner
from gegcore.training.config import ObjectiveConfig
from gegcore.training.distributed import sum_over_processes
from gegcore.training.objectives import Objective, StepLoss
from gegcore.training.scst import caption_variety

if TYPE_CHECKING:
    from accelerate import Accelerator


class OptimiserStep:
    """Gradient of the mean loss over the real tokens of a global batch, then Adam.

    Sums of losses, tokens and gradients are added up over micro-batches and processes before one
    division by the number of tokens: in how many pieces a batch is computed changes nothing but
    rounding and, where there is dropout, its masks.

    No DistributedDataParallel: it averages over processes instead of over tokens, and synchronises
    in `forward`, while a captioner is also used through `encode`, `step` and
    `decode_teacher_forced`. Instead all gradients are views of one buffer, which is added up over
    processes in one call.

    Args:
        config: Adam, gradient clipping and micro-batches.
    """

    def __init__(
        self,
        model: Captioner,
        objective: Objective,
        config: ObjectiveConfig,
        accelerator: Accelerator,
    ) -> None:
        from accelerate.utils import AutocastKwargs

        self.model, self.objective, self.config = model, objective, config
        self.accelerator = accelerator
        self.scaler = accelerator.scaler or torch.amp.GradScaler(enabled=False)  # does nothing
        # Weights cast while sampling, without gradient, must not be met again while scoring, as
        # they are in torch 2.10 (pytorch/pytorch#112583).
        self.autocast = AutocastKwargs(cache_enabled=False)
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.gradients = _gradient_buffer(self.parameters)
        self.optimiser = torch.optim.Adam(
            self.parameters, lr=config.learning_rate, betas=config.betas, eps=config.eps
        )

    def __call__(
        self, batch: Tensor, noise: Tensor, rate: float, stop: Callable[[], bool]
    ) -> tuple[dict[str, Tensor], bool]:
        """Take one step; the same call in every process.

        Args:
            batch: `(B,)` image positions, on the CPU: the global batch.
            noise: `(B, ...)` its random numbers, on the device; see `Objective`.
            stop: whether this process wishes to stop, asked as late as can be.

        Returns: means over the global batch as 0-d tensors, and whether any process wishes to stop.
        """
        self.gradients.zero_()
        names: list[str] = []
        sums = said = torch.zeros((), device=self.gradients.device)
        for piece, weight in self._pieces(len(batch)):
            rows = piece.to(noise.device)
            with self.accelerator.autocast(self.autocast):
                part = self.objective.step(self.model, batch[piece], noise[rows])
            # The number of tokens is known last; a sum over all would leave float16's range.
            self.accelerator.backward(part.total * (min(weight, 1) / len(batch)))
            names = list(part.metrics)
            sums = sums + _sums(part, weight)
            said = said + _captions(part, rows, len(batch), weight)
        wishes = torch.tensor([float(stop())], dtype=sums.dtype, device=sums.device)
        every = sum_over_processes(self.accelerator, torch.cat([sums, wishes, said.flatten()]))
        sums, wishes, captions = every.split([len(sums), 1, said.numel()])
        sum_over_processes(self.accelerator, self.gradients)
        norm = self._update(rate, len(batch) / sums[1])
        means = {"loss": sums[0] / sums[1], "grad_norm": norm}
        means |= dict(zip(names, sums[2:] / len(batch), strict=True))
        if said.dim():
            means |= caption_variety(captions.view_as(said))
        # One process knows its own wish; several wait for the sum.
        several = self.accelerator.num_processes > 1
        return means, bool(wishes > 0) if several else stop()

    def _pieces(self, images: int) -> Iterator[tuple[Tensor, int]]:
        """Micro-batches of this process, as rows of the batch, each with its number of images.

        A process without images computes one of the batch with weight 0, so that it takes part in
        every sum with tensors of the same shape.
        """
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        mine = torch.arange(images)[rank::world]
        for piece in mine.tensor_split(self.config.accumulate):
            if len(piece):
                yield piece, len(piece)
        if not len(mine):
            yield torch.zeros(1, dtype=torch.long), 0

    def _update(self, rate: float, per_token: Tensor) -> Tensor:
        """Scale, measure and clip the summed gradients, then Adam; returns their norm."""
        self.scaler.unscale_(self.optimiser)
        self.gradients.mul_(per_token)
        norm = self.gradients.norm()
        if self.config.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        elif self.config.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, self.config.clip_value)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return norm


def _gradient_buffer(parameters: list[torch.nn.Parameter]) -> Tensor:
    """Zeros, of which the gradients become views: backward adds to them in place."""
    sizes = [parameter.numel() for parameter in parameters]
    buffer = parameters[0].new_zeros(sum(sizes), requires_grad=False)
    for parameter, view in zip(parameters, buffer.split(sizes), strict=True):
        parameter.grad = view.view_as(parameter)
    return buffer


def _sums(part: StepLoss, weight: int) -> Tensor:
    """Loss, tokens and metrics, summed over images. A weight of 0 makes all of them 0."""
    sums = [part.total.detach() * min(weight, 1), part.tokens * min(weight, 1)]
    sums += [value.detach() * weight for value in part.metrics.values()]
    return torch.stack([value.double() for value in sums])


def _captions(part: StepLoss, rows: Tensor, images: int, weight: int) -> Tensor:
    """Greedy captions `(images, T)` in their rows of the batch, 0 elsewhere; 0-d without any."""
    if part.greedy is None:
        return part.total.new_zeros(())
    spoken = part.greedy.double() * min(weight, 1)
    return spoken.new_zeros(images, spoken.shape[1]).index_copy(0, rows, spoken)
