"""Command lines that cannot work as they are, and the words that their one message must have.

In braces stand the places that the test has for them.
"""

from dataclasses import dataclass

MODEL = "--set model.path={model} --set data.preferences={pairs} --set data.hardness.clip=none"


@dataclass(frozen=True)
class Case:
    """Words of a command line, and what is told of them."""

    words: str
    told: str
    cache: str = ""
    """Where HARNESS_CACHE points; an empty folder if this is empty."""


CASES = (
    # No command, or none of these.
    Case("reprduce --method dpo", "No such command 'reprduce'"),
    Case("reproduce --methd dpo", "No such option: --methd"),
    Case("reproduce", "Missing option '--method'"),
    Case("list method", "'method' is not one of"),
    # Seeds.
    Case("plan --method dpo --seeds=-1", "write different whole numbers"),
    Case("plan --method dpo --seeds 18446744073709551616", "none above"),
    Case("plan --method dpo --seeds 1e400", "write different whole numbers"),
    Case("plan --method dpo --seeds 1.5", "write different whole numbers"),
    Case("plan --method dpo --seeds ''", "write different whole numbers"),
    Case("matrix --methods dpo --seeds 0,0", "write different whole numbers"),
    # Names.
    Case("plan --method dqo", "Unknown method 'dqo'"),
    Case("plan --method dpo --size 8b", "8b"),
    Case("show --method dama --variant relesed", "Did you mean 'released'?"),
    Case("matrix --methods dpo,dpo", "write different names with commas between"),
    Case("matrix --methods dpo:nope", "nope"),
    Case("matrix --methods dpo --sizes 8b", "8b"),
    Case("plan --method ''", "Unknown method ''"),
    # Values.
    Case("show --method dpo --set method.betta=1", "Did you mean 'method.beta'?"),
    Case("show --method dpo --set method.beta", "write key=value"),
    Case("show --method dpo --set =1", "--set"),
    Case("show --method dpo --set method.beta=[", "the value is not YAML"),
    Case("show --method dpo --set method.beta=.nan", "method.beta"),
    Case("show --method dpo --set method.beta=1e400", "method.beta"),
    Case("show --method dpo --set method.beta=.inf", "method.beta"),
    Case("show --method dpo --set 'method.beta={{a: 1}}'", "method.beta"),
    Case("show --method dpo --set training=3", "training"),
    Case("show --method dpo --set training.epochs.more=3", "training.epochs"),
    Case("show --method dpo --set training.batch_pairs=0", "training.batch_pairs"),
    Case("show --method dpo --set 'evaluation.benchmarks=[nope]'", "unknown 'nope'. Known: amber"),
    Case("reproduce --method dpo --set evaluation.protocol=nope", "has no protocol 'nope'"),
    Case("reproduce --method dpo --set evaluation.judge=nobody", "Unknown judge 'nobody'"),
    Case("show --method dpo --set seed=-1", "seed"),
    # Machines.
    Case("plan --method dpo --devices 0", "--devices"),
    Case("plan --method dpo --devices 4xQ100", "Q100"),
    Case("plan --method dpo --devices many", "many"),
    Case("plan --method dpo --devices 0xA100-80GB", "--devices"),
    Case("reproduce --method dpo --devices 1e400", "--devices"),
    Case("reproduce --method dpo --launcher pbs", "--launcher"),
    Case("reproduce --method dpo --launcher hostfile", "--hostfile"),
    Case("reproduce --method dpo --launcher hostfile --hostfile {nothing}", "{nothing}"),
    Case("reproduce --method dpo --launcher hostfile --hostfile {folder}", "{folder}"),
    Case("reproduce --method dpo --launcher hostfile --hostfile {binary}", "{binary}"),
    Case("reproduce --method dpo --launcher hostfile --hostfile {empty}", "{empty}"),
    Case("reproduce --method dpo --launcher hostfile --hostfile {text}", "{text}"),
    Case("matrix --methods dpo --jobs 0", "--jobs"),
    Case("matrix --methods dpo --jobs 2 --launcher slurm", "--jobs"),
    Case("reproduce --method dpo --again everything", "--again"),
    Case("reproduce --method dpo --max-bad-rows=-1", "--max-bad-rows"),
    # Places.
    Case("reproduce --method dpo --out {file}", "--out {file}: {file} is no folder"),
    Case("reproduce --method dpo --out {file}/below", "{file} is no folder"),
    Case("reproduce --method dpo --out {long}", "no folder has such a name"),
    Case("reproduce --method dpo --out {locked}/out", "nothing can be written in {locked}"),
    Case("matrix --methods dpo --out {locked}/out", "nothing can be written in {locked}"),
    Case("reproduce --method dpo", "The cache {file} cannot be made", "{file}"),
    Case("reproduce --method dpo", "The cache {locked}/cache cannot be made", "{locked}/cache"),
    Case("prepare --data {pairs}", "The cache {file} cannot be made", "{file}"),
    Case("list runs --out {file}", "{file} is no folder"),
    # Runs.
    Case("show", "name a run (see: list runs), or give --method"),
    Case("show no-such-run", "Unknown run 'no-such-run'"),
    Case("show {listed_run}", "{listed_run}/run.yaml cannot be read as a run"),
    Case("show {binary_run}", "{binary_run}/run.yaml cannot be read as a run"),
    Case("evaluate no-such-run", "no run of results/runs, no folder and no name on the hub"),
    Case("evaluate {file}", "{file}"),
    Case("evaluate {folder}", "{folder}"),
    Case("evaluate {listed_model}", "{listed_model}"),
    Case("evaluate {model} --size 8b", "8b"),
    Case("evaluate {model} --benchmarks nope", "Unknown benchmark 'nope'"),
    Case("evaluate {model} --benchmarks ''", "Unknown benchmark ''"),
    Case("evaluate {model} --size tiny --protocol nope", "nope"),
    Case("evaluate {model} --size tiny --judge nobody", "nobody"),
    Case("evaluate {model} --again training", "evaluate trains nothing"),
    Case("evaluate {model} --judge-runs 0", "--judge-runs"),
    Case("judge no-such-run --judge openai", "no run of results/runs"),
    # Saved answers.
    Case("score --benchmark nope --responses {answers}", "Unknown benchmark 'nope'"),
    Case("{score} --responses {folder}", "{folder}: cannot read the answers"),
    Case("{score} --responses {nothing}", "{nothing}: cannot read the answers"),
    Case("{score} --responses {binary}", "{binary}"),
    Case("{score} --responses {empty}", "{empty}: there is no answer in it"),
    Case("{score} --responses {empty_list}", "{empty_list}: there is no answer in it"),
    Case("{score} --responses {empty_object}", "{empty_object}: there is no answer in it"),
    Case("{score} --responses {others_answers}", "Is this the file of another benchmark?"),
    Case("{score} --responses {answers} --data {nothing}", "{nothing}"),
    Case("{score} --responses {answers} --data {file}", "{file}"),
    Case("{score} --responses {answers} --judge nobody", "nobody"),
    Case("{score} --responses {answers} --judge replay:{nothing}", "{nothing}"),
    Case("{score} --responses {answers} --judge replay:{folder}", "{folder}"),
    Case("{score} --responses {answers} --judge replay:{binary}", "{binary}"),
    Case(
        "{asked} --judge-url nowhere",
        "a model's address must look like https://host/v1",
    ),
    Case("{score} --responses {answers} --judge openai --judge-key-file {nothing}", "{nothing}"),
    Case("{score} --responses {answers} --judge openai --judge-workers 0", "--judge-workers"),
    Case("{score} --responses {answers} --judge openai --max-judge-calls=-1", "--max-judge-calls"),
    Case("{score} --responses {answers} --judge openai --stop-unreadable 5", "--stop-unreadable"),
    Case("{asked} --judge-profile nope", "there is no judge profile 'nope'"),
    Case("{asked} --judge-profile {nothing}.yaml", "(No such file or directory)"),
    Case("{asked} --judge-profile {listed_run}/run.yaml", "is a mapping of names to values"),
    Case("{score} --responses {answers} --format nope", "nope"),
    Case("{score} --responses {answers} --limit 0", "--limit"),
    Case(
        "{score} --responses {answers} --judge replay:{replies} --id nope",
        "no answer has the id 'nope'",
    ),
    # Preference data.
    Case(
        "prepare --data {pairs} --columns colour",
        "only clip_gap, margin_factor, severity, token_severity can",
    ),
    Case("prepare --data {pairs} --columns margin_factor", "the rewards of both responses"),
    Case("prepare --data {pairs} --margin-k 0", "--margin-k"),
    Case("prepare --data {nothing}", "{nothing}"),
    Case("prepare --data {folder}", "{folder}"),
    Case("prepare --data {binary}", "{binary}"),
    Case("prepare --data {empty_list}", "{empty_list}"),
    Case("prepare --data {bad_rows} --max-bad-rows 100", "{bad_rows}"),
    Case("prepare --data {pairs} --max-bad-rows 1e400", "--max-bad-rows"),
    Case("prepare --data {pairs} --where ds_name", "write NAME=VALUE"),
    Case("prepare --data {pairs} --where ds_name=none", "none"),
    Case("prepare --data {pairs} --where nope=none", "nope"),
    Case("prepare --data {pairs} --splitter nobody", "--splitter"),
    Case("prepare --data {unscored} --splitter endpoint", "--splitter-model"),
    Case("prepare --data {pairs} --out {file}/x", "{file} is no folder"),
    Case("prepare --data {pairs} --out {folder_parquet}", "{folder_parquet} is a folder"),
    Case("prepare --data {pairs} --out {locked}/x", "nothing can be written in {locked}"),
    Case("inspect pair --data {pairs} --model {model} --index 99999", "99999"),
    Case("inspect pair --data {pairs} --model {model} --index=-1", "--index"),
    Case("inspect pair --data {pairs} --model {nothing} --index 0", "{nothing}"),
    Case("inspect pair --data {pairs} --model {model} --index 0 --template nope", "nope"),
    Case("inspect pair --data {pairs} --index 0", "--model"),
    Case("inspect hardness --data {pairs} --top 0", "--top"),
    # Published files.
    Case("data verify nope", "nope"),
    Case("data list nope", "nope"),
    Case("data fetch mm_vet --mirror {nothing}", "{nothing}"),
    Case("data fetch mm_vet --mirror {file}", "{file}"),
    Case("data fetch mm_vet --data {file} --mirror {folder}", "{file}"),
    Case("data similarity", "relation.json: not readable (No such file or directory)"),
    # Measurements.
    Case("gpu-check --layers few", "a number, or all"),
    Case("gpu-check --pairs 0", "write numbers as in 1,2,4"),
    Case("gpu-check --device tpu", "--device"),
    Case("gpu-check --minutes=-1", "--minutes"),
    Case("gpu-check --device cpu --size 9b", "9b"),
    Case("gpu-check --device cpu --size tiny --only nope", "nope"),
    Case("gpu-check --device cpu --size tiny --layers 0", "layers"),
    Case("gpu-check --device cpu --size tiny --json {folder}", "{folder}"),
)
