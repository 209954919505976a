"""AMBER: objects in free descriptions, and yes-or-no questions about what is not there.

Source: AMBER, inference.py at 534babf.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, NamedTuple

from benchmarks.parsing import field, json_list, json_object, refuse_duplicates, required
from benchmarks.types import Benchmark, Metric, NounTagger, Response, Sample, Unscored

ANNOTATIONS, RELATION, SAFE_WORDS, METRICS, QUERIES, SIMILAR = (
    "annotations.json",
    "relation.json",
    "safe_words.txt",
    "metrics.txt",
    "query_all.json",
    "similar_words.json",
)
GENERATIVE = "generative"
KINDS = {
    "discriminative-hallucination": "existence",
    "discriminative-attribute-state": "attribute/state",
    "discriminative-attribute-number": "attribute/number",
    "discriminative-attribute-action": "attribute/action",
    "discriminative-relation": "relation",
    "relation": "relation",
}
EPSILON = 0.001
"""Every counter of a denominator starts here. Source: AMBER, data/metrics.txt."""


class Words(NamedTuple):
    """What counts as an object, and which words go together."""

    associated: Mapping[str, Sequence[str]]
    objects: frozenset[str]
    safe: frozenset[str]
    similar: frozenset[tuple[str, str]]
    """Pairs, in both orders, that the similarity model puts above 0.8."""


@dataclass(frozen=True)
class Description:
    """Counts of one description."""

    objects: int
    hallucinated: int
    covered: int
    truths: int
    cognition: int
    """Annotated likely hallucinations that are mentioned."""
    likely: int


@dataclass(frozen=True)
class Answer:
    """One answer to a yes-or-no question; anything but "Yes" and "No" is neither."""

    kind: str
    truth: Literal["yes", "no"]
    answer: str


Score = Description | Answer


def read(files: Mapping[str, str]) -> list[Sample]:
    """Return the questions in the order of the annotations."""
    rows = json_list(required(files, ANNOTATIONS), ANNOTATIONS)
    refuse_duplicates((field(row, "id", ANNOTATIONS) for row in rows), ANNOTATIONS)
    queries = {row["id"]: row for row in json_list(required(files, QUERIES), QUERIES)}
    words, note = read_words(files)
    samples = []
    for row in rows:
        where = f"{ANNOTATIONS}, id {row['id']}"
        kind, truth = field(row, "type", where), field(row, "truth", where)
        if row["id"] not in queries:
            raise ValueError(f"{where}: no such id in {QUERIES}")
        if kind != GENERATIVE and (kind not in KINDS or truth not in ("yes", "no")):
            raise ValueError(f"{where}: unknown type {kind!r} or truth {truth!r}")
        query = queries[row["id"]]
        reference: dict[str, Any] = {"truth": truth, "words": words, "resources": note}
        if kind == GENERATIVE:
            reference["hallu"] = field(row, "hallu", where)
        image = f"image/{query['image']}"
        samples.append(Sample(row["id"], query["query"], image, kind, reference))
    return samples


def read_words(files: Mapping[str, str]) -> tuple[Words, str]:
    """Return the word tables and which similarity they hold."""
    associated = json_object(required(files, RELATION), RELATION)
    objects = frozenset(associated).union(*associated.values())
    safe = frozenset(filter(None, map(str.strip, required(files, SAFE_WORDS).splitlines())))
    if SIMILAR not in files:
        words = Words(associated, objects, safe, frozenset())
        return words, f"similar words: exact matching, there is no {SIMILAR}"
    table = json_object(files[SIMILAR], SIMILAR)
    pairs = [tuple(pair) for pair in field(table, "pairs", SIMILAR)]
    similar = frozenset(pairs) | frozenset((second, first) for first, second in pairs)
    model = field(table, "model", SIMILAR)
    return Words(associated, objects, safe, similar), f"similar words: {model}"


def request(sample: Sample, response: Response) -> str:
    """Return the description for the tagger; nothing for a yes-or-no question."""
    return response.text if sample.category == GENERATIVE else ""


def score(sample: Sample, response: Response, replies: Sequence[str]) -> Score | Unscored:
    """Compare the nouns of a description, or the answer itself, with the annotation."""
    if sample.category != GENERATIVE:
        return Answer(KINDS[sample.category], sample.reference["truth"], response.text)
    if response.text and not replies:
        return Unscored(sample.id, "the nouns of the description are not tagged")
    tagged = json.loads(replies[-1]) if response.text else []
    nouns = [lemma for tokens in tagged for _, tag, lemma in tokens if tag.startswith("NN")]
    words: Words = sample.reference["words"]
    mentioned = [noun for noun in nouns if noun in words.objects]
    return describe(mentioned, sample.reference["truth"], sample.reference["hallu"], words)


def describe(
    mentioned: Sequence[str], truths: Sequence[str], likely: Sequence[str], words: Words
) -> Description:
    """Count covered truths, mentioned likely hallucinations and unsupported objects."""
    truth_table, likely_table = _table(truths, words), _table(likely, words)
    covered: set[int] = set()
    cognition: set[int] = set()
    hallucinated = 0
    for noun in mentioned:
        # Faithful: a safe word is never hallucinated but stays among the objects.
        if noun in words.safe:
            continue
        same = _first(noun, truth_table, frozenset())
        if same is not None:
            covered.add(same)
            continue
        # Faithful: an equal and a similar word may set two flags.
        cognition |= {
            index
            for similar in (frozenset(), words.similar)
            if (index := _first(noun, likely_table, similar)) is not None
        }
        close = _first(noun, truth_table, words.similar)
        if close is None:
            hallucinated += 1
        else:
            covered.add(close)
    return Description(
        len(mentioned), hallucinated, len(covered), len(truths), len(cognition), len(likely)
    )


def _table(annotated: Sequence[str], words: Words) -> list[tuple[str, int]]:
    """Pair the associations of all annotated words, then these words, with their positions."""
    related = [
        (word, index)
        for index, name in enumerate(annotated)
        for word in words.associated.get(name, ())
    ]
    return related + [(name, index) for index, name in enumerate(annotated)]


def _first(
    noun: str, table: Sequence[tuple[str, int]], similar: frozenset[tuple[str, str]]
) -> int | None:
    """Return the position of the first word that equals the noun or is similar to it."""
    matches = (index for word, index in table if word == noun or (noun, word) in similar)
    return next(matches, None)


def aggregate(scores: Sequence[Score]) -> dict[str, float]:
    """Return the printed numbers of the tasks that have answers.

    `amber_score` needs both tasks; no script computes it. Source: AMBER, README.
    """
    descriptions = [score for score in scores if isinstance(score, Description)]
    answers = [score for score in scores if isinstance(score, Answer)]
    metrics = generative(descriptions) if descriptions else {}
    metrics |= discriminative(answers)
    if "chair" in metrics and "f1" in metrics:
        # Rounded half up in decimal, as all published rows are.
        total = (100 - Decimal(str(metrics["chair"])) + Decimal(str(metrics["f1"]))) / 2
        metrics["amber_score"] = float(total.quantize(Decimal("0.1"), ROUND_HALF_UP))
    return metrics


def generative(scores: Sequence[Description]) -> dict[str, float]:
    """Return CHAIR, Cover, Hal and Cog, pooled over all descriptions, in percent."""

    def share(part: str, whole: str) -> float:
        counted = sum(getattr(score, part) for score in scores)
        return float(counted / _count(sum(getattr(score, whole) for score in scores)) * 100)

    clean = sum(score.hallucinated == 0 for score in scores)
    return {
        "chair": round(share("hallucinated", "objects"), 1),
        "cover": round(share("covered", "truths"), 1),
        # Faithful: one clean description prints 0.1.
        "hal": round(100 - clean / _count(len(scores)) * 100, 1),
        # Faithful: of the annotated likely hallucinations, not of the objects mentioned.
        "cog": round(share("cognition", "likely"), 1),
    }


def discriminative(scores: Sequence[Answer]) -> dict[str, float]:
    """Return accuracy, precision, recall and F1 of "No", overall and by kind, in percent."""
    metrics = dict(_judged(scores, "")) if scores else {}
    for kind in ("existence", "attribute", "relation"):
        chosen = [score for score in scores if score.kind.split("/")[0] == kind]
        if chosen:
            # Faithful: three counters are added up for attributes, and F1 of existence has
            # an epsilon of its own.
            counters = 3 if kind == "attribute" else 1
            f1_epsilon = 0.001 if kind == "existence" else 0.0001
            metrics |= _judged(chosen, f"{kind}/", counters, f1_epsilon)
    for kind in ("attribute/state", "attribute/number", "attribute/action"):
        chosen = [score for score in scores if score.kind == kind]
        if chosen:
            metrics |= _judged(chosen, f"{kind}/")
    return metrics


def _judged(
    scores: Sequence[Answer], prefix: str, counters: int = 1, f1_epsilon: float = 0.0001
) -> dict[str, float]:
    right = sum(score.answer == score.truth.capitalize() for score in scores)
    answered_no = [score for score in scores if score.answer == "No"]
    rightly_no = sum(score.truth == "no" for score in answered_no)
    truly_no = sum(score.truth == "no" for score in scores)
    accuracy = round(right / _count(len(scores), counters) * 100, 1)
    precision = round(rightly_no / _count(len(answered_no), counters) * 100, 1)
    recall = round(rightly_no / _count(truly_no, counters) * 100, 1)
    # Faithful: from precision and recall as printed.
    p, r = precision / 100, recall / 100
    f1 = round(2 * p * r / (p + r + f1_epsilon) * 100, 1)
    names = ("accuracy", "precision", "recall", "f1")
    values = (accuracy, precision, recall, f1)
    return {prefix + name: value for name, value in zip(names, values, strict=True)}


def _count(value: int, counters: int = 1) -> float:
    return value + counters * EPSILON


BENCHMARK: Benchmark[Score] = Benchmark(
    name="amber",
    task="amber",
    samples=15_220,
    metrics=(
        Metric("chair", "percent", False, headline=True, description="Unsupported objects."),
        Metric("cover", "percent", True, headline=True, description="Annotated objects named."),
        Metric("hal", "percent", False, headline=True, description="Descriptions with any such."),
        Metric("cog", "percent", False, headline=True, description="Likely hallucinations named."),
        Metric("accuracy", "percent", True),
        Metric("precision", "percent", True, description='Of the answer "No".'),
        Metric("recall", "percent", True, description='Of the answer "No".'),
        Metric("f1", "percent", True, headline=True, description='Of the answer "No".'),
        Metric("amber_score", "points", True, headline=True, description="(100 - CHAIR + F1) / 2."),
        *(
            Metric(f"{kind}/{name}", "percent", True)
            for kind in ("existence", "attribute", "relation")
            for name in ("accuracy", "precision", "recall", "f1")
        ),
    ),
    source="arXiv:2311.07397; AMBER inference.py at 534babf",
    annotator=NounTagger("nltk", lambda response, _replies: [response.text]),
    request=request,
    score=score,
    aggregate=aggregate,
    fallback=Description(0, 0, 0, 0, 0, 0),
    files=(ANNOTATIONS, RELATION, SAFE_WORDS, METRICS, QUERIES, SIMILAR),
    read=read,
    partial=True,
)
