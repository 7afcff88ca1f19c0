"""Captions as word ids -> CLIP embeddings, on the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gegcore.clip import ClipModel, WordToBpe


class CaptionEncoder(nn.Module):
    """Embeds captions given as word ids, without leaving their device.

    Args:
        word_to_bpe: lookup from the captioner's word ids to CLIP's BPE ids.
        dynamic_shapes: crop captions to the longest of the batch and encode what they share once:
            least work, but the host must wait for the device. Without, all are encoded, cropped to
            the most BPE ids that T words can have, and the host can queue the whole step.
            By default on a CPU only, where waiting costs nothing.
        precision: of the text tower's matrix products: float32, bfloat16 or float16. By default
            float16 on a CUDA device, in which CLIP was trained, and float32 elsewhere.
    """

    def __init__(
        self,
        clip: ClipModel,
        word_to_bpe: WordToBpe,
        dynamic_shapes: bool | None = None,
        precision: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.clip, self.word_to_bpe = clip, word_to_bpe
        self.dynamic_shapes, self.precision = dynamic_shapes, precision

    @torch.no_grad()
    def forward(self, tokens: Tensor) -> Tensor:
        """Word ids `(B, S, T)` -> L2-normalised embeddings `(B, S, E)` float32."""
        flat, device = tokens.flatten(0, 1), tokens.device.type
        precision = self.precision or (torch.float16 if device == "cuda" else torch.float32)
        dynamic = device == "cpu" if self.dynamic_shapes is None else self.dynamic_shapes
        length = None if dynamic else self.word_to_bpe.longest(flat.shape[1])
        embeddings = self.clip.encode_tokens(self.word_to_bpe(flat, length), precision, dynamic)
        return embeddings.view(*tokens.shape[:2], -1)
