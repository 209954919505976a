"""What a file of recorded replies says, before it is matched to the samples of a benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.types import SampleId


@dataclass(frozen=True)
class Said:
    """What was said about one response."""

    where: str
    """File and place in it, for messages."""
    id: SampleId | None
    """None where the replies stand in the order of the samples."""
    runs: tuple[tuple[str, ...], ...]
    """Replies of each run, in call order; a single run may hold the replies of several."""
    tagged: str | None = None
    judges: tuple[str, ...] = ()
    """Who is named as having replied."""
    question: str | None = None
    """What was asked, where it stands beside the reply."""
    category: str | None = None


@dataclass(frozen=True)
class Recording:
    """One file of replies."""

    path: Path
    form: str
    said: Sequence[Said]
    judges: tuple[str, ...]
    """Who replied, as far as the file, its name or the run that it belongs to says; in order."""
    tagger: str | None = None
    """Who tagged, as far as the run says that the file belongs to."""
    unnamed: str = "an unnamed judge"
    """Words for whoever replied where nobody is named."""
