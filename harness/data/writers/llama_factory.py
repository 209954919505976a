"""LLaMA-Factory: ShareGPT with `chosen` and `rejected`, its pictures, and a `dataset_info.json`.

Source: LLaMA-Factory:data/README.md (ff6d4d1); `<image>` stands before the first question, as in
its data/mllm_demo.json.
"""

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.templates import IMAGE
from harness.data.writers.columns import Columns, with_columns
from harness.files.atomic import written
from harness.files.digests import text_digest

FILE, DESCRIPTION, PICTURES = "pairs.jsonl", "dataset_info.json", "images"
_ENTRY = {
    "file_name": FILE,
    "formatting": "sharegpt",
    "ranking": True,
    "columns": {
        "messages": "conversations",
        "chosen": "chosen",
        "rejected": "rejected",
        "images": "images",
    },
}


def write_llama_factory(pairs: Preferences, computed: Columns, target: Path) -> None:
    """Write a folder that LLaMA-Factory takes as `dataset_dir`, with the data set `pairs`."""
    with written(target, one_writer=True) as part:
        (part / PICTURES).mkdir(parents=True)
        with (part / FILE).open("w", encoding="utf-8") as lines:
            for pair, values in with_columns(pairs, computed):
                row = values | _row(pair, _picture(pair.image, part))
                lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        (part / DESCRIPTION).write_text(json.dumps({"pairs": _ENTRY}, indent=2) + "\n", "utf-8")


def _row(pair: PreferencePair, image: str) -> dict[str, Any]:
    turns = [text for turn in pair.history for text in turn] + [pair.question]
    turns[0] = IMAGE + turns[0]
    names = ("human", "gpt")
    return {
        "idx": pair.pair_id,
        "conversations": [_message(names[place % 2], text) for place, text in enumerate(turns)],
        "chosen": _message("gpt", pair.chosen),
        "rejected": _message("gpt", pair.rejected),
        "images": [image],
    }


def _message(name: str, text: str) -> dict[str, str]:
    return {"from": name, "value": text}


def _picture(content: bytes, folder: Path) -> str:
    """Write an image, once for all pairs that have it; return its path in the folder."""
    with Image.open(io.BytesIO(content)) as image:
        ending = (image.format or "png").lower()
    path = f"{PICTURES}/{text_digest(content, digits=32)}.{ending}"
    if not (folder / path).exists():
        (folder / path).write_bytes(content)
    return path
