import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_llava import make_checkpoint, make_picture

from harness.errors import HarnessError
from harness.evaluation.generation.launch import generate
from harness.settings.spec import EvaluationSpec, ModelSpec

MODEL_SPEC = ModelSpec(path="unused")
SAMPLES = 7


def spec(benchmarks=("mm_vet",)):
    return EvaluationSpec(
        benchmarks=benchmarks, data="unused", judge="oracle", batch_size=2, max_new_tokens=5
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A checkpoint, and seven questions about three images in the format of MM-Vet."""
    root = tmp_path_factory.mktemp("world")
    make_checkpoint(root / "model")
    rows = {}
    for place in range(SAMPLES):
        make_picture(root / f"data/mm_vet/images/{place % 3}.png", (80 * (place % 3), 0, 0))
        rows[f"v1_{place}"] = {
            "imagename": f"{place % 3}.png", "question": f"What is {place}?", "answer": "A square.",
            "capability": ["rec"],
        }  # fmt: skip
    (root / "data" / "mm_vet" / "mm-vet.json").write_text(json.dumps(rows))
    return root


@pytest.fixture(scope="module")
def answers(world, tmp_path_factory):
    """What one process answers."""
    out = tmp_path_factory.mktemp("answers")
    start(world, out)
    return (out / "mm_vet.jsonl").read_text()


def start(world, out, processes=1):
    """Generate into `out`."""
    log = out / "logs" / "generate.log"
    generate(
        world / "model", spec(), MODEL_SPEC, world / "data", out, log,
        threads=1, processes=processes,
    )  # fmt: skip


@pytest.mark.processes
def test_process_answers_a_benchmark_from_its_published_files(answers):
    rows = [json.loads(line) for line in answers.splitlines()]
    assert [row["id"] for row in rows] == [f"v1_{place}" for place in range(SAMPLES)]
    assert all(row["response"] for row in rows)
    assert len({row["response"] for row in rows}) > 1


@pytest.mark.processes
def test_two_processes_give_the_answers_of_one(world, answers, tmp_path):
    """One of them holds four of the seven samples, the other three."""
    start(world, tmp_path, processes=2)
    assert (tmp_path / "mm_vet.jsonl").read_text() == answers
    assert (tmp_path / "logs" / "generate.log").exists()


@pytest.mark.processes
def test_killed_process_loses_at_most_the_batch_it_was_at(world, answers, tmp_path):
    """Batches of two, and the third is never finished: four answers outlive SIGKILL."""
    script = (
        "import os, signal\n"
        "from harness.evaluation.generation import generate, journal\n"
        "write = journal.Journal.append\n"
        "def append(self, responses):\n"
        "    if len(self.answers) >= 4:\n"
        "        with self.path.open('a') as file:\n"
        '            file.write(\'{"id": "v1_\')\n'
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(self, responses)\n"
        "journal.Journal.append = append\n"
        "generate.main()\n"
    )
    arguments = (
        f"--model={world / 'model'} --data={world / 'data'} --out={tmp_path} --benchmarks=mm_vet "
        "--template=vicuna_v1 --transform=center_crop --batch-size=2 --max-new-tokens=5"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments.split()], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    journal = (tmp_path / "mm_vet.journal.jsonl").read_text()
    kept = journal.splitlines()[1:5]
    assert all(json.loads(line)["response"] for line in kept)
    start(world, tmp_path)
    assert (tmp_path / "mm_vet.jsonl").read_text() == answers


CALLER = """
import sys
from pathlib import Path
from harness.evaluation.generation.launch import generate
from harness.settings.spec import EvaluationSpec, ModelSpec
world, out, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
spec = EvaluationSpec(
    benchmarks=["mm_vet"], data="unused", judge="oracle", batch_size=1, max_new_tokens=900
)
paths = (world / "data", out, out / "logs" / "generate.log")
generate(world / "model", spec, ModelSpec(path="unused"), *paths, 1, processes)
"""


def generating(out):
    """Processes that work for this folder, beside the one that asked for it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"--out={out}".encode() in words:
            found.append(int(folder.name))
    return found


@pytest.mark.processes
@pytest.mark.parametrize("processes", [1, 2])
def test_nobody_goes_on_for_a_command_that_was_killed(world, tmp_path, processes):
    """Else the same command would meet another writer of its journals."""
    words = [sys.executable, "-c", CALLER, str(world), str(tmp_path), str(processes)]
    caller = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("mm_vet.journal*")):
        assert caller.poll() is None
        time.sleep(0.02)
    assert len(generating(tmp_path)) == (1 if processes == 1 else 3)
    caller.kill()
    caller.wait()
    until = time.monotonic() + 5
    while generating(tmp_path) and time.monotonic() < until:
        time.sleep(0.02)
    assert generating(tmp_path) == []
    assert not (tmp_path / "mm_vet.jsonl").exists()


def test_benchmark_without_the_protocol_is_named(tmp_path, capsys):
    for name in ("mm_vet", "mmhal"):
        (tmp_path / f"{name}.journal.jsonl").write_text("")
    asked = spec(("mm_vet", "mmhal")).model_copy(update={"protocol": "rlaifv"})
    with pytest.raises(HarnessError):
        generate(tmp_path, asked, MODEL_SPEC, tmp_path / "no", tmp_path, tmp_path / "log")
    said = capsys.readouterr().err
    assert "mm_vet has no protocol 'rlaifv'; it is answered under 'official'" in said
    assert "mmhal has no" not in said


def test_failure_shows_the_end_of_the_log_and_what_to_do(world, tmp_path):
    log = tmp_path / "generate.log"
    with pytest.raises(HarnessError, match=r"(?s)exit code 1.*/no/mm_vet: "):
        generate(world / "model", spec(), MODEL_SPEC, tmp_path / "no", tmp_path, log, threads=1)
    assert "/no/mm_vet: " in log.read_text()


def test_nothing_is_started_when_everything_is_there(tmp_path):
    (tmp_path / "mm_vet.jsonl").write_text("")
    log = tmp_path / "generate.log"
    generate(tmp_path / "no-model", spec(), MODEL_SPEC, tmp_path, tmp_path, log)
    assert not log.exists()


REPORTED = """
import sys
from pathlib import Path
from harness import console
from harness.evaluation.generation.launch import generate
from harness.launchers import logged
from harness.settings.spec import EvaluationSpec, ModelSpec
console.PLAIN_INTERVAL_S = logged.POLL_SECONDS = 0.05
world, out = Path(sys.argv[1]), Path(sys.argv[2])
spec = EvaluationSpec(
    benchmarks=["mm_vet"], data="unused", judge="oracle", batch_size=1, max_new_tokens=300
)
generate(world / "model", spec, ModelSpec(path="unused"), world / "data", out, out / "log", 1)
"""


@pytest.mark.processes
def test_progress_is_told_where_stderr_is_a_pipe(world, tmp_path):
    """As in a log or under `matrix`: lines from the first answer to the last, and no bar."""
    words = [sys.executable, "-c", REPORTED, str(world), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    first, *said = done.stderr.splitlines()
    assert first == "generate: loading the model"
    counts = [int(line.removeprefix("generate: ").partition(f"/{SAMPLES}")[0]) for line in said]
    assert counts == sorted(counts)
    assert counts[-1] == SAMPLES
    assert len(set(counts)) > 2, "something between the first line and the last"


def test_a_full_disk_of_the_process_is_told_without_its_traceback(tmp_path, monkeypatch):
    def run_logged(command, log, environment, look):
        log.parent.mkdir(parents=True)
        log.write_text(
            "Traceback (most recent call last):\n  File x\n"
            "OSError: [Errno 28] No space left on device: '/answers/mm_vet.journal.jsonl'\n"
        )
        return 1

    monkeypatch.setattr("harness.evaluation.generation.launch.run_logged", run_logged)
    log = tmp_path / "logs" / "generate.log"
    with pytest.raises(HarnessError) as refused:
        generate(tmp_path, spec(), MODEL_SPEC, tmp_path, tmp_path, log)
    said = str(refused.value)
    assert "/answers/mm_vet.journal.jsonl: No space left on device. Free some space" in said
    assert str(log) in said
    assert "Traceback" not in said
