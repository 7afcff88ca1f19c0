"""Train a Hugging Face captioner with the GEG reward: a tiny one, from random weights, offline.

Under a minute on a CPU: `pip install ".[examples]"`, then `python examples/huggingface_geg.py`.
"""

import torch
import transformers as hf

from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import load_clip
from gegcore.data.vocabulary import Vocabulary
from gegcore.decoding import said_mask, sequence_log_probs
from gegcore.rewards import GroupEmbeddingGapReward
from gegcore.training.scst import self_critical_advantage, self_critical_loss
from gegcore.training.xe import caption_tensor

torch.manual_seed(0)
world = ScenesDataset("train", size=48)
pixels = torch.from_numpy(world.images(range(48))).permute(0, 3, 1, 2) / 127.5 - 1
words = Vocabulary.build((c for record in world.records for c in record.captions), min_count=1)
people = caption_tensor([[[0, *words.encode(c)] for c in r.captions] for r in world.records], 15)
# How much closer is a caption to its own picture than to the five pictures most like it?
reward = GroupEmbeddingGapReward.of_dataset(load_clip("scenes-clip"), world, words.words, k=5)

# Any captioner will do that generates ids and gives logits; 0 begins, ends and pads a caption.
size = dict(hidden_size=128, num_hidden_layers=1, num_attention_heads=4, intermediate_size=256)
sees = hf.ViTConfig(image_size=128, patch_size=32, **size)
says = hf.BertConfig(vocab_size=len(words), is_decoder=True, add_cross_attention=True, **size)
config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(sees, says)
captioner = hf.VisionEncoderDecoderModel(config).eval()  # no dropout: scored as it was sampled
sample = dict(do_sample=True, top_k=0, max_new_tokens=14, decoder_start_token_id=0, eos_token_id=0)


def train(mle_steps: int, geg_steps: int) -> None:
    optimizer = torch.optim.Adam(captioner.parameters(), lr=2e-3)
    for step in range(-mle_steps, geg_steps):
        images = torch.randperm(48)[:16]
        seen = pixels[images].repeat_interleave(5, dim=0)
        # At first say what people said: MLE is the same loss with an advantage of 1.
        ids = people[images].flatten(0, 1) if step < 0 else captioner.generate(seen, **sample)
        tokens = ids[:, 1:].unflatten(0, (16, 5))
        logits = captioner(pixel_values=seen, decoder_input_ids=ids[:, :-1]).logits
        log_probs = sequence_log_probs(logits.unflatten(0, (16, 5)), tokens)
        rewards = reward(tokens, images)
        advantage = self_critical_advantage(rewards, rewards.mean(1), "mean_of_others")
        weight = torch.ones_like(rewards) if step < 0 else advantage
        optimizer.zero_grad()
        self_critical_loss(log_probs, weight, said_mask(tokens)).backward()
        optimizer.step()
        print(f"{step:4d}  GEG-Avg {rewards.mean():+.3f}  {words.decode(ids[0, 1:].tolist())}")


if __name__ == "__main__":
    train(mle_steps=100, geg_steps=100)
