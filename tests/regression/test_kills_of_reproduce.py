"""A hundred times killed at random moments, `reproduce` and `evaluate` end as if left alone.

Two seeds of a small random LLaVA, a judge behind real HTTP, signal 9: to the command, to one of its
children, or to all of them, in whatever they are at. The same command follows each time.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lab import Lab
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from chat_server import ChatServer

pytestmark = [pytest.mark.processes, pytest.mark.timeout(7200)]
ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("HARNESS_TEST_KILLS", "100"))
KILLS_OF_A_ROUND = 10
QUESTIONS = 12
WORKERS = 4
SETTLED_S = 60
"""Children notice within this that their parent is gone."""


class World:
    """One output folder and one cache, and the commands that are called on them."""

    def __init__(self, lab: Lab, folder: Path, server: ChatServer) -> None:
        self.lab, self.folder, self.server = lab, folder, server
        self.out = folder / "out"
        self.log = folder / "log"
        folder.mkdir()

    def commands(self):
        sets = {
            "model.path": self.lab.model,
            "data.preferences": self.lab.pairs,
            "evaluation.data": self.lab.data,
            "evaluation.benchmarks": "[mm_vet]",
            "evaluation.judge": "openai:model-1",
            "evaluation.max_new_tokens": 3,
            "data.hardness.clip": "local-dir:none",
            "training.batch_pairs": 2,
            "training.epochs": 8,
            "training.save_every": 3,
        }
        values = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        judge = ["--judge-url", self.server.url, "--judge-workers", str(WORKERS)]
        yield ["reproduce", "--method", "dama", "--seeds", "0,1", *values, *judge]
        (run, *_) = sorted(path.name for path in (self.out / "runs").glob("dama-*seed0*"))
        yield ["evaluate", run, "--judge", "openai:model-2", *judge]

    def start(self, command):
        environment = os.environ | {
            "HARNESS_CACHE": str(self.folder / "cache"),
            "OPENAI_API_KEY": "sk-none",
            "OMP_NUM_THREADS": "1",
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "harness", *map(str, command), "--out", self.out],
                cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def processes(self):
        """Processes whose command line names the output folder."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.out).encode() in words:
                found.append(int(folder.name))
        return found

    def results(self):
        """What must not differ: tables, answers, scorecards and the numbers of every step."""
        kept = {}
        for pattern in ("tables/comparison*", "runs/*/responses/*.jsonl", "runs/*/judgements/*/*"):
            for file in sorted(self.out.glob(pattern)):
                if file.name not in ("identity.json", "replies.jsonl"):
                    kept[file.relative_to(self.out).as_posix()] = file.read_bytes()
        for file in sorted(self.out.glob("runs/*/metrics.jsonl")):
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            kept[file.parent.name] = [(row["step"], row["loss"], row["reward_gap"]) for row in rows]
        return kept


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"))
    asked = {}
    for number in range(QUESTIONS):
        Image.new("RGB", (8, 8), (20 * number, 9, 99)).save(
            made.data / "mm_vet" / "images" / f"{number}.png"
        )
        question = {"question": f"What is {number}?", "imagename": f"{number}.png", "answer": "A"}
        asked[f"v1_{number}"] = {**question, "capability": ["rec"]}
    (made.data / "mm_vet" / "mm-vet.json").write_text(json.dumps(asked))
    (made.data / "mm_vet" / "judge_prompt.txt").write_text("Grade the prediction.\n")
    return made


@pytest.fixture
def server():
    found = ChatServer(text=lambda body, nth: f"0.{body[-40] % 10}", delay=0.1)
    yield found
    found.close()


def killed(world, process, rng):
    """Kill the command, a child or all, and wait until nobody is left."""
    alive = world.processes()
    victim = rng.choice(("command", "child", "all"))
    children = [one for one in alive if one != process.pid]
    chosen = {"command": [process.pid], "child": children[:1] or [process.pid], "all": alive}
    if children:
        chosen["child"] = [rng.choice(children)]
    for one in chosen[victim]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait(timeout=SETTLED_S)
    end = time.monotonic() + SETTLED_S
    while world.processes():
        assert time.monotonic() < end, f"left after a kill of {victim}: {world.processes()}"
        time.sleep(0.1)


def finish(world, rng, kills, seconds):
    """Call the commands in turn, killed up to so many times; return how often it was done."""
    done = 0
    for command in world.commands():
        while True:
            process = world.start(command)
            if done < kills:
                try:
                    process.wait(timeout=rng.uniform(0.5, seconds))
                except subprocess.TimeoutExpired:
                    killed(world, process, rng)
                    done += 1
                    continue
            code = process.wait(timeout=900)
            assert code == 0, world.log.read_text()[-3000:]
            break
    return done


def test_a_hundred_kills_change_no_byte(lab, server, tmp_path):
    calm = World(lab, tmp_path / "calm", server)
    started = time.monotonic()
    finish(calm, random.Random(0), 0, 0)
    seconds = time.monotonic() - started
    wanted = calm.results()
    assert len(wanted) > 10
    done = number = 0
    while done < KILLS:
        number += 1
        server.begun.clear()
        server.completed.clear()
        world = World(lab, tmp_path / f"killed-{number}", server)
        kills = finish(
            world, random.Random(number), min(KILLS_OF_A_ROUND, KILLS - done), seconds / 3
        )
        assert world.results() == wanted
        assert not list(world.out.glob("runs/*/checkpoints")), "nothing half done is left"
        twice = sum(server.completed.values()) - len(server.completed)
        assert twice <= kills * WORKERS
        done += kills
        assert kills, "every call ended before it could be killed"
