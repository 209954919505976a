"""Numbers of tokens: which token has which, by several kinds of tokenizers."""

from types import SimpleNamespace

import pytest
import torch
import world_fixture
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from harness.data.columns.tokens.columns import ensure_token_columns
from harness.data.columns.tokens.spans import Span
from harness.data.pairs.preferences import PreferencePair, Preferences
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.collate import Collator, ImageStore, no_segments
from harness.data.rows.tokenized import ensure_tokenized, tokenized_file
from harness.data.templates import TEMPLATES
from harness.data.transforms import ImageTransform
from harness.errors import ConfigError
from harness.models.base import load_base
from harness.settings.spec import HardnessSpec
from harness.world.shipped import FOLDER

SENTENCE = "There is a red dog next to the house. No cat is there."
DOG = Span(11, 18, 1.5)
"""The characters `red dog`."""
IMAGE = world_fixture.rows(1)[0]["image"]["bytes"]
SPECIAL = ["<s>", "</s>", "<unk>", "<image>"]
TEXTS = [f": {SENTENCE}", world_fixture.SYSTEM_WORDS, "a café, naïve words"]


def fast(raw):
    """Wrap a tokenizer that puts <s> before a text."""
    raw.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )


def sentencepiece_like():
    """As LLaMA's: ▁ for a space and before the text, and bytes for what is unknown."""
    pieces = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    pieces.pre_tokenizer = pre_tokenizers.Metaspace()
    bytes_ = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=[*SPECIAL, *bytes_], show_progress=False
    )
    pieces.train_from_iterator(TEXTS[:2], trainer)
    pieces.pre_tokenizer = None
    pieces.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return fast(pieces)


def qwen_like():
    """Composed characters, words by an expression, bytes as letters."""
    pieces = Tokenizer(models.BPE())
    pieces.normalizer = normalizers.NFC()
    words = Regex(r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+")
    pieces.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    pieces.train_from_iterator(TEXTS, trainer)
    return fast(pieces)


KINDS = {
    "byte level": world_fixture.tokenizer,
    "sentencepiece": sentencepiece_like,
    "qwen": qwen_like,
    "tiny world": lambda: AutoTokenizer.from_pretrained(FOLDER / "0" / "base"),
}
MADE = {}


def tokenizer(kind, max_length=500):
    if kind not in MADE:
        MADE[kind] = KINDS[kind]()
    own = MADE[kind]
    known = SimpleNamespace(tokenizer=own, image_token_id=own.convert_tokens_to_ids("<image>"))
    return PairTokenizer(known, TEMPLATES["vicuna_v1"], 4, max_length)


def pair(chosen, rejected="Something else."):
    return PreferencePair(
        row=0, pair_id="0", question="Why?", chosen=chosen, rejected=rejected, image=IMAGE
    )


def numbers(kind, response, spans, max_length=500):
    """Return the response's ids and what they have in the column."""
    both = {"severity": (tuple(spans), ())}
    made = next(tokenizer(kind, max_length).tokenize([pair(response)], [both]))
    chosen, rejected = made.columns["severity"]
    assert rejected.tolist() == [0.0] * len(made.rejected)
    assert chosen.dtype == torch.float32
    return made.chosen.tolist(), chosen.tolist()


def marked_text(kind, ids, values):
    """Return what the tokens with a number say, without spaces and what stands for them."""
    kept = [i for i, value in zip(ids, values, strict=True) if value]
    return "".join(MADE[kind].convert_ids_to_tokens(kept)).translate(dict.fromkeys(map(ord, "▁Ġ ")))


@pytest.mark.parametrize("kind", ["byte level", "sentencepiece", "qwen"])
def test_the_tokens_of_two_words_have_their_number_and_no_others(kind):
    ids, values = numbers(kind, SENTENCE, [DOG])
    assert set(values) == {0.0, 1.5}
    assert marked_text(kind, ids, values) == "reddog"
    plain = next(tokenizer(kind).tokenize([pair(SENTENCE)]))
    assert plain.chosen.tolist() == ids
    assert not plain.columns


def test_the_tokens_of_the_tiny_world():
    """Its words are tokens: ` A`, ` red`, ` dog`, `.`, ` A`, ` cat`, `.`, and the end."""
    spans = [Span(2, 5, 1.0), Span(6, 10, -2.0), Span(11, 16, 0.5)]
    _, values = numbers("tiny world", "A red dog. A cat.", spans)
    assert values == [0.0, 1.0, -2.0, -2.0, 0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["byte level", "sentencepiece", "qwen"])
def test_a_token_goes_by_its_last_character(kind):
    """` red`, where the span ends with the space, and where it holds the last letter alone."""
    assert not any(numbers(kind, "a red dog", [Span(1, 2, 1.0)])[1])
    ids, values = numbers(kind, "a red dog", [Span(4, 5, 1.0)])
    assert marked_text(kind, ids, values).endswith("d")


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_end_has_nothing_and_what_is_cut_off_is_cut_here_too(kind):
    everything = [Span(0, len(SENTENCE), 2.0)]
    ids, values = numbers(kind, SENTENCE, everything)
    assert values == [2.0] * (len(ids) - 1) + [0.0]
    prompt = len(next(tokenizer(kind).tokenize([pair(SENTENCE)])).prompt)
    short, left = numbers(kind, SENTENCE, everything, max_length=prompt + 3)
    assert short == ids[: len(short)]
    assert left == [2.0] * len(short)
    assert len(short) < len(ids)


WORDS = st.lists(
    st.text(st.sampled_from("abdeghnorst") | st.sampled_from("éßж愛🙂"), min_size=1, max_size=6),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("kind", ["byte level", "sentencepiece", "qwen"])
@settings(deadline=None, max_examples=40)
@given(words=WORDS, values=st.lists(st.integers(-3, 3), min_size=8, max_size=8))
def test_every_token_of_a_word_has_the_number_of_the_word(kind, words, values):
    """Counted by words: as many tokens as each has alone, and nothing at the end.

    No tokenizer here merges over spaces; a space before a word is part of its first token, or one.
    """
    response, spans, start = " ".join(["so", *words]), [], 3
    for word, value in zip(words, values, strict=False):
        spans.append(Span(start - 1, start + len(word), float(value)))
        start += len(word) + 1
    ids, found = numbers(kind, response, spans)
    split = [tokenizer(kind)._tokenizer(f": {word}")["input_ids"] for word in ["so", *words]]
    before = len(tokenizer(kind)._tokenizer(":")["input_ids"])
    counts = [len(one) - before for one in split]
    together = zip(counts, [0, *values], strict=False)
    expected = [float(value) for count, value in together for _ in range(count)]
    assert found == [*expected, 0.0]
    assert len(ids) == len(found)
    once = [Span(*span[:2], 1.0) for span in spans]
    assert sum(numbers(kind, response, once)[1]) == len(ids) - 1 - counts[0]


def test_a_tokenizer_without_offsets_is_refused_by_its_name():
    class SlowOne:
        is_fast, eos_token_id = False, 1

    slow = PairTokenizer(
        SimpleNamespace(tokenizer=SlowOne(), image_token_id=3), TEMPLATES["vicuna_v1"], 4, 500
    )
    with pytest.raises(ConfigError, match=r"tokenizer, SlowOne, does not tell which characters"):
        next(slow.tokenize([pair(SENTENCE)], [{}]))


@pytest.fixture(scope="module")
def model(base):
    return load_base(base, torch.float32)


class TestFiles:
    @pytest.fixture
    def marked(self, tmp_path):
        rows = world_fixture.rows(5)
        for number, row in enumerate(rows):
            row["chosen_severity"] = [[0, 5, float(number)]]
            row["rejected_severity"] = []
        rows[3]["rejected_severity"] = [[0, 8, -1.0]]
        return Preferences(world_fixture.write_rows(tmp_path / "train-0.parquet", rows))

    def columns(self, marked, cache):
        return ensure_token_columns(marked, {"severity"}, HardnessSpec(clip="none"), cache)

    def own(self, model):
        return PairTokenizer(
            model.processor, TEMPLATES["vicuna_v1"], model.image_tokens, max_length=500
        )

    def test_the_file_holds_what_is_made_in_memory(self, model, marked, tmp_path):
        columns, own = self.columns(marked, tmp_path), self.own(model)
        found = ensure_tokenized(marked, own, tmp_path / "p.arrow", columns=columns)
        for row, made in enumerate(own.tokenize(marked, columns)):
            pairs = zip(found[row].columns["severity"], made.columns["severity"], strict=True)
            assert all(torch.equal(one, other) for one, other in pairs)
            assert torch.equal(found[row].chosen, made.chosen)
        assert found[2].columns["severity"][0].sum() > 0

    def test_without_columns_file_and_name_stay_what_they_were(self, model, marked, tmp_path):
        own = self.own(model)
        names = [
            tokenized_file(tmp_path, tmp_path, own, "data", columns)
            for columns in (None, self.columns(marked, tmp_path))
        ]
        assert names[0] == tokenized_file(tmp_path, tmp_path, own, "data") != names[1]
        plain = ensure_tokenized(marked, own, tmp_path / "p.arrow")
        assert plain.schema.names == ["prompt", "chosen", "rejected", "image", "cut"]
        assert plain[0].columns == {}

    def test_a_changed_span_is_another_file(self, model, marked, tmp_path):
        rows = world_fixture.rows(5)
        for row in rows:
            row |= {"chosen_severity": [[0, 5, 1.0]], "rejected_severity": [[0, 5, 0.5]]}
        other = Preferences(world_fixture.write_rows(tmp_path / "other" / "train-0.parquet", rows))
        own = self.own(model)
        first, second = (
            tokenized_file(tmp_path, tmp_path, own, "data", self.columns(one, tmp_path))
            for one in (marked, other)
        )
        assert first != second

    def test_a_batch_has_the_numbers_at_its_tokens_and_zeros_behind(self, model, marked, tmp_path):
        pairs = list(self.own(model).tokenize(marked, self.columns(marked, tmp_path)))
        store = ImageStore(marked, ImageTransform(model.processor, "center_crop"))
        image_id = model.processor.image_token_id
        marks = frozenset({"end_again", "prompt"})
        tokens = Collator(pairs, store, no_segments, {}, image_id, marks=marks)([3, 1])
        for side, name in enumerate(("chosen", "rejected")):
            masks = getattr(tokens, name)
            values = masks.columns["severity"]
            assert values.shape == masks.mask.shape
            assert not values[~masks.mask].any()
            for place, row in enumerate((3, 1)):
                kept = values[place][masks.mask[place]]
                assert torch.equal(kept, pairs[row].columns["severity"][side])
        assert tokens.rejected.columns["severity"].min() == -1.0
