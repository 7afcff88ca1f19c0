"""From a captioner to captions: greedy, multinomial and beam search, all images at once.

Knows captioners only by their interface (``gegcore.models.captioner``). Every image is encoded
once, one ``step`` per word serves all captions, captions that have said the same words so far
share a row of it, and finished captions leave the batch.
Notation: B images, S captions per image, T words, V vocabulary, R rows of the model's state.
"""

from gegcore.decoding.beam import beam_search
from gegcore.decoding.growth import Decoded, compiled_step
from gegcore.decoding.policy import (
    block_repeats,
    forbidden_ids,
    hide,
    log_policy,
    policy,
    said_mask,
    score,
    sequence_log_probs,
    truncate,
)
from gegcore.decoding.sampling import decode

__all__ = [
    "Decoded",
    "beam_search",
    "block_repeats",
    "compiled_step",
    "decode",
    "forbidden_ids",
    "hide",
    "log_policy",
    "policy",
    "said_mask",
    "score",
    "sequence_log_probs",
    "truncate",
]
