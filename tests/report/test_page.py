"""The page holds what the runs hold, and nothing that it could be made to do."""

import base64
import hashlib
import html
import re

import pytest
from made import mm_vet_rows
from typer.testing import CliRunner

from harness.commands.app import app
from harness.report.page import json_block, render, visible

HOSTILE = (
    "</script><script>alert(1)</script><!-- <script> ]]> \u2028\u2029 "
    "<img src=x onerror=alert(1)> javascript:alert(1) \u202e turned \x00\x1b[31m &amp; \ud800"
)


def test_the_tables_hold_the_numbers_of_base_and_methods(made, page):
    made.base(grade=0.25)
    made.run("dpo", grade=0.5)
    made.run("dama", grade=1.0)
    found = page()
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', found.html)
    cells = {name: re.findall(r">([^<]*)</td>", row) for name, row in rows}
    assert list(cells)[:3] == ["base", "dpo", "dama"]
    assert [cells[name][-1] for name in ("base", "dpo", "dama")] == ["25.0", "50.0", "100.0"]


def test_items_stand_in_the_order_of_the_benchmark_with_all_answers(made, page):
    made.base(grade=0.0)
    made.run("dpo", grade=1.0)
    found = page()
    assert list(found.items) == [
        "object_halbench/7",
        *(f"mm_vet/v1_{place}" for place in range(3)),
    ]
    _, world, _, question, types, picture, answers = found.items["mm_vet/v1_1"]
    assert (world, question, types, picture) == (0, "What is it, 1?", ["ocr", "rec"], 1)
    assert [(answer[0], answer[2], answer[4]) for answer in answers] == [
        (0, "bad", 0.0),
        (1, "good", 1.0),
    ]
    assert [one["base"] for one in found.data["models"]] == [True, False]


def test_links_to_items_do_not_depend_on_what_else_is_in_the_report(made, page):
    made.base()
    made.run("dpo")
    before = set(page().items)
    made.run("dama")
    assert set(page().items) == before


def test_hallucinated_objects_are_marked_where_they_stand(made, page):
    made.base(hallucinated=("dog", "cup"))
    made.run("dpo", hallucinated=())
    (base, dpo) = page().items["object_halbench/7"][6]
    text = base[1]
    assert [text[begin:end] for begin, end in base[5]] == ["dogs", "cup"]
    assert (base[3], dpo[3], dpo[5]) == ("hallucinated: dog, cup", "no hallucination", [])


def test_prompt_and_reply_of_the_judge_are_shown(made, page):
    made.base(grade=0.5)
    made.run()
    found = page()
    answer = found.items["mm_vet/v1_0"][6][0]
    assert answer[6] == ["0.5"]
    prompt = "\n".join(found.data["lines"][line] for line in answer[7])
    assert "Grade this." in prompt
    assert "A cat sits." in prompt


def test_the_oracle_was_asked_nothing_in_words(made, page):
    made.base(judge="oracle")
    made.run(judge="oracle")
    assert page().items["mm_vet/v1_0"][6][0][7] is None


def test_pictures_are_thumbnails_in_the_page_and_whole_beside_it_when_asked(made, page, tmp_path):
    made.base()
    made.run()
    assert all(one.startswith("data:image/webp;base64,") for one in page().data["pictures"])
    assert not list(tmp_path.glob("*-pictures"))
    assert page(full=True).data["full"] == "report-pictures"
    assert len(list((tmp_path / "report-pictures").glob("*.webp"))) == 3


def test_of_every_method_one_run_is_shown_and_all_when_asked(made, page):
    made.base()
    for seed in range(3):
        made.run(seed=seed)
    assert [one["name"] for one in page().data["models"]] == ["base", "dpo"]
    names = [one["name"] for one in page(full=True).data["models"]]
    assert names == ["base", "dpo seed 0", "dpo seed 1", "dpo seed 2"]


def test_seeds_become_intervals_and_bands(made, page):
    made.base(grade=0.25)
    for seed in range(3):
        made.run(seed=seed, grade=0.5 + seed / 10, loss=0.6 + seed / 10)
    found = page()
    assert "Differences from base" in found.html
    assert '<path class="line s1"' in found.html
    assert '<path class="band s1"' in found.html


def test_one_run_has_a_difference_without_an_interval(made, page):
    made.base(grade=0.25)
    made.run(grade=0.75)
    found = page()
    assert "dpo: +50.0" in found.html
    assert "Differences from base" not in found.html


def test_hostile_answers_questions_and_replies_stay_data(made, page):
    rows = [{**row, "question": HOSTILE, "replies": [HOSTILE]} for row in mm_vet_rows(1.0, HOSTILE)]
    made.base(rows=rows)
    made.run(rows=rows)
    found = page()
    item = found.items["mm_vet/v1_0"]
    assert (item[3], item[6][0][1], item[6][0][6]) == (HOSTILE, HOSTILE, [HOSTILE])
    assert len(re.findall(r"<script\b", found.html)) == 2
    assert "alert" not in found.outside
    assert not re.search(r"\son\w+=", found.outside)
    assert not {"\u202e", "\x00"} & set(found.html)


def test_hostile_words_of_runs_are_text_in_tables_and_faults(made, page):
    made.base()
    made.run()
    (made.out / "runs" / "<img src=x onerror=alert(1)>\u202e").mkdir()
    found = page()
    assert "<img src=x" not in found.html
    assert html.escape("<img src=x onerror=alert(1)>") in found.html
    assert "[U+202E]" in found.html


def test_long_answers_are_whole(made, page):
    rows = mm_vet_rows(1.0, "x" * 100_000, count=1)
    made.base(rows=rows)
    made.run(rows=rows)
    assert len(page().items["mm_vet/v1_0"][6][0][1]) == 100_000


def test_the_page_names_no_address_and_its_policy_allows_no_request(made, page):
    made.base()
    made.run()
    found = page()
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"/\*.*?\*/", "", found.outside))
    policy = html.unescape(re.search(r'Policy" content="([^"]*)"', found.html)[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"<[^>]+\sstyle=", found.outside)


def test_the_same_runs_give_the_same_bytes(made, page):
    made.base()
    made.run()
    assert page().html == page().html


def test_a_block_of_json_has_no_sign_that_could_end_it():
    assert not set("<>&\u2028\u2029\ud800") & set(json_block({"a": [HOSTILE]}))


def test_what_cannot_be_seen_is_named():
    assert visible("a\u202eb\x00c\nd") == "a[U+202E]b[U+0000]c\nd"


def test_nothing_is_rendered_that_was_not_given():
    with pytest.raises(Exception, match="undefined"):
        render({}, {})


def test_the_command_writes_the_page_and_names_what_is_left_out(made, tmp_path):
    made.base()
    made.run()
    (made.out / "runs" / "notes.txt").write_text("mine")
    file = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["report", "--out", str(made.out), "--to", str(file)])
    assert result.exit_code == 0, result.output
    assert file.exists()
    assert "notes.txt is left out" in result.output


def test_named_runs_stand_beside_their_base_model_alone(made, page):
    made.base()
    first = made.run("dpo")
    made.run("dama")
    assert [one["name"] for one in page(first.path.name).data["models"]] == ["base", "dpo"]


def test_the_policy_names_the_style_and_script_that_the_page_holds(made, page):
    """A browser hashes what stands between the tags."""
    made.base()
    made.run()
    found = page().html
    policy = html.unescape(re.search(r'Policy" content="([^"]*)"', found)[1])
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", found, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
