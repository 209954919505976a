"""What every benchmark keeps to, as far as it can be seen without its data."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.types import Benchmark
from harness import registry
from harness.errors import ConfigError, HarnessError, in_words, raised_at
from harness.evaluation.evaluate import require_numbers
from harness.training.contract.check import Check, Result

Law = Callable[[Benchmark[Any]], str]
"""Says what holds; raises ConfigError where it does not."""
_NOT_DATA = "no data of any benchmark"


def check_benchmark(name: str) -> Iterator[Check]:
    """Yield every check of a benchmark as soon as it is done.

    Raises:
        ConfigError: No package brings a benchmark of this name.
    """
    entry = registry.find(name, registry.benchmarks(), "benchmark")
    try:
        benchmark = registry.load_benchmark(name)
    except ConfigError as error:
        yield Check("loads", Result.FAILS, str(error))
        return
    yield Check("loads", Result.OK, f"{entry.target} of package {entry.distribution!r}")
    for law, holds in LAWS.items():
        try:
            yield Check(law, Result.OK, holds(benchmark))
        except HarnessError as error:
            yield Check(law, Result.FAILS, str(error))
        except Exception as error:  # whatever somebody's benchmark does
            place = raised_at(entry.module, error.__traceback__)
            told = f"{name}: it raised {type(error).__name__}: {in_words(error)}"
            yield Check(law, Result.FAILS, f"{told} ({place or entry.target}). Mend it.")


def _declares(benchmark: Benchmark[Any]) -> str:
    counts = Counter(metric.name for metric in benchmark.metrics)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ConfigError(f"{benchmark.name}: two of its metrics are called {twice[0]!r}.")
    if not any(metric.headline for metric in benchmark.metrics):
        raise ConfigError(
            f"{benchmark.name}: no table would show it; say `headline=True` of one of its metrics."
        )
    if not benchmark.files or "official" not in benchmark.decoding:
        raise ConfigError(
            f"{benchmark.name}: name its `files`, and a protocol 'official' in `decoding`."
        )
    return ", ".join(counts)


def _numbers(benchmark: Benchmark[Any]) -> str:
    try:
        one, none = (benchmark.aggregate(scores) for scores in ([benchmark.fallback], []))
    except ValueError as error:
        return f"`aggregate` asks for more than one fallback: {error}"
    require_numbers(benchmark, [one, none])
    return "`aggregate` gives declared numbers, of no score as well"


def _refuses(benchmark: Benchmark[Any]) -> str:
    wrong: tuple[Mapping[str, str], ...] = ({}, dict.fromkeys(benchmark.files, _NOT_DATA))
    for files in wrong:
        try:
            benchmark.read(files)
        except (ValueError, LookupError, TypeError, AttributeError):
            continue  # what reading the data of a run tells by the name of their folder
        raise ConfigError(
            f"{benchmark.name}: `read` takes {_said(files)} as its data; raise ValueError there."
        )
    return "`read` refuses what is not its data"


def _said(files: Mapping[str, str]) -> str:
    return "files that hold no questions" if files else "no file at all"


LAWS: Mapping[str, Law] = {"declares": _declares, "numbers": _numbers, "refuses": _refuses}
"""By the name under which a check of it is printed."""
