"""The questions of a benchmark, from its published files, and how they are to be answered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Decoding, Sample
from harness.console import messages
from harness.errors import ConfigError
from harness.files.digests import text_digest
from harness.registry import benchmark_names, load_benchmark
from harness.upstream.reading import read_data

OFFICIAL = "official"
"""The benchmark's own script, or what its authors say."""


@dataclass(frozen=True)
class GenerationTask:
    """One benchmark, ready to be answered."""

    name: str
    samples: Sequence[Sample]
    folder: Path
    """The benchmark's data folder; image paths are relative to it."""
    decoding: Decoding

    @property
    def generation_kwargs(self) -> dict[str, Any]:
        """The decoding settings in the words of lmms-eval."""
        return {
            "until": [],
            "max_new_tokens": self.decoding.max_new_tokens,
            "num_beams": self.decoding.num_beams,
            "temperature": self.decoding.temperature,
            "do_sample": self.decoding.temperature > 0,
            "repetition_penalty": self.decoding.repetition_penalty,
        }

    def question(self, index: int) -> str:
        """Return what is asked: the benchmark's question in the words of the protocol."""
        sample = self.samples[index]
        asked = self.decoding.questions.get(sample.category, "{question}")
        return asked.replace("{question}", sample.question) + self.decoding.prompt_suffix

    def image(self, index: int) -> Path | bytes:
        """Return where the image of a sample is, or the encoded image itself."""
        image = self.samples[index].image
        return image if isinstance(image, bytes) else self.folder / image


def protocol_of(benchmark: Benchmark[Any], protocol: str) -> str:
    """Return the protocol that a benchmark is answered under when `protocol` is asked for.

    A benchmark that a protocol says nothing about is answered under `official`, and it is that
    name which tables show.

    Raises:
        ConfigError: No registered benchmark has such a protocol.
    """
    if protocol in benchmark.decoding:
        return protocol
    others = {known for one in _loadable() for known in one.decoding}
    if protocol in others and OFFICIAL in benchmark.decoding:
        return OFFICIAL
    known = ", ".join(sorted(benchmark.decoding))
    raise ConfigError(
        f"benchmark '{benchmark.name}' has no protocol '{protocol}'; it has: {known}. "
        "Choose one with: --set evaluation.protocol=NAME"
    )


def _loadable() -> Iterator[Benchmark[Any]]:
    """Yield all benchmarks; one of somebody else's package that is broken stops no other."""
    for name in benchmark_names():
        try:
            yield load_benchmark(name)
        except ConfigError as error:
            messages.print(f"left out: {error}", markup=False)


def decoding_of(benchmark: Benchmark[Any], protocol: str, limit: int | None) -> Decoding:
    """Return the decoding that `protocol_of` names, with at most `limit` new tokens.

    Raises:
        ConfigError: No registered benchmark has such a protocol.
    """
    decoding = benchmark.decoding[protocol_of(benchmark, protocol)]
    tokens = min(decoding.max_new_tokens, limit or decoding.max_new_tokens)
    return replace(decoding, max_new_tokens=tokens)


def read_samples(benchmark: Benchmark[Any], data: Path) -> tuple[Sample, ...]:
    """Return the samples in published order from `data/<name of the benchmark>/`.

    Raises:
        DataError: See `read_data`.
    """
    samples, _version = read_data(benchmark, data / benchmark.name)
    return tuple(samples)


def questions_hash(samples: Sequence[Sample]) -> str:
    """Return 16 hex digits over ids, questions and images (paths, or contents when embedded)."""
    parts = (part for one in samples for part in (repr(one.id), one.question, one.image))
    return text_digest(*(bytes.fromhex(text_digest(part)) for part in parts), digits=16)
