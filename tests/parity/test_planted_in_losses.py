"""What could be wrong in a loss by little or by sign is found by the record of its method."""

import json

import check
import pytest
from method_cases import DATA
from recorded_methods import ADAPTERS

METHODS = [*ADAPTERS, "dama"]
BESIDE_THE_OUTPUTS = {"beta", "a", "mode_weight", "gamma"}
"""Coefficients of a record that does not part inputs from outputs."""
NO_COEFFICIENT = {
    ("mm_dpo", "dpo_alpha"),  # 1 in every case, and no option of ours
    ("mm_dpo", "label_smoothing"),
    ("beta_dpo", "mode_weight"),  # a share of the batch, rounded to pairs
}
SIDES = {"1_w": "1_l"}
"""SymMPO's names of chosen and rejected."""


def golden_of(method):
    """Return a record with the first cases of each list, and of each case the first steps."""
    golden = json.loads((DATA / f"{method}.json").read_text("utf-8"))
    golden |= {key: one[:12] for key, one in golden.items() if isinstance(one, list)}
    for case in golden.get("sequences", ()):
        case["steps"] = case["steps"][:5]
    return golden


def inputs_of(golden):
    """Yield what the cases of all lists were given, also step by step."""
    for cases in golden.values():
        if not isinstance(cases, list):
            continue
        for case in cases:
            yield from (one.get("inputs", one) for one in (case, *case.get("steps", ())))


def coefficients(method):
    found = {
        (method, name)
        for inputs in inputs_of(golden_of(method))
        for name, value in inputs.items()
        if isinstance(value, float) and value
        if "id" not in inputs or name in BESIDE_THE_OUTPUTS
    }
    return sorted(found - NO_COEFFICIENT)


PLANTED = [one for method in METHODS for one in coefficients(method)]


def differing(method, golden):
    """Return how many cases are told to differ."""
    verdicts, _ = check.checked(method, golden)
    return sum(bool(verdict.differences) for verdict in verdicts.values())


def test_every_method_has_a_coefficient_here():
    assert {method for method, _ in PLANTED} == set(METHODS)


@pytest.mark.parametrize(("method", "name"), PLANTED)
def test_one_percent_on_a_coefficient(method, name):
    golden = golden_of(method)
    for inputs in inputs_of(golden):
        if isinstance(inputs.get(name), float):
            inputs[name] *= 0.99
    assert differing(method, golden)


@pytest.mark.parametrize("method", METHODS)
def test_chosen_and_rejected_changed_places(method):
    golden = golden_of(method)
    for inputs in inputs_of(golden):
        flip(inputs)
    assert differing(method, golden)


def flip(inputs):
    """Change what there is of both chosen and rejected."""
    for name in list(inputs):
        other = SIDES.get(name, name.replace("chosen", "rejected"))
        if isinstance(inputs[name], dict):
            flip(inputs[name])
        elif other != name and other in inputs:
            inputs[name], inputs[other] = inputs[other], inputs[name]
