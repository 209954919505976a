"""A run is found again: also by a harness that knows more fields than the one that made it."""

import pytest

from harness.presets import known_keys, resolve
from harness.spec import ADDED
from methods.dpo import DPOConfig

CHANGED = {
    "data.where": "{split: train}",
    "data.expected_pairs": "22000",
    "data.max_bad_rows": "3",
    "data.hardness.splitter_model": "a-model",
    "data.hardness.unscored": "sentences",
}


@pytest.mark.parametrize(("method", "digest"), [("dpo", "a8b7ecb81300"), ("dama", "f98b860ff788")])
def test_the_digest_is_that_of_the_time_before_the_added_fields(method, digest):
    """Recorded with the specification as it was before any field of ADDED existed."""
    assert resolve(method, "tiny").spec.digest() == digest


@pytest.mark.parametrize("key", ADDED)
def test_an_added_field_keeps_its_default_and_another_value_is_another_run(key):
    """A changed default would give old runs, which do not name it, a meaning they never had."""
    assert known_keys(DPOConfig)[key].get_default(call_default_factory=True) == ADDED[key]
    plain = resolve("dpo", "tiny").spec
    other = resolve("dpo", "tiny", overrides=[f"{key}={CHANGED[key]}"]).spec
    assert other.digest() != plain.digest()


def test_the_identity_leaves_out_neutral_values_only():
    identity = resolve("dpo", "tiny", overrides=["data.max_bad_rows=3"]).spec.identity()
    assert identity["data"]["max_bad_rows"] == 3
    assert "where" not in identity["data"]
    assert identity["data"]["hardness"].keys() == {"clip", "splitter", "aggregation"}
