"""From the fields of a recorded case to a method's configuration and batch, and back to its names.

A row of `ADAPTERS` is all that a new method needs; what its record has beyond single steps stands
in a function beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import recorded_views
import torch
from method_cases import Rank
from recorded_names import SIDES, names

from harness.registry import load_method
from harness.training.step.declared import Declared
from methods.dama import SELECTIONS
from methods.types import PairBatch
from methods.views import ViewBatch, views_of
from methods.with_reference.beta_dpo import BetaDPOState

RECORDED = ("official", "official_float64", "reference_float64", "terms_float64")


@dataclass(frozen=True)
class Adapter:
    """How cases of one kind are read.

    Args:
        settings: Names of fields of the configuration, by those of the record.
        variants: Fields of the configuration that make what stands below a name of the record.
        columns: Columns, from the inputs of a case.
        config: More fields, from the inputs of a case.
        expected: What is compared, from what is recorded; as it is by default.
        state: The method's state before the step; the initial one by default.
        extra: Names of the inputs that hold log-probabilities of further tokens, by mark.
        statistics: Names of the inputs that hold statistics of the tokens.
        renamed: The inputs under the names of the others, from the inputs of a case.
        divergence: Names of the inputs that hold the divergences of both sides.
        single: Whether log-probabilities of the float32 record are rounded as that run got them:
            sums of thousands of nats lose more than a difference of them may be off.
    """

    settings: tuple[str, ...] = ("beta",)
    variants: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: {"": {}})
    columns: Callable = lambda inputs: {}
    config: Callable = lambda inputs: {}
    expected: Callable = lambda recorded: recorded
    state: Callable = lambda inputs: None
    extra: Mapping[str, str] = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)
    renamed: Callable = lambda inputs: inputs
    divergence: tuple[str, ...] = ()
    single: bool = False


def batch_of(adapter, inputs, needs_reference, views=()):
    """Responses of the tokens that are recorded, or of one token each where only sums are."""

    def response(side):
        policy, mask = _padded(inputs, "policy", side)
        reference = _padded(inputs, "reference", side)[0] if needs_reference else None
        policy, mask, marks = _with_marks(adapter.extra, inputs, side, policy, mask)
        statistics = {
            kind: _rows(inputs[f"{name}_{side}"])[0] for kind, name in adapter.statistics.items()
        }
        return Declared(policy.requires_grad_(), mask, reference, None, marks, statistics)

    pair = PairBatch(*map(response, SIDES), columns=adapter.columns(inputs))
    if not views:
        return pair
    return ViewBatch(
        **vars(pair),
        views={view.name: response(view.name) for view in views},
        divergence=tuple(
            numbers(inputs[name])[:, None].requires_grad_() for name in adapter.divergence
        ),
    )


def numbers(values):
    return torch.tensor(values, dtype=torch.float64)


def _padded(inputs, model, side):
    rows = inputs.get(f"{model}_{side}") or [[x] for x in inputs[f"{model}_{side}_logps"]]
    if isinstance(rows[0], float):  # a sum beside the policy's tokens
        lengths = map(len, inputs[f"policy_{side}"])
        rows = [[x] + [0.0] * (length - 1) for x, length in zip(rows, lengths, strict=True)]
    return _rows(rows)


def _rows(rows):
    values = numbers([[0.0] * max(map(len, rows)) for _ in rows])
    mask = torch.zeros(values.shape, dtype=torch.bool)
    for i, row in enumerate(rows):
        values[i, : len(row)] = numbers(row)
        mask[i, : len(row)] = True
    return values, mask


def _with_marks(extra, inputs, side, policy, mask):
    """Put the log-probabilities of further tokens behind those of the responses."""
    marks = {}
    if extra:
        places = torch.arange(mask.shape[1])
        marks["end"] = mask & (places == mask.sum(-1, keepdim=True) - 1)
    for mark, name in extra.items():
        rows = inputs[f"{name}_{side}"]
        if mark == "end_again":  # there is none where a row fills its length
            rows = [[x] if _has_room(inputs, side, i) else [] for i, x in enumerate(rows)]
        more, there = _rows(rows)
        policy = torch.cat([policy, more], dim=1)
        marks = {k: torch.cat([v, there & False], dim=1) for k, v in marks.items()}
        marks[mark] = torch.cat([mask & False, there], dim=1)
        mask = torch.cat([mask, there & False], dim=1)
    return policy, mask, marks


def _has_room(inputs, side, i):
    length = inputs["prompt_lengths"][i] + inputs[f"{side}_lengths"][i]
    return length < inputs["padded_length"]


def steps(name, adapter, case):
    """Yield (where, recorded, ours) of a case, for every precision and variant."""
    inputs = adapter.renamed(case.get("inputs", case))
    for key in RECORDED:
        recorded = case.get(key, case if key == "official" and "official" not in case else {})
        for variant, fields in adapter.variants.items():
            of_variant = recorded.get(variant) if variant else recorded
            if not of_variant:
                continue
            others = {k: v for k, v in recorded.items() if k not in adapter.variants}
            whole = {**(others if variant else {}), **of_variant}
            drawn = case.get("official", case)
            drawn = drawn.get(variant, {}) if variant else drawn
            values = {**{n: inputs[n] for n in adapter.settings}, **adapter.config(inputs)}
            given = in_single(inputs) if adapter.single and key == "official" else inputs
            ours = run(
                name, adapter, given, {**values, **_chosen(fields, inputs)}, drawn.get("selected")
            )
            yield f"{key} {variant}".strip(), adapter.expected(whole), ours


def in_single(inputs):
    return {
        name: torch.tensor(value).tolist() if name.endswith("_logps") else value
        for name, value in inputs.items()
    }


def _chosen(fields, inputs):
    return {name: of(inputs) if callable(of) else of for name, of in fields.items()}


def run(name, adapter, inputs, values, selected=None, rank=None, state=None):
    """Run one step and return its numbers under the names of the records."""
    method = load_method(name)
    if selected is not None:
        SELECTIONS["recorded"] = lambda *_: torch.tensor(selected)
        values = {**values, "selection": "recorded"}
    config = method.config(**values)
    batch = batch_of(adapter, inputs, method.needs_reference, views_of(method, config))
    state = state or adapter.state(inputs) or method.init_state(config)
    pairs = len(batch.chosen.policy)
    if problem := method.batch_problem(config, pairs if rank is None else rank.pairs):
        return {"error": 1, "problem": problem}
    output = method.loss(batch, config, state, rank or Rank())
    return names(batch, output, ranks=1 if rank is None else rank.pairs // pairs)


def of_ties(recorded):
    """Losses in any order; where equal values leave it open which is which, sums of gradients."""
    expected = {k: v for k, v in recorded.items() if k not in ("ties", "sorted_losses")}
    if "sorted_losses" in recorded:
        expected["losses_sorted"] = sorted(recorded["sorted_losses"])
    if recorded.get("ties"):
        for side in SIDES:
            expected[f"grad_sum_{side}"] = sum(expected.pop(f"grad_policy_{side}"))
    return expected


def of_parts(recorded):
    """The gradient of the chosen response is that of both parts; an error is an error."""
    expected = {k: v for k, v in recorded.items() if k not in ("selected", "error")}
    if "error" in recorded:
        expected["error"] = 1
    if (per_token := expected.pop("grad_sft_per_chosen_token", None)) is not None:
        chosen, rejected = (expected.pop(f"grad_policy_{side}_dpo") for side in SIDES)
        expected["grad_policy_chosen"] = [slope + per_token for slope in chosen]
        expected["grad_policy_rejected"] = rejected
    return expected


def of_weights(recorded):
    """TRL's weight stands beside both codes."""
    others = () if "grad_token_chosen_first" in recorded else ("trl_weight",)
    return {name: value for name, value in recorded.items() if name not in others}


def beta_dpo_state(inputs):
    return BetaDPOState(*(numbers(inputs[f"running_{of}_before"]) for of in ("mean", "std")))


def beta_dpo_expected(recorded):
    """Of a flat case, what it says of the outcome."""
    outcome = ("running_mean_used", "running_std_used", "beta_used", "losses", "mask", "loss")
    return {name: recorded[name] for name in outcome if name in recorded}


def difference(first, second):
    return lambda inputs: {"clip_gap": numbers(inputs[first]) - numbers(inputs[second])}


NLL_OF = ("prompt_and_response", "response")
MPO_WEIGHTS = ("preference_weight", "quality_weight", "generation_weight")


def mpo_config(inputs):
    return dict(zip(MPO_WEIGHTS, inputs["loss_weights"], strict=True))


ADAPTERS = {
    "ipo": Adapter(
        variants={
            "unnormalised": {"normalisation": "none"},
            "halos_normalised": {"normalisation": "changed_tokens"},
            "trl_normalised": {"normalisation": "tokens"},
        }
    ),
    "cdpo": Adapter(settings=("beta", "label_smoothing")),
    "rdpo": Adapter(settings=("beta", "label_smoothing")),
    "ld_dpo": Adapter(settings=("beta", "ld_alpha")),
    "aot": Adapter(
        settings=("beta", "label_smoothing"),
        variants={
            "aot": {"pairing": "paired", "sort_over": "device"},
            "aot_unpaired": {"pairing": "unpaired", "sort_over": "device"},
        },
        expected=of_ties,
    ),
    "da_dpo": Adapter(
        settings=("beta", "db_alpha"),
        columns=difference("chosen_clip_score", "rejected_clip_score"),
    ),
    "beta_dpo": Adapter(
        settings=("beta", "a"),
        config=lambda inputs: {"keep": 1 - inputs["mode_weight"], "momentum": inputs["gamma"]},
        state=beta_dpo_state,
        expected=beta_dpo_expected,
    ),
    "simpo": Adapter(
        settings=("beta", "gamma_beta_ratio", "label_smoothing", "loss_type", "sft_weight")
    ),
    "mm_dpo": Adapter(
        settings=("beta", "gamma"),
        config=lambda inputs: {"margin_weight": inputs["ls_factor_weight"], "average": "per_rank"},
        variants={"released": {"beta_from": "drawn_gaps"}, "paper": {"beta_from": "margin"}},
        columns=lambda inputs: {"margin_factor": numbers(inputs.get("ls_factor", []))},
        expected=of_parts,
    ),
    "orpo": Adapter(
        config=lambda inputs: {"average": "per_rank"},
        variants={
            "trl": {},
            "xfactlab": {
                "end_token": "twice_in_odds",
                "nll_of": lambda inputs: NLL_OF[inputs["disable_prompt_loss"]],
            },
        },
        extra={"end_again": "extra", "prompt": "prompt"},
    ),
    "wpo": Adapter(
        variants={"wpo": {"clamp": True}, "trl": {"clamp": False}},
        statistics={"log_sum_p2": "log_sum_squared_probs"},
        expected=of_weights,
    ),
    "mpo": Adapter(config=lambda inputs: {**mpo_config(inputs), "shift": "none"}),
    **recorded_views.adapters(Adapter),
}
