"""How likely a model holds a continuation of a prompt about a picture."""

from collections.abc import Sequence

import torch

from harness.evaluation.generation.answerer import Llava, Question

Likelihood = tuple[float, bool]
"""Mean loss of the continuation's tokens in nats, and whether each is the likeliest one.

Source: lmms-eval's own LLaVA gives the loss too, and its scorer takes the smallest.
"""


@torch.inference_mode()
def likelihoods(
    llava: Llava, questions: Sequence[Question], continuations: Sequence[str]
) -> list[Likelihood]:
    """Return what the model says of each continuation of its own question.

    Raises:
        DataError: An image is missing or damaged, or a question holds the image token.
    """
    prompts = [llava.prompt(question.text) for question in questions]
    starts = llava.token_ids([question.text for question in questions])
    whole = [prompt + more for prompt, more in zip(prompts, continuations, strict=True)]
    rows: list[list[int]] = llava.tokenizer(whole, return_token_type_ids=False)["input_ids"]
    ids, mask = llava.left_padded(rows)
    features = llava.image_features([question.image for question in questions])
    output = llava.model(
        inputs_embeds=llava.embed(ids, features),
        attention_mask=mask,
        position_ids=llava.positions(ids, mask),
    )
    lengths = [len(row) - len(start) for row, start in zip(rows, starts, strict=True)]
    return [
        _likelihood(output.logits[place, -1 - length : -1], ids[place, -length:])
        for place, length in enumerate(lengths)
    ]


def _likelihood(logits: torch.Tensor, tokens: torch.Tensor) -> Likelihood:
    """Return mean loss and greediness; logits [tokens, vocabulary] predict tokens [tokens]."""
    loss = torch.nn.functional.cross_entropy(logits.float(), tokens)
    return float(loss), bool((logits.argmax(-1) == tokens).all())
