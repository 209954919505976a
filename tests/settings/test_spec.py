"""A run is found again: also by a harness that knows more fields than the one that made it."""

import pytest

from harness.errors import ConfigError
from harness.settings.request import Request
from harness.settings.resolve import known_keys, resolve, specs_of
from harness.settings.spec import ADDED, NAMED, UNNAMED, TrainingSpec
from methods.dpo import DPOConfig

CHANGED = {
    "data.where": "{split: train}",
    "data.expected_pairs": "22000",
    "data.max_bad_rows": "3",
    "data.format": "trl",
    "data.order": "by_image",
    "data.order_column": "clip_gap",
    "data.hardness.splitter_model": "a-model",
    "data.hardness.unscored": "sentences",
    "data.hardness.margin_k": "2",
    "model.lora_rank": "8",
    "model.lora_alpha": "32",
    "evaluation.judge_runs": "5",
    "evaluation.judge_profile": "gpt-5",
}
MACHINE = {
    "devices": 2,
    "zero_stage": 3,
    "offload": "optimizer",
    "pairs_per_pass": 2,
    "tokens_per_pass": 4096,
    "gradient_checkpointing": True,
    "attention": "flex",
    "kernels": "liger",
    "save_every": 7,
    "keep_checkpoints": 3,
    "divergence_norm": 100.0,
    "divergence_steps": 5,
    "vision_cache_gb": 1.5,
}


@pytest.mark.parametrize(("method", "digest"), [("dpo", "a8b7ecb81300"), ("dama", "f98b860ff788")])
def test_the_digest_is_that_of_the_time_before_the_added_fields(method, digest):
    """Recorded with the specification as it was before any field of ADDED existed."""
    of_that_time = ["training.epochs=3", "training.learning_rate=4.0e-5"]
    assert resolve(method, "tiny", overrides=of_that_time).spec.digest() == digest


@pytest.mark.parametrize("key", sorted(ADDED.keys() - {"world"}))
def test_an_added_field_keeps_its_default_and_another_value_is_another_run(key):
    """A changed default would give old runs, which do not name it, a meaning they never had."""
    assert known_keys(DPOConfig)[key].get_default(call_default_factory=True) == ADDED[key]
    plain = resolve("dpo", "tiny").spec
    other = resolve("dpo", "tiny", overrides=[f"{key}={CHANGED[key]}"]).spec
    assert other.digest() != plain.digest()


def test_another_world_is_another_run_of_the_same_settings():
    """What the world holds decides the training, and not its number."""
    plain, other = resolve("dpo", "tiny").spec, resolve("dpo", "tiny", world=1).spec
    assert other.digest() != plain.digest()
    assert other.settings() == plain.settings()


def test_worlds_are_for_those_who_read_one():
    request = Request(method="dpo", size="tiny", worlds=(0, 2), seeds=(0, 1))
    assert [one.drawn for one in specs_of(request)] == [
        *("seed 0", "seed 1", "world 2 seed 0", "world 2 seed 1")
    ]
    with pytest.raises(ConfigError, match="--worlds: size '7b' reads nothing of a tiny world"):
        specs_of(request.model_copy(update={"size": "7b"}))


def test_the_identity_leaves_out_neutral_values_only():
    identity = resolve("dpo", "tiny", overrides=["data.max_bad_rows=3"]).spec.identity()
    assert identity["data"]["max_bad_rows"] == 3
    assert "where" not in identity["data"]
    assert identity["data"]["hardness"].keys() == {"clip", "splitter", "aggregation"}


@pytest.mark.parametrize("name", MACHINE)
def test_a_run_goes_on_with_another_machine(name):
    plain = resolve("dpo", "tiny").spec
    other = resolve("dpo", "tiny", overrides=[f"training.{name}={MACHINE[name]}"]).spec
    assert getattr(other.training, name) == MACHINE[name]
    assert other.digest() == plain.digest()


def test_every_setting_of_the_training_is_the_runs_or_the_machines():
    """A new field must be given a side: forgotten ones would be the run's and rename it."""
    of_the_run = {"learning_rate", "warmup_ratio", "schedule", "weight_decay", "max_grad_norm"}
    of_the_run |= {"epochs", "batch_pairs", "precision"}
    assert TrainingSpec.model_fields.keys() == of_the_run | MACHINE.keys()
    assert {key.removeprefix("training.") for key in NAMED} | UNNAMED == MACHINE.keys()


def test_where_every_device_averages_by_itself_their_number_names_the_run():
    one, two = (resolve("dama", "tiny", "released", devices=count).spec for count in (1, 2))
    assert one.per_device
    assert one.digest() != two.digest()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("training.offload=optimizer_and_weights", "needs zero_stage 3"),
        ("training.zero_stage=0,training.precision=bfloat16", "zero_stage 0 keeps no float32"),
    ],
)
def test_settings_that_cannot_work_together_are_refused(given, problem):
    with pytest.raises(ConfigError, match=problem):
        resolve("dpo", "tiny", overrides=given.split(","))
