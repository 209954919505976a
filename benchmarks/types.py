"""What a benchmark is: pure functions from samples, responses and annotator replies to numbers.

Flow: `read(files) -> samples`; per sample `request -> replies -> score | Unscored`; then
`aggregate`. The harness does all that touches disk, network or a model.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, NamedTuple, TypeVar

ScoreT = TypeVar("ScoreT")
SampleId = str | int

FAILED_CALL = "<the call was refused>"
"""Stands among recorded replies for a call that the service refused."""


@dataclass(frozen=True)
class Sample:
    """One question about one image."""

    id: SampleId
    """As in the benchmark's own file."""
    question: str
    """Text put to the model, without image token or conversation template."""
    image: str | bytes
    """Path below the benchmark's data folder, or the encoded image itself."""
    category: str = ""
    reference: Mapping[str, Any] = field(default_factory=dict)
    """Ground truth and whatever else the benchmark's own functions read."""


@dataclass(frozen=True)
class Response:
    """A model's answer to one sample."""

    id: SampleId
    text: str
    asked: str | None = field(default=None, compare=False)
    """The prompt, where the file of answers repeats it."""


@dataclass(frozen=True)
class Unscored:
    """A sample that could not be judged; it is counted and shown, never taken as a number."""

    sample_id: SampleId
    reason: str
    counted_as: Any = None
    """What the published script counts, where that depends on the sample; else the fallback."""


@dataclass(frozen=True)
class Metric:
    """One number of a scorecard."""

    name: str
    """One that ends with `/*` stands for a family: whatever numbers with this beginning the data
    give."""
    unit: Literal["percent", "points", "score"]
    higher_is_better: bool
    headline: bool = False
    """Shown in the comparison table."""
    description: str = ""

    def __post_init__(self) -> None:
        if self.headline and self.name.endswith("/*"):
            raise ValueError(
                f"metric {self.name!r} is a family, so it has no column to be shown in"
            )

    def members(self, names: Iterable[str]) -> "tuple[Metric, ...]":
        """Return the metric itself; of a family, one metric for each of the names that belongs."""
        if not self.name.endswith("/*"):
            return (self,)
        begin = self.name.removesuffix("*")
        return tuple(replace(self, name=name) for name in names if name.startswith(begin))


class Token(NamedTuple):
    """One tagged token: Penn Treebank tag and lemma."""

    text: str
    tag: str
    lemma: str


@dataclass(frozen=True)
class NounTagger:
    """An annotator that tags texts; its reply is JSON: one list of [text, tag, lemma] per text."""

    name: str
    texts: Callable[[Response, Sequence[str]], Sequence[str]]
    """Which texts to tag, from the response and the replies that came before."""


@dataclass(frozen=True)
class Call:
    """One attempt at a readable reply."""

    temperature: float
    suffix: str = ""
    """Added to the request."""


@dataclass(frozen=True)
class LLMJudge:
    """A language model that judges; model and settings are part of the benchmark's identity."""

    model: str
    calls: tuple[Call, ...]
    """Tried in order until `readable` accepts the reply."""
    readable: Callable[[str], bool]
    max_tokens: int | None = None
    role: Literal["user", "system"] = "user"
    system: str | None = None
    needed: Callable[[Sample, Response], bool] = lambda _sample, _response: True
    """False where the published script makes no call."""
    tagger: NounTagger | None = None
    """Tags what the judge's reply lists; its JSON follows the judge's replies."""
    several_runs: bool = False
    """Whether answers can be judged in several runs; `score` reads them one after the other."""
    recorded_runs: bool = False
    """Whether `score` reads several runs that were recorded, though the harness asks for one."""


@dataclass(frozen=True)
class Decoding:
    """How a published evaluation generates; None leaves a choice to the model under test."""

    max_new_tokens: int = 1024
    num_beams: int = 1
    temperature: float = 0.0
    repetition_penalty: float | None = None
    prompt_suffix: str = ""
    template: Literal["vicuna_v1", "llava_v1"] | None = None
    image_transform: Literal["center_crop", "pad"] | None = None
    questions: Mapping[str, str] = field(default_factory=dict)
    """By category: what is asked instead; `{question}` in it stands for the own question."""


@dataclass(frozen=True)
class Scorecard:
    """Numbers of one model on one benchmark, and where they come from."""

    benchmark: str
    protocol: str
    judge: str
    data: str
    """Version of the data: sha256 over the files read."""
    official: Mapping[str, float]
    """Unreadable replies count as in the published script."""
    careful: Mapping[str, float]
    """Unreadable replies are left out."""
    counts: Mapping[str, int]
    """samples, scored, unscored, empty; failed (of the unscored: a call that was refused for good)
    and missing (samples without an answer) where there are any."""


Rounding = Callable[[Any, int], Any]
"""Rounds a value to so many digits, as the published script does; or leaves it as it is."""


def unrounded(value: Any, _digits: int) -> Any:
    """Leave a value, or an array of values, as it is."""
    return value


@dataclass(frozen=True)
class Sums(Generic[ScoreT]):
    """How the metrics are made of sums over samples, so that samples can be drawn again."""

    stored: Callable[[Mapping[str, Any]], ScoreT]
    """Reads a score back from the JSON that is kept of it."""
    of: Callable[[ScoreT], Mapping[str, float]]
    """What one sample adds, by name."""
    metric: Callable[[str, Mapping[str, Any], Rounding], Any]
    """From name, sums and rounding to the number; of arrays of sums, an array."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Metrics that are not made so, and why."""

    def added(self, scores: Iterable[ScoreT]) -> dict[str, float]:
        """Return the sums over samples, added one after the other as the scripts do.

        Not with `sum()`: from Python 3.12 on it compensates rounding.
        """
        totals: dict[str, float] = {}
        for score in scores:
            for name, value in self.of(score).items():
                totals[name] = totals.get(name, 0) + value
        return totals


@dataclass(frozen=True)
class Benchmark(Generic[ScoreT]):
    """A registered benchmark: a value, not a class to inherit from."""

    name: str
    samples: int
    """How many the published data hold."""
    metrics: tuple[Metric, ...]
    """Every name that `aggregate` may return, in the order of the tables."""
    source: str
    annotator: LLMJudge | NounTagger | None
    request: Callable[[Sample, Response], str]
    """Text put to the annotator; empty where this sample needs none."""
    score: Callable[[Sample, Response, Sequence[str]], ScoreT | Unscored]
    aggregate: Callable[[Sequence[ScoreT]], Mapping[str, float]]
    fallback: ScoreT
    """What the published script gives an unreadable reply."""
    files: tuple[str, ...]
    """Published files below the data folder that `read` takes, images apart."""
    read: Callable[[Mapping[str, str]], Sequence[Sample]]
    """File name -> content, to samples in published order. Raises ValueError on wrong data."""
    decoding: Mapping[str, Decoding] = field(default_factory=lambda: {"official": Decoding()})
    """By protocol name."""
    partial: bool = False
    """The published script also scores a part of the samples; else every sample needs an answer."""
    judge_free: "Benchmark[ScoreT] | None" = None
    """What the published script does without a judge, where it can."""
    grades: Callable[[ScoreT], Sequence[float]] | None = None
    """What the judge gave one answer, in each of its runs; None where that is no number."""
    hallucinates: Callable[[float], bool] | None = None
    """Tells by its grade whether an answer hallucinates, where the published script does."""
    unreadable: str = "could not be read"
    """Ends "3 of 96 replies ...": what they lack, and how the published script counts that."""
    caveats: Mapping[str, str] = field(default_factory=dict)
    """What a part of a scorecard's `judge` means for the numbers."""
    runs: Callable[[Sequence[ScoreT]], Mapping[str, Sequence[float]]] = lambda _scores: {}
    """What is printed beside the numbers, one value for each run of the judge."""
    part: Callable[[Sample], str] = lambda _sample: ""
    """The task that a sample belongs to, where the published script scores tasks by themselves: a
    task without any answer lacks none."""
    sums: Sums[ScoreT] | None = None
    """Of which sums the metrics are made; without them a number has no interval over samples."""
