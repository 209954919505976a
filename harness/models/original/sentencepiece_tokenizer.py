"""Read tokenizer.model with sentencepiece alone.

transformers reads it through protobuf, which refuses when sentencepiece was built for a newer
protobuf than other packages allow, and then takes the file for one of another kind.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from harness.errors import DataError, in_words
from harness.models.reading import read_object


def read_tokenizer(folder: Path) -> Any:
    """Return the Llama tokenizer of tokenizer.model, set up as tokenizer_config.json says.

    Raises:
        DataError: The file is damaged.
    """
    from sentencepiece import SentencePieceProcessor
    from transformers import LlamaTokenizer

    file = folder / "tokenizer.model"
    try:
        model = SentencePieceProcessor(model_file=str(file))
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{file}: not readable ({in_words(error)}). Remove it and fetch it again."
        ) from error
    size = model.get_piece_size()
    pieces = [model.id_to_piece(number) for number in range(size)]
    # Bytes, <s> and the like are never the result of joining two pieces.
    words = [
        piece
        for number, piece in enumerate(pieces)
        if not (model.is_control(number) or model.is_unknown(number) or model.is_byte(number))
    ]
    found, _ = read_object(folder / "tokenizer_config.json")
    config = found or {}
    return LlamaTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)},
        merges=merges_of(words),
        # True is what transformers took where the file is silent, when LLaVA-1.5 was published.
        legacy=bool(config.get("legacy", True)),
        add_bos_token=bool(config.get("add_bos_token", True)),
        add_eos_token=bool(config.get("add_eos_token", False)),
        unk_token=pieces[model.unk_id()],
        bos_token=pieces[model.bos_id()],
        eos_token=pieces[model.eos_id()],
        model_max_length=config.get("model_max_length"),
    )


def merges_of(words: Collection[str]) -> list[tuple[str, str]]:
    """Return the pairs of pieces that are joined, first those whose result stands first.

    sentencepiece joins the neighbours that give the best piece, and a better piece stands before
    a worse one.
    """
    known = set(words)
    return [
        (word[:cut], word[cut:])
        for word in words
        for cut in range(1, len(word))
        if word[:cut] in known and word[cut:] in known
    ]
