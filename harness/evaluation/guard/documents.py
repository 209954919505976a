"""The documents of the task tiny_ability: questions of a tiny world with one short answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import DataError, in_words
from harness.files.digests import content_digest, digest_of, text_digest

TASK = "tiny_ability"
_MADE = "tiny world"
"""What the tiny MM-Vet names as the source of its images."""
_YES_NO = 120
"""Yes-or-no questions; there are 500."""

Document = dict[str, Any]


def tiny_documents(data: Path) -> list[Document]:
    """Return the documents: question, accepted answers, path of the picture, and kind.

    They are the short questions of the tiny MM-Vet (signs, sums, colours, counts, places) and
    those of the tiny AMBER on attributes. None asks for what is not there: that is what the
    benchmarks of hallucination ask.

    Args:
        data: Holds the folders of the benchmarks.

    Raises:
        DataError: These are no benchmarks of a tiny world, or they are damaged.
    """
    try:
        documents = list(_short(data / "mm_vet"))
        if documents and (data / "amber").is_dir():
            documents += _attributes(data / "amber")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"guard task {TASK}: {data} does not hold the questions of a tiny world "
            f"({in_words(error)}). It is a task for size tiny alone."
        ) from error
    if not documents:
        raise DataError(
            f"guard task {TASK} asks the questions of a tiny world, and {data} holds others. Take "
            "tasks of lmms-eval, such as: --guard pope,mme"
        )
    return documents


def digest(documents: list[Document]) -> str:
    """Return 16 hex digits over questions, answers and the contents of the pictures."""
    pictures = [Path(one["image"]) for one in documents]
    asked = [{**one, "image": ""} for one in documents]
    return text_digest(digest_of(asked), content_digest(lambda: pictures), digits=16)


def _short(folder: Path) -> Iterator[Document]:
    rows = json.loads((folder / "mm-vet.json").read_text("utf-8"))
    for row in rows.values():
        answer = row["answer"]
        if row.get("imagesource") == _MADE and "<AND>" not in answer:
            yield {
                "question": row["question"],
                "answer": answer.split("<OR>"),
                "image": str(folder / "images" / row["imagename"]),
                "kind": "reading" if "ocr" in row["capability"] else "seeing",
            }


def _attributes(folder: Path) -> Iterator[Document]:
    """Yield the first yes-or-no questions on attributes."""
    queries = json.loads((folder / "query_all.json").read_text("utf-8"))
    told = {one["id"]: one for one in json.loads((folder / "annotations.json").read_text("utf-8"))}
    asked = [one for one in queries if "attribute" in told[one["id"]]["type"]]
    for query in asked[:_YES_NO]:
        yield {
            "question": query["query"],
            "answer": [told[query["id"]]["truth"]],
            "image": str(folder / "image" / query["image"]),
            "kind": "seeing",
        }
