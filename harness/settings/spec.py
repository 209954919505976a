"""The whole specification of one run: what is trained, on what, how, and how it is evaluated."""

from collections.abc import Mapping
from functools import reduce
from operator import getitem
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.files.digests import digest_of
from harness.settings.counts import ExpectedCount

ADDED: Mapping[str, Any] = {
    "data.where": {},
    "data.expected_pairs": None,
    "data.max_bad_rows": 0,
    "data.format": None,
    "data.order": "method",
    "data.order_column": None,
    "data.hardness.splitter_model": None,
    "data.hardness.unscored": "stop",
    "data.hardness.margin_k": 0.5,
    "model.lora_rank": 0,
    "model.lora_alpha": 16.0,
    "evaluation.judge_runs": 1,
    "evaluation.judge_profile": None,
    "world": 0,
}
"""Fields younger than the first runs, each with the value that stands for what was done before.

A field that comes later is listed here, and its default must stay this value: then runs that were
made without it are found again.
"""

NAMED: Mapping[str, Any] = {
    "training.devices": 1,
    "training.zero_stage": 1,
    "training.gradient_checkpointing": False,
    "training.save_every": 25,
}
"""Settings of the machine with which every run is named, whatever they are.

They change how a run is computed and not what: the same run goes on with others.
"""

UNNAMED = frozenset(
    {
        *("offload", "pairs_per_pass", "tokens_per_pass", "attention", "kernels"),
        *("keep_checkpoints", "divergence_norm", "divergence_steps", "vision_cache_gb"),
    }
)
"""Settings of the machine, in `training`, that are no part of a run's name."""

_BESIDE = ("guard", "guard_tasks")
"""What is measured beside the benchmarks, in `evaluation`; no part of a run's name either."""

_PLACES = (
    *("model.path", "model.revision"),
    *("data.preferences", "data.format", "data.where", "data.hardness.clip"),
)
"""What is there counts, and not its name; `format` and `where` are part of what the pairs are."""
_WORDS = ("size", "variant", "world", "evaluation")
_CHECKED = ("data.expected_pairs", "data.max_bad_rows")
"""These stop a run or do not."""

LARGEST_SEED = 2**63 - 1
"""Torch takes every seed up to it."""
LARGEST_WORLD = 2**31 - 1


class Strict(BaseModel):
    """Frozen, and refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelSpec(Strict):
    """The base model and how text and images enter it."""

    path: str = Field(description="Hub id, local folder, or world:base.")
    revision: str | None = Field(default=None, description="Commit on the hub.")
    template: Literal["vicuna_v1", "llava_v1", "qwen2_5_vl"] = Field(
        default="vicuna_v1", description="Conversation template."
    )
    image_transform: Literal["center_crop", "pad"] = Field(
        default="center_crop", description="How an image becomes square."
    )
    lora_rank: int = Field(
        default=0, ge=0, description="Rank of LoRA adapters; 0 trains all weights."
    )
    lora_alpha: float = Field(default=16.0, gt=0, description="LoRA's scale times its rank.")


class HardnessSpec(Strict):
    """How columns are computed, such as clip_gap and margin_factor."""

    clip: str = Field(description="open_clip name with weights, local folder, or world:clip.")
    splitter: Literal["sentences", "endpoint", "local"] = Field(
        default="sentences",
        description="How a response becomes sub-sentences: by rule, or by a language model behind "
        "an OpenAI-compatible endpoint or in a local folder.",
    )
    splitter_model: str | None = Field(
        default=None, description="Model name at the endpoint, or folder or hub id of a local one."
    )
    aggregation: Literal[
        "sum_of_cosines", "mean_of_cosines", "sum_of_joint_softmax", "mean_of_joint_softmax"
    ] = Field(
        default="sum_of_joint_softmax", description="How sub-sentence scores become one number."
    )
    unscored: Literal["stop", "sentences"] = Field(
        default="stop",
        description="What to do with a response that the language model did not split: stop, or "
        "split it by rule.",
    )
    margin_k: float = Field(
        default=0.5,
        gt=0,
        description="k of the column margin_factor, 1 - exp(-k * reward margin): how fast it "
        "grows. Rewards have no common scale: choose it by theirs.",
    )


class DataSpec(Strict):
    """The preference pairs."""

    preferences: str = Field(
        description="Hub id, file or folder of pairs, or world:preferences; several with + "
        "between, each with #1000 or #weight=2&seed=1 after it if only a part is to be taken."
    )
    format: str | None = Field(
        default=None, description="Format of the pairs; found by their contents if not given."
    )
    where: dict[str, str] = Field(
        default_factory=dict,
        description="Only rows whose origin_split has these values; one with * is a pattern, and "
        "letter case does not count in it.",
    )
    expected_pairs: ExpectedCount | None = Field(
        default=None, description="How many rows `where` must leave, as 22000 or 20000-24000."
    )
    max_bad_rows: int = Field(
        default=0, ge=0, description="Unusable rows that are left out; more stop the run."
    )
    max_length: int = Field(
        default=2048, gt=0, description="Tokens of a sequence after image expansion."
    )
    order: Literal["method", "by_image", "by_column"] = Field(
        default="method",
        description="Of the pairs: as the method's `shuffle` says, or so with images, whose pairs "
        "stand together and share them, or with batches of pairs that are sorted by a column.",
    )
    order_column: str | None = Field(
        default=None,
        description="Column that by_column sorts by; the only one that the method reads if not "
        "given.",
    )
    hardness: HardnessSpec = Field(
        description="How columns are computed, such as clip_gap and margin_factor."
    )


class TrainingSpec(Strict):
    """The shared training backend."""

    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    warmup_ratio: float = Field(ge=0, lt=1, description="Share of steps with a rising rate.")
    schedule: Literal["cosine", "constant"] = Field(default="cosine", description="After warm-up.")
    weight_decay: float = Field(default=0.0, ge=0, description="AdamW weight decay.")
    max_grad_norm: float | None = Field(default=None, gt=0, description="Gradient clipping.")
    epochs: float = Field(gt=0, description="Passes over the pairs.")
    batch_pairs: int = Field(gt=0, description="Pairs per step over all devices.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="bfloat16", description="Of forward and backward."
    )
    zero_stage: Literal[0, 1, 2, 3] = Field(default=2, description="DeepSpeed ZeRO stage.")
    offload: Literal["none", "optimizer", "optimizer_and_weights"] = Field(
        default="none", description="What lives in CPU memory; weights can under ZeRO-3."
    )
    pairs_per_pass: int | None = Field(
        default=None, gt=0, description="Most pairs of one forward pass on a device."
    )
    tokens_per_pass: int | None = Field(
        default=None, gt=0, description="Most positions of one forward pass, if a pair fits."
    )
    gradient_checkpointing: bool | Literal["auto"] = Field(
        default=False,
        description="Recompute activations; auto: of as few layers as memory asks for.",
    )
    attention: Literal["auto", "segments", "flex", "varlen"] = Field(
        default="auto", description="Kernel of the packed row; auto: by device."
    )
    kernels: Literal["auto", "torch", "liger"] = Field(
        default="auto", description="Kernels of norms, activations and rotations; auto: by device."
    )
    save_every: int = Field(default=100, gt=0, description="Steps between checkpoints.")
    keep_checkpoints: int = Field(default=1, gt=0, description="Latest checkpoints that stay.")
    divergence_norm: float | None = Field(
        default=None, gt=0, description="Gradient norm that counts as divergence."
    )
    divergence_steps: int = Field(
        default=3, gt=0, description="Steps in a row above that norm that end the run."
    )
    vision_cache_gb: float = Field(
        default=0.0, ge=0, description="Disk for features of the vision tower; 0: none."
    )
    devices: int = Field(default=1, gt=0, description="Processes over all machines.")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        needed = {"none": 0, "optimizer": 1, "optimizer_and_weights": 3}[self.offload]
        if self.zero_stage < needed:
            raise ValueError(f"offload {self.offload} needs zero_stage {needed} or more")
        if self.zero_stage == 0 and self.precision == "bfloat16":
            raise ValueError("zero_stage 0 keeps no float32 copy of bfloat16 weights; take 1")
        return self


class EvaluationSpec(Strict):
    """The benchmarks that run after training."""

    benchmarks: tuple[str, ...] = Field(description="Names, in table order.")
    data: str = Field(description="Folder of the benchmarks' data folders, or world:benchmarks.")
    judge: str = Field(
        description="oracle, openai, openai:MODEL, local:MODEL, replay:FILE, or later."
    )
    judge_runs: int = Field(
        default=1,
        ge=1,
        description="How often openai judges every answer, where the benchmark reads several runs "
        "(mm_vet; paper: 5).",
    )
    judge_profile: str | None = Field(
        default=None,
        description="What the judge's endpoint accepts: a built-in profile or a YAML file. "
        "Default: found by the model's name.",
    )
    protocol: str = Field(default="official", description="Decoding settings, by name.")
    batch_size: int = Field(default=1, gt=0, description="Samples generated together.")
    max_new_tokens: int | None = Field(
        default=None, gt=0, description="Upper limit below that of the protocol."
    )
    guard: tuple[str, ...] = Field(
        default=(),
        description="Tasks of lmms-eval that show whether general ability is kept, with their own "
        "scorers; decides nothing of a run.",
    )
    guard_tasks: str | None = Field(
        default=None, description="Folder of more tasks for guard, in lmms-eval's YAML form."
    )


def drawn(world: int, seed: int) -> str:
    """Return such as `seed 1` or `world 2 seed 1`."""
    return f"world {world} seed {seed}" if world else f"seed {seed}"


class RunSpec(Strict):
    """Everything that decides the result of one run."""

    method: str
    variant: str | None = None
    size: str
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    world: int = Field(
        default=0, ge=0, le=LARGEST_WORLD, description="Which tiny world is meant, at size tiny."
    )
    config: dict[str, Any] = Field(description="Values of the method's own configuration.")
    model: ModelSpec
    data: DataSpec
    training: TrainingSpec
    evaluation: EvaluationSpec
    per_device: bool = Field(
        default=False, description="Whether the method's result depends on the number of devices."
    )

    @property
    def label(self) -> str:
        """Method with its variant, as shown in tables."""
        return f"{self.method} {self.variant}" if self.variant else self.method

    @property
    def drawn(self) -> str:
        """What chance decided, as shown: the seed, and the tiny world if it is not the first."""
        return drawn(self.world, self.seed)

    def as_file(self) -> dict[str, Any]:
        """Return the content of run.yaml: `method` holds the method's name and its values."""
        return file_form(self.model_dump(mode="json"))

    @classmethod
    def from_file(cls, content: object) -> Self:
        """Read what `as_file` returned, or what stood in run.yaml before it.

        There `method` was the name, and `config` held the values.

        Raises:
            TypeError: It is no mapping.
            ValueError: It is no specification.
        """
        if not isinstance(content, Mapping):
            raise TypeError("it is no mapping of keys to values")
        values = dict(content)
        if isinstance(values.get("method"), Mapping):
            config = dict(values["method"])
            values |= {"method": config.pop("name", None), "config": config}
        return cls.model_validate(values)

    def identity(self) -> dict[str, Any]:
        """Return all values that tell runs apart.

        What ADDED calls neutral is left out, and the machine's settings do not count, but for the
        number of devices where the method averages over each by itself.
        """
        values = self.model_dump(mode="json")
        for key in UNNAMED:
            del values["training"][key]
        for key in _BESIDE:
            del values["evaluation"][key]
        for key, value in NAMED.items():
            section, _, last = key.partition(".")
            if key != "training.devices" or not self.per_device:
                values[section][last] = value
        del values["per_device"]
        for key, neutral in ADDED.items():
            *path, last = key.split(".")
            section_values = reduce(getitem, path, values)
            if section_values[last] == neutral:
                del section_values[last]
        return values

    def settings(self) -> dict[str, Any]:
        """Return the values that decide what is trained, besides the contents that they name.

        No places, no words for them, nothing of the machine, of the evaluation or of what is only
        checked. The method's own stand below `method`, beside its name.
        """
        values = self.identity()
        for key in (*_PLACES, *_WORDS, *_CHECKED, *(set(NAMED) - {"training.devices"})):
            *path, last = key.split(".")
            reduce(getitem, path, values).pop(last, None)
        if not self.per_device:
            del values["training"]["devices"]
        return file_form(values)

    def digest(self) -> str:
        """Return 12 hex digits over the identity: a name of what was asked for, in its words."""
        return digest_of(self.identity(), 12)


def file_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of a specification with the method's own below `method`, beside its name."""
    return {
        key: {"name": value, **values["config"]} if key == "method" else value
        for key, value in values.items()
        if key != "config"
    }
