"""The questions of a benchmark, from its published files, and how they are to be answered."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.types import Benchmark, Decoding, Sample
from harness.errors import ConfigError, DataError
from harness.evaluation.answers import read_data


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
        }

    def image(self, index: int) -> Path | bytes:
        """Return where the image of a sample is, or the encoded image itself."""
        image = self.samples[index].image
        return image if isinstance(image, bytes) else self.folder / image


def decoding_of(benchmark: Benchmark[Any], protocol: str, limit: int | None) -> Decoding:
    """Return the decoding of a protocol with at most `limit` new tokens.

    Raises:
        ConfigError: The benchmark has no such protocol.
    """
    if protocol not in benchmark.decoding:
        known = ", ".join(sorted(benchmark.decoding))
        raise ConfigError(
            f"benchmark '{benchmark.name}' has no protocol '{protocol}'; it has: {known}. "
            "Choose one with: --set evaluation.protocol=NAME"
        )
    decoding = benchmark.decoding[protocol]
    tokens = min(decoding.max_new_tokens, limit or decoding.max_new_tokens)
    return replace(decoding, max_new_tokens=tokens)


def read_samples(benchmark: Benchmark[Any], data: Path) -> tuple[Sample, ...]:
    """Return the samples in published order from `data/<name of the benchmark>/`.

    Files that only scoring needs may be missing: the benchmark says which it cannot do without.

    Raises:
        DataError: A file is missing or wrong, or two samples share an id.
    """
    folder = data / benchmark.name
    samples, _version = read_data(benchmark, folder)
    twice = [str(key) for key, count in Counter(s.id for s in samples).items() if count > 1]
    if twice or not samples:
        problem = f"ids stand twice: {', '.join(twice[:5])}" if twice else "there is no sample"
        raise DataError(f"{folder}: {problem}. Check with: python -m harness data verify")
    return tuple(samples)


def questions_hash(samples: Sequence[Sample]) -> str:
    """Return 16 hex digits over ids, questions and images (paths, or contents when embedded)."""
    digest = hashlib.sha256()
    for sample in samples:
        image = sample.image if isinstance(sample.image, bytes) else sample.image.encode()
        for part in (repr(sample.id).encode(), sample.question.encode(), image):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]
