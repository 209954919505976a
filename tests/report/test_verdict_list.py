"""What papers claim stands on the page with what the runs say of it."""

import re


def test_claims_of_the_methods_that_were_run_are_judged(made, page):
    made.base(grade=0.25)
    made.run("dpo", grade=0.5)
    made.run("dama", grade=0.75)
    found = page()
    section = found.html.partition('<h2 id="verdicts">')[2].partition("<h2")[0]
    assert re.findall(r"<h3>(\w+)</h3>", section) == ["dama"]  # the others' presets claim nothing
    assert "It is better than plain DPO on each of the five benchmarks." in section
    assert "cannot be told" in section


def test_a_method_that_was_run_with_changes_is_not_held_against_its_paper(made, page):
    made.base()
    made.run("dpo")
    assert 'id="verdicts"' not in page().html


def test_lengths_stand_in_the_order_of_the_tables(made, page):
    made.base()
    made.run()
    chart = page().html.partition('<h2 id="lengths">')[2].partition("</figure>")[0]
    assert re.findall(r'class="name"[^>]*>([^<]*)<', chart) == ["ObjHal", "MM-Vet"]
