"""Which numbers are better small: a flipped direction would praise what a method makes worse."""

import pytest

from harness.registry import load_benchmark

SMALL_IS_BETTER = {
    "amber": {"chair", "hal", "cog"},
    "llava_bench": set(),
    "mm_vet": {"total_std"},
    "mmhal": {"hallucination_rate"},
    "object_halbench": {"response_hallucination", "mention_hallucination"},
}


@pytest.mark.parametrize("name", SMALL_IS_BETTER)
def test_directions(name):
    metrics = load_benchmark(name).metrics
    small = {metric.name for metric in metrics if not metric.higher_is_better}
    assert small == SMALL_IS_BETTER[name]
