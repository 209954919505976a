"""The page shows margins before and after training by hardness, and names what is missing."""

import html
import re
import shutil

from harness.files.jsonlines import JsonLines

HOSTILE = "</p><script>alert(1)</script>"


def part(found):
    """Return the section of the page as text, and as it stands."""
    (section,) = re.findall(r'<h2 id="margins">.*?(?=<h2 |<section)', found.html, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", section)), section


def told(section):
    """Return what each chart says in words."""
    return [html.unescape(one) for one in re.findall(r'role="img" aria-label="([^"]*)"', section)]


def test_runs_are_shown_before_and_after_with_the_spread_of_their_seeds(made, page):
    made.base()
    for seed, growth in ((0, 1.0), (1, 2.0)):
        made.margins(made.run("dpo", seed=seed), growth)
    made.margins(made.run("dama"), 5.0)
    text, section = part(page())
    charts = told(section)
    assert len(charts) == 4
    margin, gap, by_kind, _ = charts
    assert "fifth 1, hardest: +0.00 to +1.00: before: 1.00 nats; " in margin
    assert "dpo: 2.50 nats (2.00 to 3.00 in 2 runs); dama: 6.00 nats. " in margin
    assert "fifth 5, easiest: +8.00 to +9.00: dpo: 1.50 nats (1.00 to 2.00 in 2 runs); " in gap
    assert "plain: before: 1.00 nats" in by_kind
    assert "10 of 2000" in text
    assert "without β" in text
    assert "Not all methods have the same seeds and worlds" in text
    assert '<path class="line s1"' in section
    assert re.search(r"plain\s+10\s+1.00\s+2.50 \(\+1.50\)\s+6.00 \(\+5.00\)", text)


def test_what_was_not_scored_is_named_with_the_command_in_one_line(made, page):
    made.base()
    scored, other = made.run("dpo"), made.run("dama")
    first, second = (
        f"Make it: python -m harness margins {one.path.name}" for one in (scored, other)
    )
    text, section = part(page())
    assert f"The pairs of 2 of 2 runs are not scored. {first}" in text
    assert "<svg" not in section
    made.margins(scored)
    text, section = part(page())
    assert f"The pairs of 1 of 2 runs are not scored. {second}" in text
    assert "<svg" in section


def test_where_nothing_was_trained_there_is_no_such_part(made, page):
    made.base()
    assert 'id="margins"' not in page().html


def test_stale_and_damaged_margins_are_named_and_left_out(made, page):
    made.base()
    stale, damaged, good = made.run("dpo"), made.run("dama"), made.run("ipo")
    for run in (stale, damaged, good):
        made.margins(run)
    shutil.copytree(made.data, stale.model)
    damaged.margins.write_text("{")
    found = page()
    assert any("margins are left out: " in one and "trained model" in one for one in found.faults)
    assert any(
        one.startswith(f"{damaged.path.name}: its margins are left out: ") and "is damaged" in one
        for one in found.faults
    )
    text, section = part(found)
    assert "ipo: " in text
    assert "dpo: " not in "".join(told(section))
    assert "are not scored" not in text


def test_without_clip_gap_there_are_the_kinds_alone_and_without_these_nothing_is_drawn(made, page):
    made.base()
    run = made.run("dpo")
    made.margins(run, clip_gap=None)
    text, section = part(page())
    assert len(told(section)) == 2
    assert "clip_gap is CLIP's" not in text
    made.margins(run, clip_gap=None, kind=None)
    text, section = part(page())
    assert told(section) == []
    assert "prepare --columns clip_gap" in text


def test_runs_on_other_pairs_are_said_to_be(made, page):
    made.base()
    runs = [made.run("dpo"), made.run("dama")]
    for run in runs:
        made.margins(run)
    text, _ = part(page())
    assert "trained on the same pairs: hold" not in text
    assert "Not all methods have the same seeds" not in text
    head, *rows = JsonLines(runs[1].margins).read()
    head["made_from"]["data"] = "1"
    JsonLines(runs[1].margins).rewrite([head, *rows])
    assert "trained on the same pairs: hold" in part(page())[0]


def test_words_of_the_data_are_text(made, page):
    made.base()
    made.margins(made.run("dpo"), kind=HOSTILE)
    found = page()
    assert "<script>alert" not in found.html
    assert html.escape(HOSTILE) in found.html
    assert len(re.findall(r"<script\b", found.html)) == 2
