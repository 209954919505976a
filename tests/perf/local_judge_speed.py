"""How fast a local judge is by transformers: python tests/perf/local_judge_speed.py OUT.json.

First the made judge of the tests judges eight answers to a benchmark, in a process of its own. Then
a made model of 7B's shape (on a GPU; a tiny one elsewhere) answers long questions.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests/llm"), str(ROOT)]

from local_scoring import scored  # noqa: E402
from tiny_judge import CHAINS, _tokenizer, write_judge  # noqa: E402

from harness.evaluation.judging.local import opening  # noqa: E402
from harness.evaluation.judging.local.generate import Generator  # noqa: E402
from harness.llm.messages import ChatRequest  # noqa: E402

METRICS = {"mmhal": "score", "mm_vet": "total", "llava_bench": "all"}
SHAPES = {
    "cuda": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
    },
    "cpu": {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    },
}
TRIES = {"cuda": ((3, 16), (256, 16), (256, 64)), "cpu": ((3, 4),)}
"""Limit of a reply in tokens, and questions at once."""
QUESTION = "why so? " * 190


def main(file: Path) -> None:
    """Measure, and write after every part."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name(0) if device == "cuda" else "cpu"
    found = {"device": name, "torch": torch.__version__, "transformers": transformers.__version__}

    def keep(**values: object) -> None:
        found.update(values)
        file.write_text(json.dumps(found, indent=1) + "\n")

    opening.vllm_command = tuple
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = write_judge(folder / "tiny")
        for benchmark, metric in METRICS.items():
            start = time.time()
            card = scored(benchmark, folder / benchmark, model).scorecard
            seconds = round(time.time() - start, 1)
            keep(**{benchmark: [card.official.get(metric), card.counts, card.judge, seconds]})
        keep(parameters=_write_big(folder / "big", device))
        generator = Generator(folder / "big")
        keep(placed=str(generator._model.device), dtype=str(generator._model.dtype))
        for limit, size in TRIES[device]:
            keep(**{f"limit {limit}, {size} at once": _tried(generator, limit, size)})


def _tried(generator: Generator, limit: int, size: int) -> dict[str, float]:
    asked = [
        ChatRequest("m", (("user", f"{QUESTION}{place}"),), 0.0, limit) for place in range(size)
    ]
    generator.replies(asked[:2])
    start = time.time()
    replies = generator.replies(asked)
    seconds = time.time() - start
    written = sum(reply["completion_tokens"] for reply in replies)
    return {
        "s": round(seconds, 2),
        "questions_per_s": round(size / seconds, 2),
        "tokens_per_s": round(written / seconds, 1),
        "prompt_tokens": replies[0]["prompt_tokens"],
    }


def _write_big(folder: Path, device: str) -> int:
    config = transformers.LlamaConfig(
        vocab_size=32_000,
        max_position_embeddings=8192,
        eos_token_id=31_999,
        pad_token_id=0,
        **SHAPES[device],
    )
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder)
    words = ["<pad>", "<eos>", "<unk>", "<sep>", *CHAINS, *map(chr, range(32, 127))]
    vocabulary = {word: number for number, word in enumerate(words)}
    template = "{%- for message in messages -%}<sep>{{ message['content'] }}{%- endfor -%}"
    _tokenizer(vocabulary, template).save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
