"""Reference log-probabilities: computed once, kept without padding."""

from dataclasses import dataclass

import torch

from harness.training.reference import ReferenceKey, ensure_reference

KEY = ReferenceKey("model", "data", "vicuna_v1", "pad", "float32", 2048, "cpu", "torch 0")


@dataclass
class Alone:
    rank: int = 0
    count: int = 1

    def barrier(self):
        pass


class Counted:
    """Row r has r + 1 chosen tokens of value -r and one rejected token of value -10 r."""

    def __init__(self):
        self.calls = []

    def __call__(self, rows):
        self.calls.append(list(rows))
        return [(torch.full((row + 1,), -1.0 * row), torch.tensor([-10.0 * row])) for row in rows]


def test_values_come_back_padded_with_zeros(tmp_path):
    found = ensure_reference(tmp_path / "a" / "r.safetensors", 5, 2, Counted(), Alone()).of(
        [2, 0], 4
    )
    assert found.chosen.tolist() == [[-2, -2, -2, 0], [0, 0, 0, 0]]
    assert found.rejected.tolist() == [[-20, 0, 0, 0], [0, 0, 0, 0]]


def test_a_second_run_reads_the_file(tmp_path):
    logps = Counted()
    for _ in range(2):
        ensure_reference(tmp_path / "r.safetensors", 5, 2, logps, Alone())
    assert logps.calls == [[0, 1], [2, 3], [4]]
    assert {path.name for path in tmp_path.iterdir()} <= {"r.safetensors", "r.safetensors.lock"}


def test_every_field_of_the_key_changes_the_file(tmp_path):
    changed = [KEY._replace(**{name: 7 if name == "max_length" else "x"}) for name in KEY._fields]
    assert len({key.file(tmp_path) for key in [KEY, *changed]}) == 1 + len(KEY._fields)
