"""Wrong files as users have them, put to `score` in a process of its own: one clear message."""

import json
import subprocess
import sys

import pytest

QUESTION = {"question": "What?", "imagename": "0.png", "answer": "A cat", "capability": ["rec"]}
ROW = '{"id": "v1_0", "response": "A tiger"}'
SECOND = '{"id": "v1_1", "response": "A dog"}'


@pytest.fixture
def score(tmp_path):
    """Score an answers file of MM-Vet's two questions; returns exit code, stdout and stderr."""
    data = tmp_path / "mm_vet"
    data.mkdir()
    (data / "mm-vet.json").write_text(json.dumps({"v1_0": QUESTION, "v1_1": QUESTION}))
    replies = tmp_path / "replies.jsonl"
    rows = [{"id": name, "replies": ["0.5"]} for name in ("v1_0", "v1_1")]
    replies.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(content, *more, folder=data):
        answers = tmp_path / "answers.jsonl"
        if content is not None:
            answers.write_bytes(content if isinstance(content, bytes) else content.encode())
        command = [sys.executable, "-m", "harness", "score", "--benchmark", "mm_vet"]
        command += ["--data", str(folder), "--responses", str(answers)]
        command += ["--judge", f"replay:{replies}", *more]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"{ROW}\n{ROW}\n", "sample 'v1_0' answered twice. Keep one answer per sample."),
        ('{"v1_0": "a", "v1_0": "b"}', "the key 'v1_0' stands twice"),
        ('{"id": 0, "response": "A tiger"}', "sample 0 not in 'mm_vet'. If 0 is meant to be 'v1"),
        ('{"id": 7, "response": "A tiger"}', "sample 7 not in 'mm_vet'. Is this the file of an"),
        (f"{ROW}\n\xff".encode("latin-1"), "answers.jsonl:2: not UTF-8 (byte 0xff). Convert it"),
        (ROW.encode("utf-16"), "answers.jsonl:1: not UTF-8"),
        ("", "there is no answer in it"),
        ("[]", "there is no answer in it"),
        (f"{ROW}\n[1, 2]\n", "answers.jsonl:2: expected a JSON object, found list"),
        (f"{ROW}\n{{'id': 1}}\n", "answers.jsonl:2: not JSON"),
        ("[" * 100_000, "not JSON (nested too deeply)"),
        (f'{ROW}\n{{"id": {"9" * 5000}, "response": ""}}', "answers.jsonl:2: not JSON (Exceeds"),
        ('{"id": null, "response": "A tiger"}', "the id must be text or an integer"),
        ('{"id": true, "response": "A tiger"}', "the id must be text or an integer"),
        ('{"id": "v1_0", "response": null}', "the response must be text, found NoneType"),
        ('{"id": "v1_0", "caption": "A tiger"}', "Known formats:"),
        ('{"id": "\\u001b[2Jx", "response": ""}', r"sample '\x1b[2Jx' not in 'mm_vet'"),
        (None, "cannot read the answers (No such file or directory)"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_message(score, content, told):
    code, out, err = score(content)
    assert code == 1
    assert err.startswith("error: ")
    assert told in err
    assert "Traceback" not in err
    assert "\x1b" not in err
    assert out == ""


def test_a_folder_is_no_file_of_answers(score, tmp_path):
    (tmp_path / "answers.jsonl").mkdir()
    code, _, err = score(None)
    assert (code, "Is a directory" in err) == (1, True)


@pytest.mark.parametrize("there", [False, True], ids=["no folder", "empty folder"])
def test_data_that_are_not_there_are_told_with_the_way_to_get_them(score, tmp_path, there):
    folder = tmp_path / "nothing"
    if there:
        folder.mkdir()
    code, _, err = score(ROW, folder=folder)
    assert code == 1
    assert str(folder) in err
    assert "data fetch" in err


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + ROW.encode() + b"\n",
        ROW.encode() + b"\r\n\r\n" + SECOND.encode() + b"\r\n",
        b'{"id": "v1_0", "response": "half a pair: \\ud800"}',
        b'{"id": "v1_0", "response": ""}',
    ],
    ids=["byte order mark", "carriage returns", "half a surrogate pair", "empty answer"],
)
def test_what_is_harmless_is_scored(score, content):
    code, out, err = score(content, "--json")
    assert (code, "error" in err) == (0, False)
    card = json.loads(out)
    assert card["official"]["total"] == 50.0
    assert card["counts"]["empty"] == (1 if b'""' in content else 0)


def test_samples_without_an_answer_are_told_where_a_part_may_be_scored(score):
    code, _, err = score(ROW)
    assert code == 0
    assert "1 of the 2 samples of 'mm_vet' are not answered" in err


def test_json_of_an_item_holds_question_and_reference(score):
    _, out, _ = score(ROW, "--per-item", "--json")
    row = json.loads(out)
    assert row["question"] == "What?"
    assert row["reference"]["answer"] == "A cat"


def test_controls_in_an_answer_never_reach_the_terminal(score):
    """The escape would clear the screen; C1's 0x9b begins a command as well; U+202E reverses."""
    text = json.dumps("\x1b[2J\x9b31m \u202e [red]x[/red]")
    for more in ([], ["--json"]):
        row = f'{{"id": "v1_0", "response": {text}}}'
        _, out, err = score(row, "--per-item", *more)
        assert not {"\x1b", "\x9b", "\u202e"} & set(out + err)
        assert "[red]x[/red]" in out


def test_an_answer_of_ten_megabytes_is_scored(score):
    text = '"' * 1_000 + "a.b, 'c' " * 1_200_000
    code, out, _ = score(json.dumps({"id": "v1_0", "response": text}), "--per-item")
    assert code == 0
    assert "characters)" in out
    assert len(out) < 20_000
