"""Prompts, label masks and truncation token by token, with a tokenizer of one id per word."""

from types import SimpleNamespace

import pytest
import torch
import world_fixture
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from harness.data.images import ImageRef
from harness.data.pairs.preferences import PreferencePair
from harness.data.rows.batch import PairTokenizer, TokenizedPair
from harness.data.rows.collate import Collator, no_segments
from harness.data.templates import TEMPLATES
from harness.errors import DataError

BOS, EOS, IMAGE = 1, 2, 3
PATCHES = 4
WORDS = [
    *("A", "chat", "between", "a", "curious", "user", "and", "an", "artificial", "intelligence"),
    *("assistant.", "The", "assistant", "gives", "helpful,", "detailed,", "polite", "answers"),
    *("to", "the", "user's", "questions.", "USER:", "human", "human's", "\nWhy", "so?"),
    *("ASSISTANT:", "It", "is", "very", "red.", "blue."),
]
"""Ids from 10: user 15, user's 30, human 33, human's 34, ASSISTANT: 37, It 38, ..., blue. 42."""
SYSTEM = [*range(10, 26), 16, *range(26, 32)]
"""Every word in order; the second "and" is the first one's id."""
VICUNA = [BOS, *SYSTEM, 32, *[IMAGE] * PATCHES, 35, 36, 37]


@pytest.fixture(scope="module")
def processor():
    ids = {"<unk>": 0, "<s>": BOS, "</s>": EOS, "<image>": IMAGE}
    ids |= {word: number for number, word in enumerate(WORDS, start=10)}
    words = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    words.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", BOS)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )
    return SimpleNamespace(tokenizer=tokenizer, image_token_id=IMAGE)


def tokenized(processor, template="vicuna_v1", max_length=2048, **changes):
    """The pair "Why so?" -> "It is red." over "It is very blue."."""
    tokenizer = PairTokenizer(processor, TEMPLATES[template], PATCHES, max_length)
    values = {"row": 7, "pair_id": "x", "question": "Why so?", "image": image()}
    values |= {"chosen": "It is red.", "rejected": "It is very blue."}
    pair = next(tokenizer.tokenize([PreferencePair(**(values | changes))]))
    return pair


def image():
    return world_fixture.rows(1)[0]["image"]["bytes"]


def test_vicuna_v1_token_by_token(processor):
    """BOS, 23 words of the system text, USER:, the image, the question, ASSISTANT:; 32 ids."""
    pair = tokenized(processor)
    assert len(VICUNA) == 1 + 23 + 1 + PATCHES + 3
    assert pair.prompt.tolist() == VICUNA
    assert pair.chosen.tolist() == [38, 39, 41, EOS]
    assert pair.rejected.tolist() == [38, 39, 40, 42, EOS]


def test_llava_v1_differs_from_vicuna_v1_in_user_and_human_alone(processor):
    """user 15 -> human 33, user's 30 -> human's 34; USER: stays."""
    vicuna = tokenized(processor)
    llava = tokenized(processor, "llava_v1")
    pairs = zip(vicuna.prompt.tolist(), llava.prompt.tolist(), strict=True)
    assert [(one, other) for one, other in pairs if one != other] == [(15, 33), (30, 34)]
    assert llava.chosen.tolist() == vicuna.chosen.tolist()
    assert TEMPLATES["llava_v1"].system == TEMPLATES["vicuna_v1"].system.replace("user", "human")


def test_labels_are_the_response_and_its_end_token_and_nothing_else(processor):
    """Targets of the loss: 4 tokens of the chosen, 5 of the rejected response."""
    pair = tokenized(processor, row=0)
    store = SimpleNamespace(tensor=lambda image: torch.zeros(3, 2, 2))
    tokens = Collator([pair], store, no_segments, {}, IMAGE)([0])
    targets = {
        name: tokens.packed.targets[side.places[side.mask]].tolist()
        for name, side in (("chosen", tokens.chosen), ("rejected", tokens.rejected))
    }
    assert targets == {"chosen": [38, 39, 41, EOS], "rejected": [38, 39, 40, 42, EOS]}
    assert tokens.chosen.mask.tolist() == [[True] * 4 + [False]]
    assert tokens.rejected.mask.tolist() == [[True] * 5]


@pytest.mark.parametrize(
    ("room", "chosen", "rejected", "cut"),
    [
        (5, [38, 39, 41, EOS], [38, 39, 40, 42, EOS], False),
        (4, [38, 39, 41, EOS], [38, 39, 40, 42], True),
        (3, [38, 39, 41], [38, 39, 40], True),
        (1, [38], [38], True),
    ],
)
def test_each_response_loses_its_own_end_at_max_length(processor, room, chosen, rejected, cut):
    """The limit counts the prompt's 32 ids with all image tokens; the end token goes first."""
    pair = tokenized(processor, max_length=len(VICUNA) + room)
    assert (pair.chosen.tolist(), pair.rejected.tolist()) == (chosen, rejected)
    assert pair.cut is cut
    assert pair.prompt.tolist() == VICUNA


@pytest.mark.parametrize("max_length", [len(VICUNA), len(VICUNA) - PATCHES + 1])
def test_no_room_for_a_response_is_an_error(processor, max_length):
    """Also where the prompt would fit if the image were one token."""
    with pytest.raises(DataError, match=f"row 7: the prompt has {len(VICUNA)} tokens with its"):
        tokenized(processor, max_length=max_length)


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_an_image_token_in_a_response_is_an_error(processor, side):
    with pytest.raises(DataError, match="row 7: a response holds the image token"):
        tokenized(processor, **{side: "It is <image> red."})


def test_an_image_token_in_a_question_is_an_error(processor):
    with pytest.raises(DataError, match="row 7: the prompt has 2 image tokens instead of one"):
        tokenized(processor, question="Why <image> so?")


def pair_of(row, prompt, *keys):
    images = tuple(ImageRef(row, place, key) for place, key in enumerate(keys))
    ids = [torch.tensor(part, dtype=torch.int32) for part in (prompt, [8], [9])]
    return TokenizedPair(row, *ids, images=images)


@pytest.mark.parametrize("between", [[], [7]])
def test_one_token_stays_of_each_of_two_images(between):
    """Also where nothing stands between them; both have two tokens here."""
    pair = pair_of(0, [BOS, IMAGE, IMAGE, *between, IMAGE, IMAGE, 5], "a", "b")
    assert pair.unexpanded(IMAGE).tolist() == [BOS, IMAGE, *between, IMAGE, 5]


def test_two_images_of_a_pair_take_their_own_features_in_the_order_of_the_prompt():
    """Images a, b and c are numbers 0, 1 and 2 of two features each; b is decoded once."""
    pairs = [
        pair_of(0, [BOS, IMAGE, IMAGE, 7, IMAGE, IMAGE], "a", "b"),
        pair_of(1, [BOS, IMAGE, IMAGE, 7, IMAGE, IMAGE], "c", "b"),
    ]
    store = SimpleNamespace(tensor=lambda image: torch.full((3, 2, 2), ord(image.key)))
    tokens = Collator(pairs, store, no_segments, {}, IMAGE)([0, 1])
    ids = tokens.packed.input_ids.tolist()
    assert ids == [BOS, -1, -2, 7, -3, -4, -5, -6, 7, -3, -4]
    assert tokens.image_refs == (*pairs[0].images, pairs[1].images[0])
    assert tokens.images[:, 0, 0, 0].tolist() == [ord("a"), ord("b"), ord("c")]
