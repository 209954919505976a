"""The pictures that were asked about, small enough to lie in the page."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.types import Response, Sample, SampleId
from harness.data.images import open_image
from harness.errors import DataError, HarnessError
from harness.registry import load_benchmark
from harness.report.answers import Item
from harness.report.judgements import Judged
from harness.upstream.reading import read_data

THUMBNAIL = 144
"""Pixels of the longer side."""
_QUALITY, _FULL_QUALITY = 55, 90


@dataclass
class Pictures:
    """Thumbnails as addresses of data, and where the whole pictures are written, if anywhere."""

    folder: Path | None = None
    thumbnails: list[str] = field(default_factory=list)
    _known: dict[tuple[Path, str], int | None] = field(default_factory=dict)

    def number(self, data: Path, sample: Sample) -> int | None:
        """Return the number of a sample's picture; None where it cannot be read."""
        source = sample.image if isinstance(sample.image, bytes) else data / sample.image
        key = (data, str(sample.id) if isinstance(source, bytes) else str(sample.image))
        if key not in self._known:
            self._known[key] = self._add(source)
        return self._known[key]

    def _add(self, source: bytes | Path) -> int | None:
        try:
            image = open_image(source)
        except DataError:
            return None  # who asks counts and names them
        number = len(self.thumbnails)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / f"{number}.webp").write_bytes(_webp(image, _FULL_QUALITY))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        encoded = base64.b64encode(_webp(image, _QUALITY)).decode()
        self.thumbnails.append(f"data:image/webp;base64,{encoded}")
        return number


def _webp(image: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


@dataclass(frozen=True)
class Samples:
    """The benchmark's own files, as far as they are here."""

    folder: Path
    by_id: Mapping[SampleId, Sample]
    benchmark: Any

    def prompt(self, item: Item, model: int) -> str | None:
        """Return what an annotator that reads text is asked about an answer."""
        sample = self.by_id.get(item.id)
        if sample is None:
            return None
        try:
            text: str = self.benchmark.request(sample, Response(item.id, item.answers[model].text))
        except (LookupError, TypeError, ValueError, AttributeError):
            return None  # the files of this benchmark hold no template
        return text or None


def samples_of(data: Path | None, judged: Sequence[Judged], faults: list[str]) -> Samples | None:
    """Read the files that judgements of one benchmark are about; None where they are not here."""
    name, version = judged[0].card.benchmark, judged[0].card.data
    if data is None:
        return None
    try:
        benchmark = load_benchmark(name)
        samples, here = read_data(benchmark, data / name)
    except HarnessError as error:
        faults.append(f"The pictures of {name} are not shown: {error}")
        return None
    if here != version:
        faults.append(
            f"The pictures of {name} are not shown: {data / name} holds data {here}, and {version} "
            "was judged."
        )
        return None
    return Samples(data / name, {one.id: one for one in samples}, benchmark)
