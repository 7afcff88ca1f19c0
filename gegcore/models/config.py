"""What the settings of all captioners have in common."""

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
