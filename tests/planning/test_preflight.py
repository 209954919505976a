"""Every problem is told at once, before any work."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import world_fixture
from PIL import Image

from harness.costs.devices import parse_devices
from harness.errors import PreflightError
from harness.llm.messages import ChatSettings
from harness.planning.preflight import cannot_start, check, look
from harness.settings.resolve import resolve
from harness.settings.spec import RunSpec


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG")
    return stream.getvalue()


def pairs_file(folder: Path, rows: int, **changes: list[object]) -> Path:
    columns: dict[str, list[object]] = {
        "question": ["What is there?"] * rows,
        "chosen": ["A cat."] * rows,
        "rejected": ["A dog."] * rows,
        "image": [{"bytes": png(), "path": "0.png"}] * rows,
    }
    file = folder / "pairs.parquet"
    pq.write_table(pa.table(columns | changes), file)
    return file


def model_folder(folder: Path) -> Path:
    return world_fixture.write_base(folder / "model")


def benchmark_folder(folder: Path) -> Path:
    """One question of MM-Vet in its published form."""
    place = folder / "benchmarks" / "mm_vet"
    place.mkdir(parents=True)
    question = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
    (place / "mm-vet.json").write_text(json.dumps({"v1_0": question}))
    (place / "images").mkdir()
    (place / "images" / "0.png").write_bytes(png())
    return folder / "benchmarks"


def spec_of(tmp_path: Path, *overrides: str, rows: int = 40, method: str = "dpo") -> RunSpec:
    """A run whose places are all in `tmp_path` and in order."""
    return resolve(
        method,
        "tiny",
        overrides=[
            f"model.path={model_folder(tmp_path)}",
            f"data.preferences={pairs_file(tmp_path, rows)}",
            f"evaluation.data={benchmark_folder(tmp_path)}",
            "evaluation.benchmarks=[mm_vet]",
            "training.batch_pairs=16",
            "training.epochs=3",
            *overrides,
        ],
    ).spec


def test_the_plan_counts_pairs_steps_and_disk(tmp_path: Path):
    """40 pairs give 2 whole batches of 16 per epoch, 6 steps in 3 epochs; one base for two runs."""
    spec = spec_of(tmp_path)
    plan = check([spec, spec.model_copy(update={"seed": 1})], tmp_path / "out")
    assert (plan.pairs, plan.steps) == (40, 6)
    parts = dict(plan.costs.disk())
    assert plan.disk_bytes == sum(parts.values()) + parts["trained model"]
    assert plan.runs == ("dpo tiny seed 0", "dpo tiny seed 1")
    assert not (tmp_path / "out").exists()


def test_what_the_world_has_not_built_yet_is_unknown_and_not_guessed(tmp_path: Path):
    plan = check([resolve("dama", "tiny").spec], tmp_path)
    assert (plan.pairs, plan.steps, plan.disk_bytes) == (None, None, None)
    assert dict(plan.rows())["preference pairs"] == "not known before the data are there"


def test_all_problems_are_told_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    spec = spec_of(
        tmp_path,
        "evaluation.judge=openai",
        "evaluation.benchmarks=[mm_vet, mmhal]",
        "training.devices=4097",
    )
    (tmp_path / "model" / "model.safetensors").unlink()
    pairs_file(tmp_path, 40, chosen=["  "] + ["A cat."] * 39)
    with pytest.raises(PreflightError) as caught:
        check([spec], tmp_path)
    told = str(caught.value)
    for part in (
        "dpo tiny cannot start:",
        "model.safetensors",
        "OPENAI_API_KEY is not set",
        "not the data of benchmark 'mmhal'",
        "4097 devices asked for",
        "training.batch_pairs 16 is not a multiple of the 4097 devices",
        "row 0: empty chosen",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"image": [{"bytes": png()[:40], "path": "0.png"}] * 40}, "row 0: unreadable image"),
        ({"rejected": ["A cat."] * 40}, "row 0: chosen equals rejected"),
    ],
    ids=["broken image", "equal responses"],
)
def test_a_pair_that_cannot_be_trained_on_stops_the_run(
    tmp_path: Path, changes: dict[str, list[object]], told: str
):
    spec = spec_of(tmp_path)
    pairs_file(tmp_path, 40, **changes)
    with pytest.raises(PreflightError, match=told):
        check([spec], tmp_path)


def test_a_file_without_a_needed_column_stops_the_run(tmp_path: Path):
    spec = spec_of(tmp_path)
    table = pq.read_table(tmp_path / "pairs.parquet").drop_columns(["rejected"])
    pq.write_table(table, tmp_path / "pairs.parquet")
    with pytest.raises(PreflightError, match="no column 'rejected'"):
        check([spec], tmp_path)


def test_too_few_pairs_for_one_batch_stop_the_run(tmp_path: Path):
    with pytest.raises(PreflightError, match="15 pairs do not fill one batch of 16"):
        check([spec_of(tmp_path, rows=15)], tmp_path)


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ("orcale", "Unknown judge 'orcale'. Known: oracle, openai, openai:MODEL, replay:FILE, "),
        ("'local:'", "judge local: names no model. Write local:FOLDER or local:owner/name"),
        ("local:nowhere", "judge local:nowhere: there is no folder nowhere"),
        ("replay:nowhere.jsonl", "judge replay:nowhere.jsonl: there is no nowhere.jsonl"),
    ],
)
def test_a_judge_that_cannot_judge_stops_the_run(tmp_path: Path, judge: str, told: str):
    with pytest.raises(PreflightError) as caught:
        check([spec_of(tmp_path, f"evaluation.judge={judge}")], tmp_path)
    assert told in str(caught.value)


def test_a_batch_that_the_method_cannot_use_is_told_before_work_starts(tmp_path: Path):
    """DAMA keeps int(1 * 0.8) = 0 of one pair; another run of the same call may be in order."""
    bad = spec_of(tmp_path, "training.batch_pairs=1", method="dama")
    good = bad.model_copy(update={"config": bad.config | {"keep": 1.0}})
    check([good], tmp_path / "out")
    with pytest.raises(PreflightError, match=r"keep=0\.8 leaves none of the 1 pairs of a batch"):
        check([good, bad], tmp_path / "out")


def test_every_method_of_a_call_needs_its_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where clip_gap could not be computed, DAMA beside DPO would still need it."""
    monkeypatch.setattr("harness.data.columns.catalog.COMPUTABLE", {})
    spec = spec_of(tmp_path)
    dama = spec_of_method(spec, "dama")
    check([spec], tmp_path / "out")
    with pytest.raises(PreflightError, match="no column 'clip_gap', which method 'dama' needs"):
        check([spec, dama], tmp_path / "out")


def test_margins_are_asked_for_before_work_starts_and_no_clip_is(tmp_path: Path):
    """Data without rewards are refused, and no CLIP is looked at where there are some."""
    spec = spec_of(tmp_path, "data.hardness.clip=local-dir:nowhere", method="mm_dpo")
    told = "no column 'margin_factor', which method 'mm_dpo' needs. It is computed of the rewards"
    with pytest.raises(PreflightError, match=told):
        check([spec], tmp_path / "out")
    pairs_file(tmp_path, 40, chosen_score=[3] * 40, rejected_score=[1] * 40)
    assert check([spec], tmp_path / "out").pairs == 40


def spec_of_method(spec: RunSpec, method: str) -> RunSpec:
    """The same run with another method."""
    config = resolve(method, "tiny").spec.config
    return spec.model_copy(update={"method": method, "config": config})


def test_the_plan_counts_the_judge_s_calls_for_every_run_and_the_base_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One question of MM-Vet; two seeds and the base model are asked about once each: 3 calls.

    Replies have 3 tokens at most (mm-vet_evaluator.py), 9 in all.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    spec = spec_of(tmp_path, "evaluation.judge=openai")
    (tmp_path / "benchmarks" / "mm_vet" / "judge_prompt.txt").write_text("Compare.")
    plan = check([spec, spec.model_copy(update={"seed": 1})], tmp_path / "out")
    assert plan.judging is not None
    assert (plan.judging.calls, plan.judging.completion_tokens_limit) == (3, 9)
    assert dict(plan.rows())["judge calls"].startswith("3 for all runs and the base model")


def test_every_run_of_the_judge_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One question of MM-Vet, one seed and the base model, five runs each: 10 calls.

    Of MMHal-Bench, which is judged once, nothing is here: 96 samples, twice.
    """
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    several = ("evaluation.judge=openai", "evaluation.judge_runs=5")
    spec = spec_of(tmp_path, *several)
    (tmp_path / "benchmarks" / "mm_vet" / "judge_prompt.txt").write_text("Compare.")
    plan = check([spec], tmp_path / "out")
    assert plan.judging is not None
    assert (plan.judging.calls, plan.judging.completion_tokens_limit) == (10, 30)
    (tmp_path / "benchmarks" / "mm_vet" / "mm-vet.json").unlink()
    both = {"benchmarks": ("mm_vet", "mmhal")}
    spec = spec.model_copy(update={"evaluation": spec.evaluation.model_copy(update=both)})
    unread = look([spec], tmp_path / "out").unread
    assert (unread.calls, unread.more_calls_limit) == (218 * 10 + 96 * 2, 5 * 218 * 10)


@pytest.mark.parametrize("judge", ["oracle", "replay:recorded.jsonl"])
def test_only_a_judge_that_is_asked_anew_judges_several_times(tmp_path: Path, judge: str):
    spec = spec_of(tmp_path, f"evaluation.judge={judge}", "evaluation.judge_runs=5")
    told = f"evaluation.judge_runs 5: judge {judge} gives the same replies.*Leave it at 1, or"
    with pytest.raises(PreflightError, match=told):
        check([spec], tmp_path)


def test_a_key_file_stands_for_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    spec = spec_of(tmp_path, "evaluation.judge=openai")
    (tmp_path / "benchmarks" / "mm_vet" / "judge_prompt.txt").write_text("Compare.")
    key = tmp_path / "key"
    with pytest.raises(PreflightError, match="there is no key file"):
        check([spec], tmp_path / "out", ChatSettings(key_file=key))
    key.write_text("a-key")
    assert check([spec], tmp_path / "out", ChatSettings(key_file=key)).judging


def test_without_a_key_the_ways_that_need_none_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(PreflightError) as caught:
        check([spec_of(tmp_path, "evaluation.judge=openai")], tmp_path / "out")
    for way in (
        "--judge local:Qwen/Qwen2.5-32B-Instruct, an open model on your own devices",
        "with the key of another provider, --judge openai:MODEL --judge-url URL",
        "--judge later trains and answers now",
    ):
        assert way in str(caught.value)


def test_a_local_judge_is_planned_with_memory_time_and_what_it_is_not(tmp_path: Path):
    """8 billion weights of two bytes are 16 GB, a quarter more with a batch 20 GB.

    MMHal's 96 questions twice: 192,000 tokens read at 10 % of 312 TFLOP/s, two products for each of
    8e9 weights, take 98 s; 57,600 written, 64 at a time at 0.09 TB/s, take 160 s. MM-Vet's one
    question is not counted before all data are here.
    """
    words = ("evaluation.judge=local:some/judge-8B@abc", "evaluation.benchmarks=[mm_vet, mmhal]")
    spec = spec_of(tmp_path, *words)
    (tmp_path / "benchmarks" / "mm_vet" / "judge_prompt.txt").write_text("Compare.")
    plan = look([spec], tmp_path / "out", devices=parse_devices("1xA100-80GB"))
    (note,) = (note for note in plan.notes if "local" in note)
    assert "local:some/judge-8B@abc runs by transformers when the answers are there" in note
    assert "about 20.0 GB of memory (16.0 GB of weights)" in note
    assert "about 5 minutes for 192 questions (measured on an H100" in note
    assert "It is not the published judge" in note
    assert not any(
        "judge" in told for told in (*plan.problems, *plan.missing) if "data" not in told
    )
    small = look([spec], tmp_path / "out", devices=parse_devices("1xV100-16GB"))
    assert any("judge-8B@abc needs about 20.0 GB" in told for told in small.missing)


SPLITTING = ("data.hardness.splitter=endpoint", "data.hardness.splitter_model=m")


def test_a_run_whose_responses_a_model_splits_needs_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Both responses of 40 pairs; plain DPO needs no column, so that nobody is asked."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "open_clip_config.json").touch()
    own = ("evaluation.judge=oracle", f"data.hardness.clip=local-dir:{tmp_path}")
    spec = spec_of(tmp_path, *SPLITTING, *own, method="dama")
    with pytest.raises(PreflightError, match=r"data\.hardness\.splitter endpoint: the environment"):
        check([spec], tmp_path / "out")
    key = tmp_path / "key"
    key.write_text("a-key")
    plan = check([spec], tmp_path / "out", ChatSettings(key_file=key))
    told = "80 at most, one for each response that is not split yet"
    assert dict(plan.rows())["splitting calls"] == told
    plain = look([spec.model_copy(update={"method": "dpo", "config": {}})], tmp_path / "out")
    assert "splitting calls" not in dict(plain.rows())


def test_a_column_that_the_data_hold_is_not_split_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    spec = spec_of(tmp_path, *SPLITTING, "evaluation.judge=oracle", method="dama")
    pairs_file(tmp_path, 40, clip_gap=[0.5] * 40)
    assert not check([spec], tmp_path / "out").splits


@pytest.mark.parametrize(
    ("clip", "told"),
    [
        ("local-dir:nowhere", "there is no nowhere/open_clip_config.json"),
        ("nowhere", "no weights are named, and no folder"),
    ],
)
def test_a_clip_that_is_not_there_stops_the_runs_that_score_with_it(
    tmp_path: Path, clip: str, told: str
):
    """Plain DPO needs no column; nor is a CLIP asked where the data hold DAMA's."""
    spec = spec_of(tmp_path, f"data.hardness.clip={clip}", method="dama")
    with pytest.raises(PreflightError, match=f"data.hardness.clip {clip}: {told}. Write local-dir"):
        check([spec], tmp_path / "out")
    check([spec.model_copy(update={"method": "dpo", "config": {}})], tmp_path / "out")
    pairs_file(tmp_path, 40, clip_gap=[0.5] * 40)
    check([spec], tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name its text model"),
        (("data.hardness.splitter_model=/nowhere/model",), "/nowhere/model: no such folder"),
    ],
)
def test_a_text_model_that_is_not_there_stops_the_runs_that_split_with_it(
    tmp_path: Path, words: tuple[str, ...], told: str
):
    spec = spec_of(tmp_path, "data.hardness.splitter=local", *words, method="dama")
    with pytest.raises(PreflightError, match=told):
        check([spec], tmp_path / "out")
    pairs_file(tmp_path, 40, clip_gap=[0.5] * 40)
    check([spec], tmp_path / "out")


def test_the_template_of_a_model_in_the_first_layout_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of both names that its config.json may have for the family."""
    monkeypatch.setattr("harness.models.verify.check_model", lambda folder: [])
    spec = spec_of(tmp_path)
    for name in ("llava", "llava_llama"):
        config = {"model_type": name, "mm_vision_tower": "openai/clip-vit-large-patch14-336"}
        (tmp_path / "model" / "config.json").write_text(json.dumps(config))
        for template, wrong in (("vicuna_v1", False), ("qwen2_5_vl", True)):
            model = spec.model.model_copy(update={"template": template})
            plan = look([spec.model_copy(update={"model": model})], tmp_path / "out")
            assert any("model.template" in text for text in plan.missing) is wrong


def test_pairs_that_stand_by_image_are_said_to_cost_at_most_what_is_counted(tmp_path: Path):
    row = "pairs that share an image"
    spec = spec_of(tmp_path)
    assert row not in dict(check([spec], tmp_path / "out").rows())
    by_image = spec.data.model_copy(update={"order": "by_image"})
    plan = check([spec.model_copy(update={"data": by_image})], tmp_path / "out")
    assert "upper bounds" in dict(plan.rows())[row]


@pytest.mark.parametrize("words", [(), ("data.order_column=clip_gap",)], ids=["only", "named"])
def test_the_column_that_sorts_the_pairs_is_told(tmp_path: Path, words: tuple[str, ...]):
    spec = spec_of(tmp_path, "data.order=by_column", *words, method="da_dpo")
    pairs_file(tmp_path, 40, clip_gap=[0.1 * i for i in range(40)])
    plan = check([spec], tmp_path / "out")
    assert (
        "da_dpo: pairs are sorted by clip_gap, and each step takes 16 that follow one another"
    ) in plan.notes


@pytest.mark.parametrize(
    ("method", "words", "told"),
    [
        ("dpo", ["data.order=by_column"], "method 'dpo' reads no column"),
        (
            "da_dpo",
            ["data.order=by_column", "data.order_column=clip_gab"],
            "method 'da_dpo' reads no such column. Did you mean 'clip_gap'? Known: clip_gap.",
        ),
        ("da_dpo", ["data.order_column=clip_gap"], "is for data.order=by_column"),
    ],
)
def test_pairs_that_cannot_be_sorted_stop_the_run(
    tmp_path: Path, method: str, words: list[str], told: str
):
    plan = look([spec_of(tmp_path, *words, method=method)], tmp_path / "out")
    assert told in "\n".join(plan.problems)


def test_a_method_of_several_columns_is_asked_which_one_sorts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    columns = frozenset({"clip_gap", "margin_factor"})
    monkeypatch.setattr("harness.settings.method_columns.columns_of", lambda method: columns)
    spec = spec_of(tmp_path, "data.order=by_column")
    plan = look([spec], tmp_path / "out")
    assert "NAME, one of clip_gap, margin_factor." in "\n".join(plan.problems)
    named = spec.data.model_copy(update={"order_column": "margin_factor"})
    plan = look([spec.model_copy(update={"data": named})], tmp_path / "out")
    assert "sorted by margin_factor" in "\n".join(plan.notes)


def test_a_model_on_the_hub_may_have_dots_in_its_name(tmp_path: Path):
    """llava-hf/llava-1.5-7b-hf is fetched later: there are no files to miss yet."""
    spec = spec_of(tmp_path, "model.path=llava-hf/llava-1.5-7b-hf")
    plan = look([spec], tmp_path / "out")
    assert plan.pairs == 40
    assert not [text for text in plan.missing if "model" in text and "no config.json" in text]


def test_a_run_that_memory_cannot_hold_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The check that `reproduce` makes, on a machine with one GPU of 24 GiB."""
    gpu = ["NVIDIA GeForce RTX 4090, 24564 MiB"]
    monkeypatch.setattr("harness.planning.preflight.gpus", lambda: gpu)
    monkeypatch.setattr("harness.costs.devices.gpus", lambda: gpu)
    spec = spec_of(tmp_path, "model.path=llava-hf/llava-1.5-7b-hf", "training.precision=bfloat16")
    with pytest.raises(PreflightError, match=r"tiny on 1xRTX4090-24GB: .* would fit with --set"):
        check([spec], tmp_path / "out")


def test_all_runs_that_cannot_start_are_named_once(tmp_path: Path):
    spec = spec_of(tmp_path)
    others = [spec.model_copy(update={"method": name}) for name in ("ipo", "ipo", "aot")]
    assert cannot_start([spec, *others], ["why"]) == "dpo, ipo, aot tiny cannot start:\n- why"
