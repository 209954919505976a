"""AMBER: objects in free descriptions, and yes-or-no questions about what is not there.

Source: AMBER, inference.py at 534babf.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.amber_metrics import SUMS, Answer, Description, Score, aggregate
from benchmarks.parsing import field, json_list, json_object, refuse_duplicates, required
from benchmarks.types import Benchmark, Decoding, Metric, NounTagger, Response, Sample, Unscored

ANNOTATIONS, RELATION, SAFE_WORDS, METRICS, QUERIES, SIMILAR = (
    "annotations.json",
    "relation.json",
    "safe_words.txt",
    "metrics.txt",
    "query_all.json",
    "similar_words.json",
)
EXACT, OTHER = "exact matching", "not official"
OFFICIAL_MODEL, THRESHOLD = "en_core_web_lg", 0.8
REFUSED_MODEL = "en_core_web_md"
PAIRS = (("cat", "dog"), ("bicycle", "bike"))
"""Words of AMBER that count as alike where no table of similar words is there.

With them seven public answer files give all 28 official numbers (CHAIR, Cover, Hal, Cog) and 210 of
210 official lists of hallucinated nouns; exact matching gives 26 of the 28, the others 0.1 off. The
first pair is forced by an answer; the second is inferred: of 1,607 possible pairs the only sensible
one of the 63 that give the one covered object that was missing.
"""
BY_PAIRS = "cat\u2013dog and bicycle\u2013bike"
GENERATIVE = "generative"
KINDS = {
    "discriminative-hallucination": "existence",
    "discriminative-attribute-state": "attribute/state",
    "discriminative-attribute-number": "attribute/number",
    "discriminative-attribute-action": "attribute/action",
    "discriminative-relation": "relation",
    "relation": "relation",
}
GROUPS = (
    "existence",
    "attribute",
    "attribute/state",
    "attribute/number",
    "attribute/action",
    "relation",
)
"""Of the questions; the three kinds of attributes are counted together and each by itself."""


class Words(NamedTuple):
    """What counts as an object, and which words go together."""

    associated: Mapping[str, Sequence[str]]
    objects: frozenset[str]
    safe: frozenset[str]
    similar: frozenset[tuple[str, str]]
    """Pairs, in both orders, that count as alike."""


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
    pairs, note = read_pairs(files, objects)
    similar = frozenset(pairs) | frozenset((second, first) for first, second in pairs)
    return Words(associated, objects, safe, similar), f"similar words: {note}"


def read_pairs(
    files: Mapping[str, str], objects: frozenset[str]
) -> tuple[list[tuple[str, str]], str]:
    """Return the words that count as alike, and who says so.

    A table that is there wins. Without one it is `PAIRS`, where the words are AMBER's own.
    """
    if SIMILAR not in files:
        if not objects.issuperset(word for pair in PAIRS for word in pair):
            return [], f"{EXACT}, there is no {SIMILAR}"
        return list(PAIRS), BY_PAIRS
    table = json_object(files[SIMILAR], SIMILAR)
    rows, model = field(table, "pairs", SIMILAR), field(table, "model", SIMILAR)
    if not isinstance(rows, list) or not all(map(_is_pair, rows)) or not isinstance(model, str):
        raise ValueError(f"{SIMILAR}: expected a model's name and pairs of words")
    if model.startswith(REFUSED_MODEL):
        raise ValueError(
            f"{SIMILAR}: it is made by {model}, with which 1 of 28 official numbers comes out, "
            "since nearly no word has a vector of its own there. Delete it, or take "
            f"{OFFICIAL_MODEL}"
        )
    pairs = [(first, second) for first, second in rows]
    threshold = table.get("threshold", THRESHOLD)
    if not pairs:
        return [], f"{EXACT}, {SIMILAR} of {model} holds none"
    if model.startswith(OFFICIAL_MODEL) and threshold == THRESHOLD:
        return pairs, model
    above = "" if threshold == THRESHOLD else f" above {threshold}"
    return pairs, f"{model}{above}, {OTHER} ({OFFICIAL_MODEL} above {THRESHOLD})"


def _is_pair(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and all(isinstance(word, str) for word in row)


def request(sample: Sample, response: Response) -> str:
    """Return the description for the tagger; nothing for a yes-or-no question."""
    return response.text if sample.category == GENERATIVE else ""


def score(sample: Sample, response: Response, replies: Sequence[str]) -> Score | Unscored:
    """Compare the nouns of a description, or the answer itself, with the annotation."""
    if sample.category != GENERATIVE:
        return _answer(sample, response)
    if response.text and not replies:
        return Unscored(sample.id, "the nouns of the description are not tagged")
    tagged = json.loads(replies[-1]) if response.text else []
    nouns = [lemma for tokens in tagged for _, tag, lemma in tokens if tag.startswith("NN")]
    words: Words = sample.reference["words"]
    mentioned = [noun for noun in nouns if noun in words.objects]
    return describe(mentioned, sample.reference["truth"], sample.reference["hallu"], words)


def _answer(sample: Sample, response: Response) -> Answer | Unscored:
    """Return the answer. Faithful: "yes", "No." and " Yes" are neither, and count as wrong."""
    answer = Answer(KINDS[sample.category], sample.reference["truth"], response.text)
    if response.text in ("Yes", "No"):
        return answer
    return Unscored(sample.id, 'neither "Yes" nor "No"', counted_as=answer)


def describe(
    mentioned: Sequence[str], truths: Sequence[str], likely: Sequence[str], words: Words
) -> Description:
    """Find covered truths, mentioned likely hallucinations and unsupported objects."""
    truth_table, likely_table = _table(truths, words), _table(likely, words)
    covered: set[int] = set()
    cognition: set[int] = set()
    hallucinated: list[str] = []
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
            hallucinated.append(noun)
        else:
            covered.add(close)
    return Description(
        objects=tuple(mentioned),
        hallucinated=tuple(hallucinated),
        covered=tuple(truths[index] for index in sorted(covered)),
        truths=tuple(truths),
        cognition=tuple(likely[index] for index in sorted(cognition)),
        likely=tuple(likely),
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


def part(sample: Sample) -> str:
    """Return the task of the published script that a sample belongs to."""
    return KINDS.get(sample.category, sample.category).split("/")[0]


BENCHMARK: Benchmark[Score] = Benchmark(
    name="amber",
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
            for kind in GROUPS
            for name in ("accuracy", "precision", "recall", "f1")
        ),
    ),
    source="arXiv:2311.07397; AMBER inference.py at 534babf",
    annotator=NounTagger("nltk", lambda response, _replies: [response.text]),
    request=request,
    score=score,
    aggregate=aggregate,
    sums=SUMS,
    fallback=Description(),
    files=(ANNOTATIONS, RELATION, SAFE_WORDS, METRICS, QUERIES, SIMILAR),
    read=read,
    partial=True,
    part=part,
    unreadable='were not to the letter "Yes" or "No": the published script counts them as wrong',
    caveats={
        EXACT: "Words match exactly, without the similarities of en_core_web_lg: CHAIR, Cover, "
        "Hal and Cog, and with them the AMBER score, are not the official numbers.",
        BY_PAIRS: "Cat and dog, and bicycle and bike, count as alike instead of the words that "
        "en_core_web_lg puts above 0.8: on seven public answer files this gives all 28 official "
        "numbers and 210 of 210 official lists of hallucinated nouns. A table of en_core_web_lg "
        "takes its place: python -m harness data similarity.",
        OTHER: "The similar words are not those of en_core_web_lg above 0.8: CHAIR, Cover, Hal and "
        "Cog, and with them the AMBER score, are not the official numbers.",
    },
    decoding={
        # The repository states no settings for generation.
        "official": Decoding(),
        # arXiv:2608.19598, the settings of its rows on AMBER's descriptions.
        "pea_dpo": Decoding(
            max_new_tokens=128,
            template="vicuna_v1",
            questions={GENERATIVE: "Describe the image in detail."},
        ),
        # VLMEvalKit's words after a question; only a bare "Yes" or "No" counts as an answer.
        "vlmevalkit": Decoding(
            questions=dict.fromkeys(KINDS, "{question}\nPlease answer yes or no.")
        ),
    },
)
