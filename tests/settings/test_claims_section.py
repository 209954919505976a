"""Claims as data beside a preset."""

import pytest

from harness.errors import ConfigError
from harness.registry import load_benchmark
from harness.settings.claims import read_claims
from harness.settings.preset_files import read_file, read_preset

GOOD = {
    "says": "It is better.", "source": "a table", "standing": "verified", "quantity": "better",
    "than": "dpo", "metrics": ["mmhal/score"],
}  # fmt: skip


def test_a_claim_of_direction():
    claim = read_claims({"one": GOOD}, "here")["one"]
    assert claim.asked == ("mmhal/score",)
    assert claim.margin == 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"source": ""}, "source: "),
        ({"standing": "sure"}, "standing: "),
        ({"quantity": "value"}, "give `metrics` for quantity better"),
        ({"than": None}, "give `than`"),
        ({"within": 3.0}, "give `within`"),
        ({"metrics": ["score"]}, "write metrics as benchmark/metric"),
        ({"metrics": []}, "give `metrics`"),
        ({"more": 1}, "more: "),
    ],
)
def test_a_claim_that_lacks_something_is_told(change, told):
    with pytest.raises(ConfigError, match=f"here, claim one: .*{told}"):
        read_claims({"one": GOOD | change}, "here")


def test_claims_are_names_with_values():
    with pytest.raises(ConfigError, match="write claims as a name"):
        read_claims([GOOD], "here")


@pytest.mark.parametrize(("method", "size"), [("dama", "7b"), ("rlhf_v", "13b"), ("dama", "tiny")])
def test_built_in_claims_are_about_metrics_that_there_are(method, size):
    claims = read_preset(method, size).claims
    assert claims
    for claim in claims.values():
        for name in claim.asked:
            benchmark, _, metric = name.partition("/")
            assert metric in {one.name for one in load_benchmark(benchmark).metrics}


def test_on_the_tiny_world_only_directions_are_claimed_of_dama():
    assert {one.quantity for one in read_preset("dama", "tiny").claims.values()} == {"better"}


def test_a_package_brings_its_own_and_those_below(tmp_path, monkeypatch):
    folder = tmp_path / "claimed_presets"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    lines = [f"    {key}: {value}" for key, value in GOOD.items()]
    claims = "\n".join(["claims:", "  low:", *lines])
    (folder / "low.yaml").write_text(claims)
    (folder / "high.yaml").write_text(f"extends: low\n{claims.replace('  low:', '  high:')}")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(read_file("high", "claimed_presets").claims) == {"low", "high"}
