"""Any runs stand in one table, rebuilt from their folders alone."""

import csv
import io
import json
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.commands.app import app
from harness.reporting.writers.latex import escaped

FORMS = ("markdown", "csv", "json", "latex")


def compared(made, *runs, form="markdown", words=(), ends=0):
    named = ["compare", *(str(run.path) for run in runs), "--out", str(made.out), "--format", form]
    done = CliRunner().invoke(app, [*named, *words])
    assert done.exit_code == ends, done.output
    return done


@pytest.mark.parametrize("form", FORMS)
def test_the_same_folders_give_the_same_bytes(made, form, tmp_path):
    made.base(grade=0.25)
    runs = [made.run("dpo", grade=0.5), made.run("dama", grade=1.0)]
    before = compared(made, *runs, form=form).stdout
    shutil.copytree(made.out, tmp_path / "other" / "out")
    made.out = tmp_path / "other" / "out"
    moved = [type(run)(made.out / "runs" / run.path.name) for run in runs]
    assert compared(made, *moved, form=form).stdout == before
    assert "100.0" in before
    assert "25.0" in before


def test_named_runs_stand_beside_their_base_model_and_nothing_else(made):
    made.base(grade=0.25)
    made.run("dama", grade=1.0)
    rows = csv.DictReader(io.StringIO(compared(made, made.run("dpo"), form="csv").stdout))
    assert {row["method"] for row in rows} == {"base", "dpo"}


def test_another_judge_has_a_column_of_its_own_with_a_sign(made):
    made.base()
    runs = [made.run("dpo", judge="openai"), made.run("dama", judge="local")]
    text = compared(made, *runs).stdout
    (head,) = [line for line in text.splitlines() if line.startswith("| Method")]
    assert "MM-Vet total ↑ (a)" in head
    assert "MM-Vet total ↑ (b)" in head
    assert "MM-Vet (b): judge local" in text


def test_of_several_judges_one_is_chosen(made):
    """Who judged most counts, unless a judge is named; of the others a line tells."""
    made.base(judge="local")
    earlier = next(made.run("dpo", judge="openai").judgements.glob("mm_vet-*"))
    earlier.rename(earlier.with_name("mm_vet-ba9876543210"))
    run = made.run("dpo", judge="local", grade=1.0)
    done = compared(made, run)
    assert "judge local" in done.stdout
    (told,) = [line for line in done.stderr.splitlines() if "judge openai" in line]
    assert told.startswith("MM-Vet of ")
    assert "`compare --judge NAME` shows it." in told
    chosen = compared(made, run, words=["--judge", "openai"])
    assert "MM-Vet: judge openai" in chosen.stdout
    assert "judge local" not in chosen.stdout
    assert "ObjHal: judge oracle" in chosen.stdout
    none = compared(made, run, words=["--judge", "nobody"], ends=1)
    assert "nothing was judged by 'nobody'. Judged by: local; openai; oracle." in str(
        none.exception
    )


def test_settings_that_their_words_do_not_tell_apart_have_a_sign_too(made):
    made.base()
    runs = [made.run("dpo"), made.run("dama")]
    file = next(runs[1].judgements.glob("mm_vet-*")) / "identity.json"
    file.write_text(file.read_text().replace('"mm_vet"', '"mm_vet", "template": "other"'))
    text = compared(made, *runs).stdout
    assert "MM-Vet total ↑ (b)" in text
    assert "protocol official, setting " in text


def test_several_sizes_stand_in_rows_of_their_own(made):
    made.base()
    runs = [made.run("dpo"), made.run("dama")]
    file = runs[1].spec_file
    file.write_text(file.read_text().replace("size: tiny", "size: 7b"))
    text = compared(made, *runs).stdout
    assert "| dpo, tiny |" in text
    assert [line for line in text.splitlines() if line.startswith("| dama") and ", 7b |" in line]
    numbers = json.loads(compared(made, *runs, form="json").stdout)
    assert {(one["method"], one["size"]) for one in numbers if one["kind"] == "official"} >= {
        ("dpo", "tiny"),
        ("dama", "7b"),
    }


def test_json_holds_numbers(made):
    made.base()
    numbers = json.loads(compared(made, made.run(grade=0.5), form="json").stdout)
    (total,) = [
        one
        for one in numbers
        if (one["method"], one.get("metric"), one["kind"]) == ("dpo", "total", "official")
    ]
    assert total["value"] == 50.0
    assert total["seed"] == 0
    assert total["samples"] == 3
    made_by = [one for one in numbers if one["kind"] == "provenance"]
    assert [one["label"] for one in made_by] == ["base", "dpo"]
    assert made_by[1]["judged"]["mm_vet"]["counts"]["samples"] == 3


def test_latex_is_booktabs_and_escaped(made):
    made.base()
    text = compared(made, made.run(judge=r"a_b & 50% \input{x}"), form="latex").stdout
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"MM{-}Vet total $\uparrow$"):
        assert part in text
    assert r"a\_b \& 50\% \textbackslash{}input\{x\}" in text
    rows = [line for line in text.splitlines() if line.endswith(r" \\") and " & " in line]
    assert len({line.replace(r"\&", "").count("&") for line in rows}) == 1


def test_what_cannot_be_seen_is_dropped_from_latex():
    assert escaped("a\x1b[31m\u202eb\nc") == "a[31mb c"


@pytest.mark.parametrize("to", ["tables", "tables/mine.tex"])
def test_a_table_is_written_into_a_folder_or_a_file(made, tmp_path, to):
    made.base()
    run = made.run()
    words = ["compare", run.path.name, "--out", str(made.out), "--format", "latex"]
    done = CliRunner().invoke(app, [*words, "--to", str(tmp_path / to)])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    (file,) = (tmp_path / "tables").iterdir()
    assert file.name == ("mine.tex" if "mine" in to else "comparison.tex")
    assert file.read_text() == compared(made, run, form="latex").stdout


SIGNS = st.text(st.sampled_from('&%$#_{}\\~^<>|"-ab \u2191\u03b2'), max_size=30)
_WORD = re.compile(r"\\[a-zA-Z]+|\\.")


@given(SIGNS)
def test_nothing_of_a_text_is_left_for_latex_to_read(text):
    """Without its commands it holds no sign that ends a cell, a line or the mathematics."""
    bare = _WORD.sub("", escaped(text))
    assert not set('&%#_~^\\<>|"') & set(bare)
    assert bare.count("$") % 2 == 0
    assert bare.count("{") == bare.count("}")


def test_latex_is_balanced_and_every_row_has_the_columns_that_are_declared(made):
    made.base()
    text = compared(made, made.run(judge="a_b & 50% {x}"), made.run("dama"), form="latex").stdout
    bare = _WORD.sub("", text)
    assert bare.count("{") == bare.count("}")
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", text) for word in ("begin", "end"))
    assert begun == list(reversed(ended)) == ["table", "tabular"]
    assert r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%" in text
    (columns,) = re.findall(r"\\begin{tabular}{([lr]+)}", text)
    table = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in table.splitlines() if not line.startswith((r"\toprule", r"\midrule"))]
    assert len(rows) == 2 + 5  # label and seeds of three methods, and five numbers
    assert all(line.endswith(r" \\") for line in rows)
    assert {_WORD.sub("", line).count("&") for line in rows} == {len(columns) - 1}
    order = [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert order == sorted(order)
