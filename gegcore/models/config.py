"""What the settings of all, or of several, captioners have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Annotated[int, Field(gt=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


class CaptionerConfig(BaseModel):
    """Settings with a default each; an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> CaptionerConfig:
        width, heads = getattr(self, "width", 0), getattr(self, "heads", 1)
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        return self


class RecurrentConfig(CaptionerConfig):
    """What every recurrent captioner lets one choose; defaults as X-modaler publishes them."""

    hidden_width: Size = Field(1024, description="H; X-modaler DECODER_DIM")
    word_dropout: Dropout = Field(0.5, description="X-modaler TOKEN_EMBED.DROPOUT")
    output_dropout: Dropout = Field(0.5, description="before the logits; X-modaler PRED_DROPOUT")


class SoftAttentionConfig(RecurrentConfig):
    """What captioners with soft attention let one choose; defaults as X-modaler publishes them."""

    word_width: Size = Field(1024, description="W; X-modaler TOKEN_EMBED.DIM")
    attention_width: Size = Field(512, description="A; X-modaler ATT_EMBED_SIZE")
    attention_dropout: Dropout = Field(0.0, description="on the tanh; X-modaler ATT_EMBED_DROPOUT")


class StackConfig(CaptionerConfig):
    """What Transformer and Meshed-Memory both let one choose; defaults as X-modaler has them.

    Where X-modaler has two names, the first is that of the Transformer.
    """

    width: Size = Field(512, description="d; X-modaler BERT.HIDDEN_SIZE or DIM_MODEL")
    heads: Size = Field(8, description="attention heads; NUM_ATTENTION_HEADS or NUM_ATT_HEAD")
    encoder_layers: int = Field(6, ge=0, description="X-modaler NUM_HIDDEN_LAYERS")
    decoder_layers: Size = Field(6, description="X-modaler NUM_GENERATION_LAYERS")
    ffn_width: Size = Field(2048, description="X-modaler INTERMEDIATE_SIZE or DIM_FEEDFORWARD")
    word_dropout: Dropout = Field(0.1, description="X-modaler TOKEN_EMBED.DROPOUT")
    region_dropout: Dropout = Field(0.5, description="X-modaler VISUAL_EMBED.DROPOUT")
    output_dropout: Dropout = Field(0.5, description="before the logits; PRED_DROPOUT")
    hidden_dropout: Dropout = Field(0.1, description="sublayers; HIDDEN_ and FFN_DROPOUT_PROB")
    max_positions: Size = Field(512, description="rows of the sinusoid table; X-modaler has 5000")
