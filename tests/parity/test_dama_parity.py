"""DAMA against outputs of injadlu/DAMA's own functions and of a float64 reading of Algorithm 1."""

import json
from itertools import chain

import pytest
import torch
import torch.distributed as dist
from method_cases import Rank, dama_batch, recorded, released_config
from torch.multiprocessing import spawn

from methods.dama import SELECTIONS, DAMAConfig, DAMAState, gaussian_draw, loss

GOLDEN = recorded("dama")
WORLD, LOCAL = 4, 4


@pytest.fixture(autouse=True)
def _forget_the_replayed_rule():
    yield
    SELECTIONS.pop("recorded", None)


def named(cases):
    return [pytest.param(case, id=case["id"]) for case in cases]


def state(gap_mean, dtype=torch.float32):
    return DAMAState(torch.tensor(gap_mean, dtype=dtype))


def near(values, rel=1e-5):
    """Relative only, except for what is zero in the record."""
    return pytest.approx(values, rel=rel, abs=1e-30)


def indices(mask):
    return [index for index, kept in enumerate(mask) if kept]


@pytest.mark.parametrize("case", named(GOLDEN["cases"]))
def test_one_step_of_the_released_code(case):
    inputs, official = case["inputs"], case["official"]
    bfloat16 = inputs["reference_and_clip_dtype"] == "torch.bfloat16"
    config = released_config(inputs["beta"], official["selected"], bfloat16=bfloat16)
    batch = dama_batch(inputs)
    batch.chosen.policy.requires_grad_()
    output = loss(batch, config, state(inputs["running_mean"]), Rank())
    total = (output.weights * output.losses).sum()
    total.backward()
    assert output.metrics["kept"].tolist() == official["mask"]
    assert output.metrics["alpha_d"].tolist() == near(official["alpha_D"])
    assert output.metrics["alpha_m"].item() == near(official["alpha_M"])
    assert output.metrics["beta"].tolist() == near(official["beta_used"])
    assert output.losses.tolist() == near(official["losses"])
    assert total.item() == near(official["loss"])
    assert batch.chosen.policy.grad[:, 0].tolist() == near(official["grad_policy_chosen"])
    assert output.state.gap_mean.item() == near(official["new_running_mean"])


@pytest.mark.parametrize(
    "case", named(case for case in GOLDEN["cases"] if "reference_float64" in case)
)
def test_one_step_in_float64(case):
    """Far below float32's rounding: the formula itself is the same."""
    inputs, twin = case["inputs"], case["reference_float64"]
    config = released_config(inputs["beta"], case["official"]["selected"])
    before = state(inputs["running_mean"], torch.float64)
    output = loss(dama_batch(inputs, torch.float64), config, before, Rank())
    assert output.metrics["beta"].tolist() == near(twin["beta_used"], 1e-9)
    assert output.losses.tolist() == near(twin["losses"], 1e-9)
    assert (output.weights * output.losses).sum().item() == near(twin["loss"], 1e-9)


@pytest.mark.parametrize("case", named(case for case in GOLDEN["cases"] if "paper" in case))
def test_one_step_of_algorithm_one(case):
    inputs, paper = case["inputs"], case["paper"]
    mean = GOLDEN["constants"]["mean_delta"]
    before = state(inputs["running_mean"], torch.float64)
    batch = dama_batch(inputs, torch.float64)
    for drop, expected in ((False, "paper_loss_mean_all"), (True, "paper_loss_mean_kept")):
        config = DAMAConfig(beta=inputs["beta"], mean_clip_gap=mean, drop_unselected=drop)
        output = loss(batch, config, before, Rank())
        assert indices(output.metrics["kept"].tolist()) == sorted(paper["paper_selected"])
        assert output.metrics["alpha_m"].item() == near(paper["paper_alpha_M"], 1e-9)
        assert output.metrics["beta"].tolist() == near(paper["paper_beta_C"], 1e-9)
        assert output.losses.tolist() == near(paper["paper_losses"], 1e-9)
        assert (output.weights * output.losses).sum().item() == near(paper[expected], 1e-9)
        assert output.state.gap_mean.item() == near(paper["paper_new_running_mean"], 1e-9)


@pytest.mark.parametrize("case", named(GOLDEN["sequences"]))
def test_a_run_of_steps_carries_the_running_mean(case):
    running = state(0.0)
    for step in case["steps"]:
        assert running.gap_mean.item() == near(step["running_mean_before"])
        config = released_config(case["beta"], step["selected"])
        output = loss(dama_batch(step["inputs"]), config, running, Rank())
        assert output.metrics["alpha_m"].item() == near(step["alpha_M"])
        assert output.metrics["beta"].tolist() == near(step["beta_used"])
        assert output.losses.tolist() == near(step["losses"])
        assert (output.weights * output.losses).sum().item() == near(step["loss"])
        running = output.state
        assert running.gap_mean.item() == near(step["running_mean_after"])


def on_rank(rank, case, gather):
    """Run one rank's share of a recorded batch of four ranks; JSON-ready."""
    inputs = case["inputs"]
    config = released_config(inputs["beta"], indices(case["mask"]))
    batch = dama_batch(inputs, pairs=slice(rank * LOCAL, (rank + 1) * LOCAL))
    output = loss(batch, config, state(inputs["running_mean"]), Rank(rank, gather))
    shown = {"losses": output.losses, "weights": output.weights, "beta": output.metrics["beta"]}
    return {name: values.tolist() for name, values in shown.items()}


def check_ranks(case, ranks):
    together = {name: list(chain(*(rank[name] for rank in ranks))) for name in ranks[0]}
    assert together["losses"] == near(case["losses"])
    assert together["beta"] == near(case["beta_used"])
    assert together["weights"] == near(case["effective_sample_weight_after_gradient_averaging"])
    for rank, expected in zip(ranks, case["per_rank"], strict=True):
        own = sum(w * x for w, x in zip(rank["weights"], rank["losses"], strict=True))
        assert own * WORLD == near(expected["loss"])
    pairs = zip(together["weights"], together["losses"], strict=True)
    assert sum(weight * value for weight, value in pairs) == near(case["ddp_mean_loss"])


@pytest.mark.parametrize("case", named(GOLDEN["rank_cases"]))
def test_four_ranks_average_as_released(case):
    """The gathered gaps are those of the whole batch, which one rank alone would see."""
    whole = dama_batch(case["inputs"])
    policy, reference = (
        (getattr(whole.chosen, of) - getattr(whole.rejected, of))[:, 0]
        for of in ("policy", "reference")
    )
    gaps = policy - reference
    check_ranks(case, [on_rank(rank, case, lambda values: gaps) for rank in range(WORLD)])


@pytest.mark.parametrize("case", named(GOLDEN["rank_cases"]))
def test_the_global_average_is_the_mean_over_the_kept_pairs(case):
    inputs = case["inputs"]
    config = released_config(inputs["beta"], indices(case["mask"]))
    config = config.model_copy(update={"average": "global"})
    output = loss(dama_batch(inputs), config, state(inputs["running_mean"]), Rank())
    assert (output.weights * output.losses).sum().item() == near(case["global_masked_mean"])


def _process(rank, folder):
    """One of four real processes: write what this rank got for every recorded case."""
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD)

    def gather(values):
        everyone = [torch.empty_like(values) for _ in range(WORLD)]
        dist.all_gather(everyone, values)
        return torch.cat(everyone)

    results = [on_rank(rank, case, gather) for case in GOLDEN["rank_cases"]]
    (folder / f"{rank}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


@pytest.mark.processes
def test_four_gloo_processes_average_as_released(tmp_path):
    spawn(_process, args=(tmp_path,), nprocs=WORLD)
    by_rank = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(WORLD)]
    for case, *ranks in zip(GOLDEN["rank_cases"], *by_rank, strict=True):
        check_ranks(case, ranks)


@pytest.mark.parametrize("case", named(GOLDEN["inclusion_cases"]))
def test_the_draw_includes_each_pair_as_often_as_multinomial(case):
    """4,000 draws put every share within four standard errors of the exact probability."""
    draws, rng = 4_000, torch.Generator().manual_seed(11)
    gaps, mean = torch.tensor(case["gap"]), torch.tensor(case["running_mean"])
    counts = torch.zeros(case["N"])
    for _ in range(draws):
        counts[gaussian_draw(gaps, mean, case["K"], rng)] += 1
    exact = torch.tensor(case["exact_inclusion_probability"])
    error = (exact * (1 - exact) / draws).sqrt()
    assert ((counts / draws - exact).abs() < 4 * error).all()
