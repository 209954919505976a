"""Object HalBench: which objects a description mentions that the COCO image lacks.

A language model lists the objects of a response, a tagger reduces every listed phrase to its
nouns. Source: RLAIF-V, eval/eval_gpt_obj_halbench.py at 83d917b.
"""

import base64
import binascii
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.chair import (
    Mentions,
    Vocabulary,
    compare,
    counts,
    known_words,
    rate,
    rates,
    read_pairs,
    read_synonyms,
    words_in,
)
from benchmarks.parsing import field, json_lines, json_object, refuse_duplicates, required
from benchmarks.types import (
    Benchmark,
    Call,
    Decoding,
    LLMJudge,
    Metric,
    NounTagger,
    Response,
    Sample,
    Sums,
    Unscored,
)

QUESTIONS = "obj_halbench_300_with_image.jsonl"
SYNONYMS, PROMPT = "synonyms_refine.txt", "judge_prompt.txt"
SPLITS = ("train2014", "val2014")
INSTANCES = tuple(f"annotations/instances_{split}.json" for split in SPLITS)
CAPTIONS = tuple(f"annotations/captions_{split}.json" for split in SPLITS)
NOUN_TAGS = ("NN", "NNS", "NNP", "NNPS")


def read(files: Mapping[str, str]) -> list[Sample]:
    """Return the questions in file order with the classes that COCO sees in their images."""
    rows = json_lines(required(files, QUESTIONS), QUESTIONS)
    ids = [field(row, "image_id", QUESTIONS) for row in rows]
    refuse_duplicates(ids, QUESTIONS)
    vocabulary = read_synonyms(required(files, SYNONYMS))
    present = ground_truth(files, frozenset(ids), vocabulary)
    absent = [image for image in ids if image not in present]
    if absent:
        raise ValueError(f"no COCO annotations of the images {absent[:10]} in {INSTANCES}")
    samples = []
    for row in rows:
        where = f"{QUESTIONS}, image {row['image_id']}"
        reference = {
            "present": frozenset(present[row["image_id"]]),
            "vocabulary": vocabulary,
            "template": files.get(PROMPT),
        }
        try:
            image = base64.b64decode(row.get("image", ""), validate=True)
        except binascii.Error as error:
            raise ValueError(f"{where}: the image is not base64 ({error})") from error
        question = field(row, "question", where)
        samples.append(Sample(row["image_id"], question, image, reference=reference))
    return samples


def ground_truth(
    files: Mapping[str, str], images: frozenset[int], vocabulary: Vocabulary
) -> dict[int, set[str]]:
    """Return the classes in each image: from its instances, and words of its captions."""
    present: dict[int, set[str]] = defaultdict(set)
    for name in filter(files.__contains__, INSTANCES):
        rows = json_object(files[name], name)
        classes = {row["id"]: row["name"] for row in field(rows, "categories", name)}
        for row in field(rows, "annotations", name):
            if row["image_id"] in images:
                category = classes[row["category_id"]]
                present[row["image_id"]].add(vocabulary.classes.get(category, category))
    for name in filter(files.__contains__, CAPTIONS):
        for row in field(json_object(files[name], name), "annotations", name):
            if row["image_id"] in images:
                words = words_in(row["caption"], vocabulary)
                present[row["image_id"]] |= {vocabulary.classes[word] for word in words}
    return present


def cleaned(response: Response) -> str:
    """Return the response without the role name that some models repeat."""
    return response.text.replace("Assistant:", "").strip()


def needs_judge(_sample: Sample, response: Response) -> bool:
    """Tell whether the judge is asked: not about three words or fewer."""
    return len(cleaned(response).split()) > 3


def request(sample: Sample, response: Response) -> str:
    """Fill question and answer into the extraction prompt."""
    template: str | None = sample.reference["template"]
    if template is None:
        raise ValueError(f"{PROMPT} is missing, so the judge cannot be asked")
    return template.replace("{question}", sample.question).replace("{answer}", cleaned(response))


def objects_in(reply: str) -> list[Any] | None:
    """Return what the reply lists, or None if it cannot be read.

    The whole reply, or else its last line, is JSON. Faithful: a string counts as its characters,
    an object as its keys; null and numbers, at which the script stops, are unreadable.
    """
    value: Any = None
    for text in (reply, reply.strip().split("\n")[-1] if '["' in reply else ""):
        try:
            value = json.loads(text)
            break
        except (ValueError, RecursionError):  # nested too deeply, a number of too many digits
            continue
    return list(value) if isinstance(value, list | str | dict) else None


def first_list(replies: Sequence[str]) -> list[Any] | None:
    """Return what the first readable reply lists."""
    return next((listed for listed in map(objects_in, replies) if listed is not None), None)


def phrases(_response: Response, replies: Sequence[str]) -> list[str]:
    """Return the phrases to tag: every listed object with an article."""
    return [f"a {item}" for item in first_list(replies) or []]


def nouns_of(tokens: Sequence[Sequence[str]], vocabulary: Vocabulary) -> list[str]:
    """Return the known pairs in a tagged phrase, or else its runs of nouns."""
    _, matched = read_pairs([lemma for _, _, lemma in tokens], vocabulary)
    if matched:
        return matched
    runs: list[list[str]] = [[]]
    for _, tag, lemma in tokens:
        if tag in NOUN_TAGS:
            runs[-1].append(lemma)
        elif runs[-1]:
            runs.append([])
    return [" ".join(run) for run in runs if run]


def score(sample: Sample, response: Response, replies: Sequence[str]) -> Mentions | Unscored | None:
    """Compare the listed objects with the image; each word counts once per response.

    `replies` are the judge's replies, then the tagger's.
    """
    vocabulary, present = sample.reference["vocabulary"], sample.reference["present"]
    if not needs_judge(sample, response):
        return compare((), present, vocabulary)
    if first_list(replies[:-1]) is None:
        return Unscored(sample.id, "no list of objects in the judge's replies")
    nouns = (nouns_of(tokens, vocabulary) for tokens in json.loads(replies[-1]))
    distinct = list(dict.fromkeys(noun for phrase in nouns for noun in phrase))
    return compare(known_words(distinct, vocabulary), present, vocabulary)


def score_words(sample: Sample, response: Response, _replies: Sequence[str]) -> Mentions:
    """Compare the words of the response itself, every repeat counted: no judge, no tagger."""
    vocabulary = sample.reference["vocabulary"]
    words = words_in(cleaned(response), vocabulary)
    return compare(words, sample.reference["present"], vocabulary)


def aggregate(scores: Sequence[Mentions | None]) -> dict[str, float]:
    """Return the rates in percent; nothing if the published script would have stopped.

    Faithful: it stops at a reply that it cannot read, and divides by zero where no response
    mentions any object.
    """
    readable = [score for score in scores if score is not None]
    if len(readable) < len(scores) or not any(score.words for score in readable):
        return {}
    return rates(readable)


def stored(row: Mapping[str, Any]) -> Mentions:
    """Read a score back."""
    return Mentions(
        tuple(row["words"]),
        tuple(row["hallucinated"]),
        frozenset(row["found"]),
        frozenset(row["present"]),
    )


def sums_of(score: Mentions | None) -> dict[str, int]:
    """Return what one response adds to the rates; an unreadable reply leaves no number at all."""
    return {} if score is None else counts(score)


WITH_JUDGE: Benchmark[Mentions | None] = Benchmark(
    name="object_halbench",
    samples=300,
    metrics=(
        Metric(
            "response_hallucination",
            "percent",
            False,
            headline=True,
            description="Responses with an absent object, of those with any object.",
        ),
        Metric(
            "mention_hallucination",
            "percent",
            False,
            headline=True,
            description="Absent objects, of all objects mentioned.",
        ),
        Metric(
            "recall", "percent", True, headline=True, description="Objects of the images mentioned."
        ),
    ),
    source="arXiv:2312.00849; RLAIF-V eval/eval_gpt_obj_halbench.py at 83d917b",
    annotator=LLMJudge(
        model="gpt-3.5-turbo-0613",
        calls=(Call(temperature=0.2),) * 100,
        readable=lambda reply: objects_in(reply) is not None,
        max_tokens=512,
        role="system",
        needed=needs_judge,
        tagger=NounTagger("en_core_web_trf", phrases),
    ),
    request=request,
    score=score,
    aggregate=aggregate,
    sums=Sums(stored, sums_of, rate),
    fallback=None,
    files=(QUESTIONS, SYNONYMS, PROMPT, *INSTANCES, *CAPTIONS),
    read=read,
    caveats={
        "instead of en_core_web_trf": "Another tagger than en_core_web_trf found the nouns: these "
        "are not the official numbers.",
        "none": "Nobody was asked: these are the words of the answers themselves, as the published "
        "script counts without --use_gpt. Published numbers are those with a judge.",
    },
    unreadable="held no list of objects: the published script stops there and prints nothing",
    decoding={
        "official": Decoding(num_beams=3),
        # RLAIF-V script/eval/eval_rlaifv_objhal.sh and muffin/eval/muffin_vqa.py.
        "rlaifv": Decoding(num_beams=3, template="llava_v1", image_transform="pad"),
        # RLHF-V, muffin/eval/muffin_vqa.py:178-189, without Muffin's own prompt.
        "rlhfv": Decoding(num_beams=3, repetition_penalty=1.1),
        "greedy": Decoding(),
    },
)

JUDGE_FREE = replace(WITH_JUDGE, annotator=None, score=score_words)
BENCHMARK = replace(WITH_JUDGE, judge_free=JUDGE_FREE)
