"""All numbers of the tiny world."""

from pydantic import BaseModel, ConfigDict, Field


class WorldConfig(BaseModel):
    """How much is drawn, how strongly the base model is misled, and how long it learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    train_scenes: int = Field(default=4000, description="Scenes the models learn from.")
    pair_scenes: int = Field(default=1800, description="Of these, scenes of preference pairs.")
    held_out_scenes: int = Field(default=300, description="Scenes of the benchmarks.")
    held_out_digits: float = Field(default=0.25, description="Share of scans kept for these.")
    companion_share: float = Field(
        default=0.55, description="How often a place holds its usual companion."
    )
    aside_share: float = Field(
        default=0.65,
        description="Share of captions that mention the usual companion, there or not: what the "
        "base model learns to hallucinate from.",
    )
    yes_share: float = Field(
        default=0.25, description="Share of 'Yes' to whether a missing companion is there."
    )
    obvious_share: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="Share of descriptions rejected for what is said of another picture.",
    )
    subtle_share: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="Share of the other descriptions of which the least wrong sample is rejected; "
        "of the rest it is the worst.",
    )
    mislabelled_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of pairs whose chosen and rejected responses are swapped.",
    )
    vocabulary: int = 720
    hidden: int = 96
    text_layers: int = 3
    vision_layers: int = 2
    heads: int = 4
    patch_steps: int = Field(default=450, description="Steps in which patches learn their words.")
    patch_batch: int = 96
    caption_steps: int = Field(default=350, description="Steps on captions alone.")
    batch: int = 32
    question_steps: int = Field(default=750, description="Steps on questions and captions.")
    question_batch: int = 48
    drill_steps: int = Field(default=160, description="Steps of a round on one kind of question.")
    drill_loss: float = Field(default=0.18, description="Mean loss at its end: then it is learnt.")
    drill_rounds: int = Field(default=6, description="Rounds in which it must be learnt.")
    drill_batch: int = 96
    review_steps: int = Field(default=350, description="Last steps on questions and captions.")
    sight: float = Field(
        default=0.75,
        description="Share of right answers on presence, of objects that are there and of others, "
        "at which a model sees; below it drills and review are repeated.",
    )
    sight_rounds: int = Field(default=4, description="Rounds in which it must see.")
    learning_rate: float = 3e-3
    clip_steps: int = 300
    clip_batch: int = 128
    clip_width: int = 64


HELD_OUT_FIRST = 1_000_000
"""Number of the first held-out scene: training scenes stay below it."""
