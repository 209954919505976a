"""Pairs of a run are scored before and after its training, and nothing stale is believed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from changed_model import change
from run_fixtures import PAIRS
from transformers import AutoProcessor, LlavaForConditionalGeneration
from typer.testing import CliRunner

from harness.commands.app import app
from harness.data.images import open_image
from harness.data.pairs.opening import open_preferences
from harness.errors import ConfigError, DataError, TrainingError
from harness.files.cache import cache_dir
from harness.files.jsonlines import JsonLines
from harness.identity.record import Record
from harness.margins.make import drawn, make_margins
from harness.margins.records import (
    Lengths,
    Margins,
    PairMargins,
    Sides,
    Source,
    read_margins,
    write_margins,
)
from harness.margins.scoring import Alone, Scoring
from harness.training.precomputed.preparation import reference_key
from harness.training.precomputed.reference import SIDES, ensure_reference
from harness.training.reading import load_reader, pair_tokenizer
from harness.upkeep.verify.records import check_records


def read(run):
    return read_margins(run, Record.read(run.identity))


def plain(folder, spec, row, side):
    """Return a response's log-probability and tokens by transformers alone."""
    pair = open_preferences(spec.data)[row]
    reader = load_reader(folder)
    (tokens,) = list(pair_tokenizer(reader, spec).tokenize([pair]))
    model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    pixels = AutoProcessor.from_pretrained(folder).image_processor(
        [open_image(pair.image)], return_tensors="pt"
    )["pixel_values"]
    response = getattr(tokens, side)
    ids = torch.cat([tokens.prompt, response])[None]
    with torch.no_grad():
        logps = model(input_ids=ids, pixel_values=pixels).logits[0, :-1].log_softmax(-1)
    said = logps[-len(response) :].gather(-1, response[:, None])
    return said.double().sum().item(), len(response)


def test_both_models_give_what_a_plain_forward_pass_gives(trained):
    run = trained()
    found = make_margins(run, PAIRS)
    assert [one.row for one in found.pairs] == list(range(PAIRS))
    spec = run.read_spec()
    for row in (0, 7):
        one = found.pairs[row]
        for side in ("chosen", "rejected"):
            before, tokens = plain(Path(spec.model.path), spec, row, side)
            after, _ = plain(run.model, spec, row, side)
            assert getattr(one.base, side) == pytest.approx(before, abs=1e-3)
            assert getattr(one.trained, side) == pytest.approx(after, abs=1e-3)
            assert getattr(one.tokens, side) == tokens
        assert one.base != one.trained
    first = found.pairs[0]
    assert (first.clip_gap, first.origin) == (-3.0, {"hardness": "obvious", "mislabelled": "yes"})
    assert read(run) == found


@pytest.mark.parametrize("method", ["simpo", "mdpo"])
def test_methods_without_reference_or_with_views_are_scored_on_the_pairs_own_pictures(
    trained, method
):
    """The numbers are those of plain DPO on the same models: no method enters them."""
    of_dpo, of_method = (make_margins(trained(one), 5).pairs for one in ("dpo", method))
    assert [one.base for one in of_method] == [one.base for one in of_dpo]
    assert [one.trained for one in of_method] == [one.trained for one in of_dpo]


def test_the_cached_reference_of_the_training_is_read(trained):
    """The values that the cache holds are minus one for each token here."""
    run = trained(data={"max_length": 190})
    spec = run.read_spec()
    preferences = open_preferences(spec.data)
    reader = load_reader(Path(spec.model.path))
    pairs = list(pair_tokenizer(reader, spec).tokenize(preferences))
    scoring = Scoring.of(spec, preferences, pairs, [0])
    folder = Path(spec.model.path)
    key = reference_key(spec, folder, preferences, scoring.device, scoring.used)

    def minus_one(rows):
        return [
            tuple(-torch.ones(len(getattr(pairs[row], side))) for side in SIDES) for row in rows
        ]

    ensure_reference(key.folder(cache_dir()), PAIRS, 4, minus_one, Alone())
    for one in make_margins(run, 3).pairs:
        assert one.base == Sides(-one.tokens.chosen, -one.tokens.rejected)
        assert one.trained.chosen != one.base.chosen


def test_every_run_gets_the_same_draw_and_a_larger_one_holds_it(trained):
    rows = [[one.row for one in make_margins(trained(seed=seed), 6).pairs] for seed in (0, 1)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 6
    assert set(rows[0]) < set(drawn(PAIRS, 12))
    assert drawn(PAIRS, 10**6) == list(range(PAIRS))


def test_what_is_computed_is_not_computed_again(trained, monkeypatch):
    run = trained(seed=2)
    before = make_margins(run, 6)
    run.margins.unlink()
    monkeypatch.setattr("harness.margins.scoring.load_base", None)
    assert make_margins(run, 6) == before


def test_margins_of_another_model_are_named(trained):
    run = trained()
    make_margins(run, 3)
    change(run.model, seed=2)
    with pytest.raises(DataError, match=f"another trained model.*harness margins {run.path.name}"):
        read(run)
    assert "is of another trained model" in "\n".join(check_records(run).findings)
    assert make_margins(run, 3) == read(run)
    assert "margins" not in "\n".join(check_records(run).findings)


def test_margins_of_other_pairs_are_named(trained):
    run = trained()
    make_margins(run, 3)
    record = Record.read(run.identity)
    record.identity["data"]["content"] = "0"
    record.write(run.identity)
    with pytest.raises(DataError, match="another set of pairs"):
        read(run)


def test_margins_are_believed_where_the_model_was_removed(trained):
    run = trained()
    made = make_margins(run, 3)
    run.model.rename(run.path / "elsewhere")
    assert read(run) == made


def altered(file):
    lines = file.read_text().splitlines()
    lines[1] = lines[1].replace('"clip_gap": ', '"clip_gap": 1')
    file.write_text("\n".join(lines) + "\n")


def cut(file):
    file.write_bytes(file.read_bytes()[:-9])


def empty(file):
    file.write_text("")


def other_kind(file):
    head, *rows = JsonLines(file).read()
    JsonLines(file).rewrite([{**head, "made_from": []}, *rows])


@pytest.mark.parametrize("damage", [altered, cut, empty, other_kind])
def test_a_damaged_file_is_named_with_the_command_that_makes_it(trained, damage):
    run = trained()
    make_margins(run, 3)
    damage(run.margins)
    with pytest.raises(DataError, match=r"margins.jsonl is damaged .*python -m harness margins"):
        read(run)


def test_a_run_without_a_model_is_refused(make_run, tmp_path):
    run, _ = make_run("dpo", out=tmp_path)
    with pytest.raises(ConfigError, match="has no trained model"):
        make_margins(run, 3)


@pytest.mark.parametrize(("part", "said"), [("model", "base model"), ("data", "set of pairs")])
def test_what_the_run_was_trained_with_must_be_there(trained, part, said):
    run = trained()
    record = Record.read(run.identity)
    record.identity[part]["content"] = "0"
    record.write(run.identity)
    with pytest.raises(DataError, match=f"another {said} than the one that .* was trained with"):
        make_margins(run, 3)


def test_a_model_that_gives_no_number_is_an_error(tmp_path):
    nothing = PairMargins(0, "0", Sides(-1.0, -2.0), Sides(float("nan"), 0.0), Lengths(1, 1))
    margins = Margins(Source("c", "m", "d"), 1, {}, (nothing,))
    with pytest.raises(TrainingError, match=r"pair 0 .*no finite log-probability"):
        write_margins(tmp_path / "margins.jsonl", margins)


def test_the_command_prints_groups_and_names_the_file(trained):
    run = trained()
    words = ["margins", str(run.path), "--pairs", "20"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    for said in ("fifth 1, hardest: -3.00 to +0.00", "mislabelled", "margins.jsonl"):
        assert said in result.output
    (found,) = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found["run"], found["total"]) == (run.path.name, PAIRS)
    assert [one["pairs"] for one in found["groups"]] == [20, 4, 4, 4, 4, 4, 6, 7, 6, 1]


def test_all_runs_of_a_folder_are_scored_and_a_damaged_one_stops_nobody(trained):
    run = trained()
    out = run.path.parents[1]
    damaged = run.path.with_name("dpo-tiny-seed9-0123456789ab")
    shutil.copytree(run.path, damaged)
    (damaged / "identity.json").write_text("{")
    result = CliRunner().invoke(app, ["margins", "--pairs", "5", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert run.margins.exists()
    assert f"{run.path.name}: margin" in " ".join(result.output.split())
    assert f"{damaged.name} is left out" in result.output
    named = CliRunner().invoke(app, ["margins", str(damaged), "--pairs", "5"])
    assert named.exit_code == 1


def test_an_empty_folder_says_that_it_is(tmp_path):
    (tmp_path / "runs").mkdir()
    result = CliRunner().invoke(app, ["margins", "--out", str(tmp_path)])
    assert "There are no trained runs in" in result.output
