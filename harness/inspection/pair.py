"""One pair with the segments that RLHF-V weighs, and its sub-sentences with their cosines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, get_args

from rich.table import Table
from rich.text import Text

from harness.console import messages, results, visible
from harness.data.columns.catalog import GAP
from harness.data.columns.score_shards import ScoredSide
from harness.data.pairs.opening import open_preferences
from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.collate import ChangedTokens
from harness.data.templates import TEMPLATES, Template
from harness.errors import ConfigError, DataError, in_words
from harness.inspection.known import known_hardness, known_scores
from harness.registry import find
from harness.settings.places import in_world
from harness.settings.spec import DataSpec
from harness.world.places import locate
from methods.segments import SegmentRule
from methods.types import Segments

CHANGED = {"chosen": "bold green", "rejected": "bold red"}
_NO_LIMIT = 2**31


@dataclass(frozen=True)
class TokenReader:
    """As much of a processor as tokenizing a pair takes; nothing of the model is loaded."""

    tokenizer: Any
    image_token_id: int


def tokenizer_reference(model: str | None, data: str) -> str:
    """Return whose tokenizer is to be used.

    Raises:
        ConfigError: None is named and the data have none of their own.
    """
    if model is not None:
        return model
    if in_world(data):
        return "world:base"
    raise ConfigError(
        "Segments are runs of a model's tokens: whose tokenizer? Give --model, such as "
        "--model llava-hf/llava-1.5-7b-hf, or --model world:base for the tiny world's data."
    )


def read_tokenizer(reference: str, template: Template) -> TokenReader:
    """Load the tokenizer of a model that reads this template.

    Raises:
        ConfigError: There is none, or it knows no image token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(locate(reference))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--model {reference}: no tokenizer can be loaded ({in_words(error)})."
        ) from error
    token = getattr(tokenizer, "image_token", template.image_token)
    number = tokenizer.convert_tokens_to_ids(token)
    if number is None or number == tokenizer.unk_token_id:
        raise ConfigError(f"--model {reference}: the tokenizer has no image token {token!r}.")
    return TokenReader(tokenizer, number)


def print_pair(
    spec: DataSpec,
    index: int,
    rules: Sequence[str],
    min_match: int,
    model: str,
    template: str,
) -> None:
    """Print question, both responses by every rule, and the hardness as far as it is known.

    Raises:
        ConfigError: The tokenizer or the template is unknown.
        DataError: There is no such pair.
    """
    pairs = open_preferences(spec, columns=frozenset({GAP}))
    for said in pairs.said():
        messages.print(said, markup=False)
    if index >= len(pairs):
        raise DataError(f"{pairs.source}: no pair {index}; there are {len(pairs)}, from 0.")
    told = find(template, TEMPLATES, "template")
    reader = read_tokenizer(model, told)
    pair = pairs[index]
    file, row = pairs.place(index)
    results.print(f"pair {index}, id {visible(pair.pair_id)}: {file}, row {row}", markup=False)
    for asked, answer in pair.history:
        results.print(Text("earlier   ", "bold").append(visible(asked), "not bold"))
        results.print(Text("answer    ", "bold").append(visible(answer), "not bold"))
    results.print(Text("question  ", "bold").append(visible(pair.question), "not bold"))
    for rule in (name for name in get_args(SegmentRule) if name in rules):
        results.print(f"\nsegments by the rule {rule!r}, at least {min_match} equal tokens between")
        for line in segment_lines(pair, reader, rule, min_match, told):
            results.print(line)
    _print_hardness(pairs, spec, index)


def segment_lines(
    pair: PreferencePair, reader: TokenReader, rule: SegmentRule, min_match: int, template: Template
) -> Iterator[Text]:
    """Yield a line for either response, in which the changed tokens have a colour and brackets."""
    tokens = next(PairTokenizer(reader, template, 1, _NO_LIMIT).tokenize([pair]))
    masks = ChangedTokens(Segments(rule, min_match), reader.image_token_id)(tokens)
    sides = (("chosen", tokens.chosen), ("rejected", tokens.rejected))
    for (side, ids), mask in zip(sides, masks, strict=True):
        line = Text(f"{side:9} ", "bold")
        for text, changed in _runs(reader.tokenizer, ids.tolist(), mask.tolist()):
            # Brackets too: a pipe or a file has no colours.
            line.append(f"[{text}]" if changed else text, CHANGED[side] if changed else "not bold")
        line.append(f"  ({int(mask.sum())} of {len(ids)} tokens changed)", "dim not bold")
        yield line
    if not any(mask.any() for mask in masks):
        yield Text(_nothing_changed(tokens.chosen.tolist(), tokens.rejected.tolist(), min_match))


def _nothing_changed(chosen: list[int], rejected: list[int], min_match: int) -> str:
    """Say why no token of two responses is marked."""
    if chosen == rejected:
        return "Nothing is marked: both responses are the same tokens."
    return (
        "Nothing is marked though the responses differ: between two runs of at least "
        f"{min_match} equal tokens, only ever one of them has tokens of its own. Such an insertion "
        "or deletion replaces nothing, so by this rule it is no segment."
    )


def _runs(tokenizer: Any, ids: list[int], mask: list[bool]) -> Iterator[tuple[str, bool]]:
    """Yield the text of every run of tokens that are all changed or all not."""
    end = before = 0
    for changed, run in groupby(mask):
        end += sum(1 for _ in run)
        # Decoded from the start: a single token's text lacks the space before it.
        whole = visible(tokenizer.decode(ids[:end]))
        yield whole[before:], changed
        before = len(whole)


def _print_hardness(pairs: Preferences, spec: DataSpec, row: int) -> None:
    known = known_hardness(pairs, spec.hardness)
    if known is None:
        results.print("\nclip_gap is not known; compute it with: prepare --columns clip_gap")
    else:
        gap, mean = known.gaps[row], known.summary.mean
        results.print(f"\nclip_gap {gap:+.6f} (mean {mean:+.6f}), alpha_D {known.factor(row):.6f}")
    scored = known_scores(pairs, spec.hardness, row)
    if scored is not None:
        table = Table("response", "cosine", "sub-sentence")
        _add_pieces(table, "chosen", scored.chosen)
        _add_pieces(table, "rejected", scored.rejected)
        results.print(table)


def _add_pieces(table: Table, name: str, side: ScoredSide) -> None:
    cosines = [f"{cosine:+.4f}" for cosine in side.cosines] or ["-"] * len(side.pieces)
    for cosine, piece in zip(cosines, side.pieces, strict=True):
        table.add_row(name, cosine, Text(visible(piece)))
