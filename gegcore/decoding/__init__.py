"""From a captioner to captions: greedy, multinomial and beam search, all images at once.

Knows captioners only by their interface (``gegcore.models.captioner``). Every image is encoded
once, and one ``step`` per word serves all captions (``gegcore.decoding.growth``).
Notation: B images, S captions per image, T words, V vocabulary, R rows of the model's state.
"""

from gegcore.decoding.beam import beam_search
from gegcore.decoding.growth import Decoded, compiled_step
from gegcore.decoding.policy import log_policy, said_mask, score, sequence_log_probs, truncate
from gegcore.decoding.sampling import decode

__all__ = [
    "Decoded",
    "beam_search",
    "compiled_step",
    "decode",
    "log_policy",
    "said_mask",
    "score",
    "sequence_log_probs",
    "truncate",
]
