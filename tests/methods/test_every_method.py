"""What every built-in method keeps to, in every variant of its preset."""

import contextlib

import pytest
from hypothesis import given, settings
from method_batches import pair_batches

from harness.registry import load_method
from harness.settings.preset_files import read_preset
from harness.settings.resolve import resolve
from harness.training.contract import laws
from harness.training.contract.batches import PAIRS, apart
from harness.training.contract.laws import Case
from methods.catalog import BUILTIN, VIEWED
from methods.views import ViewMethod

CASES = [
    (method, variant) for method in BUILTIN for variant in read_preset(method, "tiny").variants
]
CASES += [(method, None) for method in BUILTIN]


def of(name, variant, **changes):
    """Return a method, a configuration in which no draw decides, and the first state."""
    method = load_method(name)
    values = resolve(name, "tiny", variant).spec.config
    if "keep" in values:
        changes["keep"] = 1.0
    config = method.config.model_validate({**values, **changes})
    return method, config, method.init_state(config)


def case(name, variant, batch):
    method, config, _ = of(name, variant)
    return Case(method, config, batch)


EVERY = pytest.mark.parametrize(("name", "variant"), CASES)
BATCHES = pair_batches(min_pairs=PAIRS, max_pairs=PAIRS)


@EVERY
@settings(deadline=None, max_examples=15)
@given(batch=BATCHES)
def test_what_it_gives_back_can_be_trained_on_and_saved(name, variant, batch):
    """Finite gradients in padding zero, weights of one, scalar metrics, a state that survives."""
    tried = case(name, variant, apart(batch))
    laws.finite_gradients(tried)
    laws.scalar_metrics(tried)
    laws.saved_state(tried)


@EVERY
@settings(deadline=None, max_examples=15)
@given(batch=BATCHES)
def test_the_cut_of_the_batch_changes_nothing_unless_the_method_says_so(name, variant, batch):
    """Loss, gradients and the next state on two and four ranks are those on one."""
    tried = case(name, variant, apart(batch))
    if not tried.config.per_device:
        laws.any_cut(tried)


@EVERY
@settings(deadline=None, max_examples=10)
@given(batch=BATCHES)
def test_the_order_of_the_pairs_decides_nothing(name, variant, batch):
    """Not where a draw falls on other pairs: `of` leaves none."""
    laws.any_order(case(name, variant, apart(batch)))


@EVERY
@settings(deadline=None, max_examples=10)
@given(batch=BATCHES)
def test_equal_steps_give_equal_numbers_and_evaluation_leaves_the_state(name, variant, batch):
    """No randomness but that of the step: the global generator neither matters nor moves."""
    tried = case(name, variant, batch)
    laws.no_hidden_randomness(tried)
    laws.kept_state(tried)


@EVERY
@settings(deadline=None, max_examples=10)
@given(batch=BATCHES)
def test_the_reward_gap_changes_its_sign_with_swapped_pairs(name, variant, batch):
    """A metric of that name means the same in every method."""
    with contextlib.suppress(laws.NoLaw):
        laws.swapped_pairs(case(name, variant, batch))


def test_methods_whose_numbers_hang_on_the_devices_say_so():
    says = {(name, variant) for name, variant in CASES if of(name, variant)[1].per_device}
    assert {
        ("dama", "released"),
        ("aot", "trl"),
        ("mpo", "released"),
        ("mm_dpo", "released"),
    } < says
    assert not any(variant is None for _, variant in says)


def test_the_catalog_names_the_methods_that_read_views():
    assert {name for name in BUILTIN if isinstance(load_method(name), ViewMethod)} == VIEWED
