"""Put a command into SLURM's queue: a generated file for sbatch, which runs the same command."""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError, HarnessError, without_secrets
from harness.files.atomic import write_text
from harness.files.digests import text_digest
from harness.launchers.queue import job_state

SAVE_WITHIN_S = 300
"""How long before its time limit a job is asked to save."""

_OPTION = re.compile(r"(?P<key>[a-z][a-z0-9-]*)(?:=(?P<value>.+))?")
_SCRIPT = """\
#!/bin/bash
{directives}

# {save_within} s before the time limit SLURM sends USR1: the run is saved, and the job goes back
# into the queue. TERM, by which SLURM takes the nodes away, saves too; then SLURM itself requeues.
signalled= again=
trap 'signalled=yes again=yes; kill -TERM "$run"' USR1
trap 'signalled=yes; kill -TERM "$run"' TERM

cd {folder} || exit 1
{command} &
run=$!
wait "$run"; code=$?
while [ "$signalled" ]; do signalled=; wait "$run"; code=$?; done
if [ "$again" ] && [ "$code" = 0 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""


@dataclass(frozen=True)
class Job:
    """A job in the queue."""

    id: str
    script: Path
    log: Path
    was_there: bool = False
    """Whether an earlier call had put it into the queue."""

    def told(self) -> str:
        """Say what was done and how to watch it."""
        already = " already" if self.was_there else ""
        return (
            f"Job {self.id} is in the queue{already}; it runs the same command ({self.script}).\n"
            f"  state   squeue -j {self.id}\n"
            f"  output  tail -F {self.log}\n"
            f"  end it  scancel {self.id}\n"
            "When it is done, the same command prints the table."
        )


def parse_options(stated: Sequence[str]) -> dict[str, str | None]:
    """Return options of sbatch by name, from words such as `partition=gpu time=12:00:00`.

    Raises:
        ConfigError: One is not `name` or `name=value`.
    """
    options: dict[str, str | None] = {}
    for words in stated:
        try:
            split = shlex.split(words)
        except ValueError as error:
            raise ConfigError(f"--sbatch {words!r}: {error}") from error
        for word in split:
            found = _OPTION.fullmatch(word)
            if found is None:
                raise ConfigError(
                    f"--sbatch {word!r}: write options of sbatch without dashes, as in "
                    '--sbatch "partition=gpu time=12:00:00 gres=gpu:4 nodes=2"'
                )
            options[found["key"]] = found["value"]
    return options


def submit(
    command: Sequence[str], name: str, options: Mapping[str, str | None], folder: Path
) -> Job:
    """Write `<name>.sbatch` into a folder and hand it to sbatch, unless such a job waits or runs.

    Args:
        command: What the job runs, in the working folder of this process.
        name: The job's name.
        options: Options of sbatch; they replace the ones given here.
        folder: Holds the script and the job's output; the nodes must see it.

    Raises:
        ConfigError: The script would hold a secret.
        HarnessError: sbatch is not there or refused.
    """
    for word in (*command, *(value for value in options.values() if value)):
        if without_secrets(word) != word:
            raise ConfigError(
                f"{word}: the password or key in it would be written into the job's script, which "
                "others may read. Give the address by the environment, which sbatch passes on: "
                "export OPENAI_BASE_URL, say, and leave --judge-url out."
            )
    folder = folder.resolve()
    script, log = folder / f"{name}.sbatch", folder / f"{name}-%j.log"
    text = script_text(command, name, options, log)
    note = folder / f"{name}-{text_digest(text, digits=8)}.job"
    if note.exists() and job_state(known := note.read_text("utf-8").strip()):
        return Job(known, script, Path(str(log).replace("%j", known)), was_there=True)
    write_text(script, text)
    try:
        done = subprocess.run(["sbatch", "--parsable", str(script)], capture_output=True, text=True)
    except FileNotFoundError as error:
        raise ConfigError(
            "There is no program sbatch on this machine. Call this where jobs are submitted, or "
            f"hand {script} over yourself."
        ) from error
    if done.returncode != 0:
        raise HarnessError(
            f"sbatch refused {script}: {done.stderr.strip()}. Give what this cluster asks for: "
            "--sbatch KEY=VALUE"
        )
    job = done.stdout.strip().partition(";")[0]
    write_text(note, f"{job}\n")
    return Job(job, script, Path(str(log).replace("%j", job)))


def script_text(
    command: Sequence[str], name: str, options: Mapping[str, str | None], log: Path
) -> str:
    """Return the file that sbatch takes."""
    given: dict[str, str | None] = {
        "job-name": name,
        "output": str(log),
        "open-mode": "append",
        "ntasks-per-node": "1",
        "signal": f"B:USR1@{SAVE_WITHIN_S}",
        "requeue": None,
        **options,
    }
    return _SCRIPT.format(
        directives="\n".join(_directive(key, value) for key, value in given.items()),
        save_within=given["signal"].rpartition("@")[2] if given["signal"] else "Some",
        folder=shlex.quote(str(Path.cwd())),
        command=shlex.join(command),
    )


def _directive(key: str, value: str | None) -> str:
    if value is None:
        return f"#SBATCH --{key}"
    return f"#SBATCH --{key}={shlex.quote(value)}"
