"""Memory does not grow with the number of pairs."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).with_name("preference_memory.py")
BOUND_MB = 60
"""What may be in memory at once: 32 MB of the map and the buffers of one row group."""


def test_five_times_the_pairs_need_the_same_memory():
    """600 and 3000 pairs with images of 256 x 256 noise are 40 and 200 MB when stored."""
    spec = importlib.util.spec_from_file_location("preference_memory", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    few, many = (script.measure(count, ("convert", "epoch"), side=256) for count in (600, 3000))
    for step in ("convert", "epoch"):
        assert many[step]["peak_mb"] - few[step]["peak_mb"] < BOUND_MB, step
