import pytest
import torch
from tiny_llava import make_checkpoint, make_picture
from transformers import RepetitionPenaltyLogitsProcessor

from benchmarks.types import Decoding, Sample
from harness.errors import ConfigError
from harness.evaluation.generation.answerer import Llava, Question
from harness.evaluation.generation.penalty import PromptRepetitionPenalty
from harness.evaluation.generation.samples import GenerationTask, decoding_of, protocol_of
from harness.registry import load_benchmark

GREEDY = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}
NAMES = ("object_halbench", "amber", "mmhal", "llava_bench", "mm_vet")


@pytest.mark.parametrize(
    ("name", "beams"), [(name, 3 if name == "object_halbench" else 1) for name in NAMES]
)
def test_official_settings_are_those_of_the_published_scripts(name, beams):
    """All five take the likeliest of up to 1,024 tokens and the question as it stands."""
    assert load_benchmark(name).decoding["official"] == Decoding(
        max_new_tokens=1024, num_beams=beams, temperature=0.0, prompt_suffix=""
    )


@pytest.mark.parametrize("name", ["object_halbench", "mmhal"])
def test_rlaifv_searches_three_beams_with_its_own_prompt_and_padded_images(name):
    assert load_benchmark(name).decoding["rlaifv"] == Decoding(
        num_beams=3, template="llava_v1", image_transform="pad"
    )


@pytest.mark.parametrize("name", ["amber", "llava_bench", "mm_vet"])
def test_benchmark_that_a_protocol_leaves_out_is_answered_officially(name):
    benchmark = load_benchmark(name)
    assert protocol_of(benchmark, "rlaifv") == "official"
    assert decoding_of(benchmark, "rlaifv", None) == benchmark.decoding["official"]


def test_protocol_of_no_benchmark_is_an_error_that_names_the_known_ones():
    with pytest.raises(ConfigError, match="no protocol 'rlaif_v'; it has: greedy, official"):
        protocol_of(load_benchmark("object_halbench"), "rlaif_v")


def asked(protocol, category, question):
    sample = Sample(1, question, "1.jpg", category)
    decoding = load_benchmark("amber").decoding[protocol]
    return GenerationTask("amber", (sample,), None, decoding).question(0)


def test_amber_questions_in_the_words_of_each_protocol():
    plain, closed = "Describe this image.", "Is there a dog?"
    kind = "discriminative-hallucination"
    assert asked("official", "generative", plain) == plain
    assert asked("official", kind, closed) == closed
    assert asked("pea_dpo", "generative", plain) == "Describe the image in detail."
    assert asked("pea_dpo", kind, closed) == closed
    assert asked("vlmevalkit", "generative", plain) == plain
    assert asked("vlmevalkit", kind, closed) == "Is there a dog?\nPlease answer yes or no."


def test_question_with_braces_stays_as_it_is():
    assert asked("vlmevalkit", "relation", "Is {x} there?").startswith("Is {x} there?\n")


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return Llava(
        make_checkpoint(tmp_path_factory.mktemp("model")),
        "vicuna_v1",
        "center_crop",
        torch.device("cpu"),
    )


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    return make_picture(tmp_path_factory.mktemp("picture") / "one.png", (250, 0, 0))


def test_other_template_and_transform_change_answers_and_identity_but_not_the_model(llava, picture):
    question = [Question("Is there a red circle?", picture)]
    before = llava.answer(question, GREEDY)
    other = llava.asked_with("llava_v1", "pad")
    assert other.model is llava.model
    assert "curious human" in other.prompt("")
    assert other.answer(question, GREEDY) != before
    changed = {key for key in llava.identity if llava.identity[key] != other.identity[key]}
    assert changed == {"template", "transform"}
    assert llava.answer(question, GREEDY) == before, "the first one is as it was"


def test_penalty_of_an_embedded_prompt_is_the_library_s_of_its_tokens():
    """Row one has no padding: the library's processor sees prompt and answer as one text."""
    prompts = torch.tensor([[5, 6, 7], [0, 0, 8]])
    answers = torch.tensor([[1, 2], [3, 8]])
    scores = torch.linspace(-2, 2, 20).reshape(2, 10)
    mask = (prompts != 0).long()
    penalised = PromptRepetitionPenalty(1.1, prompts, mask)(answers, scores)
    library = RepetitionPenaltyLogitsProcessor(1.1)
    whole = torch.cat([prompts, answers], dim=1)
    assert penalised[0].equal(library(whole[:1], scores[:1])[0])
    assert penalised[1].equal(library(whole[1:, 2:], scores[1:])[0]), "padding is no word"


def test_penalty_holds_for_every_beam_of_its_own_row():
    """Two rows of two beams: rows 0 and 1 belong to the first prompt."""
    penalty = PromptRepetitionPenalty(2.0, torch.tensor([[1], [2]]), torch.ones(2, 1).long())
    scores = torch.ones(4, 3)
    found = penalty(torch.zeros(4, 0, dtype=torch.long), scores)
    assert found.tolist() == [[1, 0.5, 1], [1, 0.5, 1], [1, 1, 0.5], [1, 1, 0.5]]


def test_penalty_changes_answers_and_batches_do_not(llava, picture):
    decoding = GREEDY | {"num_beams": 3, "repetition_penalty": 1.5}
    questions = [Question(text, picture) for text in ("Is it?", "What is left of the square?")]
    alone = [llava.answer([question], decoding)[0] for question in questions]
    assert llava.answer(questions, decoding) == alone
    assert alone != llava.answer(questions, GREEDY | {"num_beams": 3})
