"""GRPO of Hugging Face TRL with the GEG reward: a tiny LLaVA, from random weights, offline.

A minute on an idle CPU: `pip install ".[examples]"`, then `python examples/trl_geg.py`.
"""

import tempfile

import tokenizers as tk
import transformers as hf
import trl
from datasets import Dataset
from PIL import Image

from emoji_scenes.dataset import ScenesDataset
from gegcore.clip import load_clip
from gegcore.data.vocabulary import Vocabulary, tokenize
from gegcore.rewards import GroupEmbeddingGapReward, TextReward

hf.set_seed(0)
world = ScenesDataset("train", size=48)
words = Vocabulary.build((c for record in world.records for c in record.captions), min_count=1)
# How much closer is a caption to its own picture than to the five pictures most like it?
gap = GroupEmbeddingGapReward.of_dataset(load_clip("scenes-clip"), world, words.words, k=5)
# TRL passes the column image_index on to the reward: the picture that each caption is of.
ask, pictures = [{"role": "user", "content": [{"type": "image"}]}], world.images(range(48))
asked = [dict(prompt=ask, image=Image.fromarray(p), image_index=i) for i, p in enumerate(pictures)]
said = [(i, " ".join(tokenize(c))) for i, r in enumerate(world.records) for c in r.captions]
pairs = [dict(asked[i], completion=[dict(role="assistant", content=f"{c} <end>")]) for i, c in said]

# Any vision-language model that TRL trains will do. This one sees a picture as 16 patches.
ids = {word: i for i, word in enumerate(["<pad>", "<end>", "<image>", *words.words])}
split = tk.Tokenizer(tk.models.WordLevel(ids, unk_token="UNK"))
split.pre_tokenizer = tk.pre_tokenizers.WhitespaceSplit()
special = dict(pad_token="<pad>", eos_token="<end>", extra_special_tokens=["<image>"])
tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=split, padding_side="left", **special)
chat = "{% for m in messages %}{{ m.content[0].text or '<image>' }}{% endfor %}"
pixels = hf.CLIPImageProcessor(do_resize=False, do_center_crop=False)
processor = hf.LlavaProcessor(pixels, tokenizer, 32, "default", chat, num_additional_image_tokens=1)
size = dict(hidden_size=128, num_hidden_layers=1, num_attention_heads=4, intermediate_size=256)
eye, say = dict(size, image_size=128, patch_size=32), dict(size, vocab_size=len(ids))
tiny = hf.LlavaConfig(vision_config=eye, text_config=say, image_token_id=2, vision_feature_layer=-1)
model = hf.LlavaForConditionalGeneration(tiny)
quiet = dict(output_dir=tempfile.mkdtemp(), report_to="none", save_strategy="no", logging_steps=6)
setup = dict(use_cpu=True, bf16=False, per_device_train_batch_size=48, **quiet)


def train(mle_steps: int, geg_steps: int) -> trl.GRPOTrainer:
    mle, rows = trl.SFTConfig(max_steps=mle_steps, learning_rate=3e-3, **setup), Dataset.from_list
    trl.SFTTrainer(model, mle, None, rows(pairs), processing_class=processor).train()  # MLE first
    geg = dict(setup, per_device_train_batch_size=128, max_completion_length=20, learning_rate=5e-4)
    geg = trl.GRPOConfig(max_steps=geg_steps, lr_scheduler_type="constant", **geg)
    grpo = trl.GRPOTrainer(model, [TextReward(gap)], geg, rows(asked), processing_class=processor)
    grpo.train()
    return grpo


if __name__ == "__main__":
    for log in train(mle_steps=150, geg_steps=60).state.log_history[:-1]:
        print(f"{log['step']:4d}  GEG-Avg {log['reward']:+.3f}")
