"""Whatever the words of a command line are, what is wrong with them is one message."""

import re
import shlex
import sys

import pyarrow.parquet as pq
import pytest
from command_cases import CASES
from lab import Lab
from made_data import lines, row

from harness.__main__ import main

LONGEST = 2500
"""Characters of a message."""
CLASS = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Interrupt|Warning)\b")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Files and folders as users mistake them, by the names that the cases have for them."""
    root = tmp_path_factory.mktemp("places")
    lab = Lab(root / "lab")
    (lab.data / "mm_vet" / "judge_prompt.txt").write_text("Judge.")
    files = {
        "file": b"a file\n",
        "binary": b"\x00\xff\xfe\x80\n\x00\xff\n",
        "empty": b"",
        "text": b"neither this nor that\n",
        "empty_list": b"[]",
        "empty_object": b"{}",
        "key": b"a-key\n",
        "answers": lines({"id": "v1_0", "response": "A cat"}),
        "others_answers": lines({"id": 1, "response": "Yes"}, {"id": 2, "response": "No"}),
        "bad_rows.jsonl": lines(row(question=""), row(chosen=7)),
        "listed_run/run.yaml": b"- 1\n- 2\n",
        "binary_run/run.yaml": b"\x00\xff",
        "listed_model/config.json": b"[1, 2]",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    for name in ("folder", "folder.parquet"):
        (root / name).mkdir()
    table = pq.read_table(lab.pairs)
    pq.write_table(table.drop_columns(["clip_gap"]), root / "unscored.parquet")
    names = [*(name.partition("/")[0] for name in files), "folder", "folder.parquet"]
    found = {name.replace(".jsonl", "").replace(".", "_"): root / name for name in names}
    score = f"score --benchmark mm_vet --data {lab.data / 'mm_vet'}"
    key = f"--judge-key-file {found['key']}"
    return found | {
        "locked": "/proc/self",
        "long": root / ("x" * 300),
        "nothing": root / "nothing",
        "unscored": root / "unscored.parquet",
        "model": lab.model,
        "replies": lab.replies,
        "pairs": lab.pairs,
        "score": score,
        "asked": f"{score} --responses {found['answers']} --judge openai {key}",
    }


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("harness.world.build.ensure_world", never)

    def call(words, cache):
        monkeypatch.setenv("HARNESS_CACHE", cache or str(tmp_path / "cache"))
        monkeypatch.setattr(sys, "argv", ["harness", *shlex.split(words)])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        return end.value.code, told.out, told.err

    return call


def never(*_):
    raise AssertionError("nothing is built of what cannot work")


def one_line(text):
    """Undo the frame and the broken lines of a message of typer."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
def test_bad_words_are_told(said, places, case, tmp_path):
    code, printed, error = said(case.words.format(**places), case.cache.format(**places))
    assert code in (1, 2), error
    assert printed == ""
    assert "Traceback" not in error
    assert len(re.findall(r"^error: |\bError\b", error, re.MULTILINE)) == 1
    assert not CLASS.search(error), error
    assert "".join(case.told.format(**places).split()) in "".join(one_line(error).split()), error
    assert len(error) < LONGEST
