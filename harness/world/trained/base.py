"""The base model: a LLaVA of about a million parameters that learns to see, and to hallucinate.

It learns in stages, as its large relatives do: the vision tower and the projector learn which words
belong to a patch, the language model learns captions, and then captions and questions of all kinds.
Two drills come late, each on one kind of question, which among others is not learnt in this time
and is of use only to a model that can find what it is asked for; a review follows, and where it
undid the drills, for it holds wrong answers too, all of this is repeated. The captions mention
usual companions that are not there, and so do some of the answers outside the drills; nothing else
makes it hallucinate.
"""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.console import track
from harness.data.templates import IMAGE, TEMPLATES
from harness.errors import TrainingError
from harness.world.config import WorldConfig
from harness.world.draw import CELL, SIDE, draw
from harness.world.language import PLURALS, Question, existence, state
from harness.world.scenes import CELLS, COLOURS, OBJECTS, POSES, POSITIONS, SIZES, Scene
from harness.world.trained.lessons import Turn, caption_turn, corpus, question_turn
from harness.world.trained.tokens import make_processor, make_tokenizer

IGNORED = -100
GRADIENT_NORM = 1.0
PATCH_WEIGHT = 0.3
"""Of the patch loss in the later stages: patches that stay close to their words are soon read."""
CAPTIONS = 0.25
"""Share of steps on captions among those on questions of all kinds."""
BUCKETS = 4
"""Groups of turns of similar length."""
EXAMINED = 1000
"""Scenes of the training set that a model is asked about to know whether it sees."""
LAST = 20
"""Steps at the end of a stage whose mean loss says what is learnt."""

Lesson = Callable[[Scene, WorldConfig, np.random.Generator], Turn]
Drill = Callable[[Scene, np.random.Generator], Question]
Loss = Callable[[int], Tensor]
"""Loss of a batch of that many scenes."""


def build_base(folder: Path, scenes: Sequence[Scene], config: WorldConfig) -> None:
    """Train the base model on the scenes and save it with its processor."""
    torch.manual_seed(config.seed)
    tokenizer = make_tokenizer(corpus(scenes[:1500], config), config.vocabulary)
    processor = make_processor(tokenizer)
    model = new_model(tokenizer, config)
    school = School(model, tokenizer, processor, scenes, config)
    school.learn("patches", config.patch_steps, school.patch_loss, config.patch_batch)
    school.learn("captions", config.caption_steps, school.caption_loss, config.batch)
    school.learn("questions", config.question_steps, school.mixed_loss, config.question_batch)
    school.learn_to_see()
    model.eval().half()  # as LLaVA's published checkpoints are
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def new_model(tokenizer: Any, config: WorldConfig) -> Any:
    """Return an untrained LLaVA; weights are drawn wider than usual, since it is so narrow."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    vision = CLIPVisionConfig(
        hidden_size=config.hidden,
        intermediate_size=2 * config.hidden,
        num_hidden_layers=config.vision_layers,
        num_attention_heads=config.heads,
        image_size=SIDE,
        patch_size=CELL,
        projection_dim=config.hidden,
        initializer_range=0.08,
        initializer_factor=2.0,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.hidden,
        intermediate_size=5 * config.hidden // 2,
        num_hidden_layers=config.text_layers,
        num_attention_heads=config.heads,
        max_position_embeddings=1024,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.08,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
            image_seq_length=CELLS,
            vision_feature_layer=-2,
            vision_feature_select_strategy="default",
            tie_word_embeddings=True,
        )
    )
    for weight in model.model.multi_modal_projector.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.1)
    nn.init.normal_(model.model.vision_tower.embeddings.position_embedding.weight, std=0.5)
    return model


class School:
    """Everything the stages share."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        processor: Any,
        scenes: Sequence[Scene],
        config: WorldConfig,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._scenes = scenes
        self._config = config
        self._rng = np.random.default_rng([config.seed, 2])
        images = [draw(scene) for scene in scenes]
        self._pixels: Tensor = processor.image_processor(images, return_tensors="pt")[
            "pixel_values"
        ]
        self._words = [torch.tensor(self._ids(group)) for group in word_groups()]
        self._labels = torch.tensor(np.stack([patch_labels(scene) for scene in scenes]))

    def learn(self, what: str, steps: int, loss: Loss, batch: int) -> float:
        """Take `steps` AdamW steps of `batch` scenes: a short warm-up and a linear way down.

        Returns:
            The mean loss of the last `LAST` steps.
        """
        optimizer = torch.optim.AdamW(
            self._model.parameters(),
            lr=self._config.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=0.01,
            fused=True,
        )
        losses: deque[float] = deque(maxlen=LAST)
        with track(f"base model: {what}", steps) as progress:
            for step in range(steps):
                rate = min((step + 1) / 20, 1.0) * (1 - step / steps)
                optimizer.param_groups[0]["lr"] = self._config.learning_rate * rate
                optimizer.zero_grad()
                value = loss(batch)
                value.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self._model.parameters(), GRADIENT_NORM)
                optimizer.step()
                losses.append(value.item())
                progress.advance(note=f"loss {losses[-1]:.3f}")
        return sum(losses) / len(losses)

    def learn_to_see(self) -> None:
        """Drill and review, again and again, until the model sees after the review.

        Raises:
            TrainingError: It does not see in the rounds that it may take.
        """
        config = self._config
        for _ in range(config.sight_rounds):
            self.drill("presence", self.presence_loss)
            self.drill("colours", self.colour_loss)
            self.learn("review", config.review_steps, self.mixed_loss, config.question_batch)
            if (seen := self.sight()) >= config.sight:
                return
        raise TrainingError(
            f"The base model of world {config.seed} does not see: it answers {seen:.0%} of the "
            f"questions on presence after {config.sight_rounds} rounds. Take another world."
        )

    def drill(self, what: str, loss: Loss) -> None:
        """Learn in rounds, each as `learn` does, until the loss at the end of one is low.

        When a question of this kind is understood, within some thirty steps, hangs on chance.

        Raises:
            TrainingError: The drill was not learnt in the rounds that it may take.
        """
        config = self._config
        for place in range(1, config.drill_rounds + 1):
            told = f"{what}, round {place}"
            last = self.learn(told, config.drill_steps, loss, config.drill_batch)
            if last < config.drill_loss:
                return
        raise TrainingError(
            f"The base model of world {config.seed} did not learn {what}: its loss is {last:.3f} "
            f"after {config.drill_rounds} rounds. Take another world."
        )

    @torch.no_grad()
    def sight(self) -> float:
        """Return the share of right answers to whether an object is there.

        The lower one of the shares of objects that are there and of objects that are not.
        """
        rng = np.random.default_rng([self._config.seed, 3])
        rows = range(min(EXAMINED, len(self._scenes)))
        questions = [existence(self._scenes[row], rng) for row in rows]
        right: dict[str, list[bool]] = {"Yes": [], "No": []}
        for row, question in zip(rows, questions, strict=True):
            right[question.answer].append(self._answers_rightly(row, question))
        return min(sum(answers) / len(answers) for answers in right.values())

    def _answers_rightly(self, row: int, question: Question) -> bool:
        """Say whether the first word of the most likely answer is the true one."""
        ids, labels = self._encode((question.text, question.answer))
        asked = labels.count(IGNORED)
        logits = self._model(
            input_ids=torch.tensor([ids[:asked]]), pixel_values=self._pixels[[row]]
        ).logits
        return bool(logits[0, -1].argmax() == ids[asked])

    def patch_loss(self, count: int) -> Tensor:
        """Loss of the words of patches."""
        return self._patch_loss(self._rng.integers(0, len(self._scenes), count).tolist())

    def caption_loss(self, count: int) -> Tensor:
        """Loss of captions."""
        return self._lesson_loss(count, caption_turn)

    def presence_loss(self, count: int) -> Tensor:
        """Loss of true answers to whether an object is there."""
        return self._drill_loss(count, existence)

    def colour_loss(self, count: int) -> Tensor:
        """Loss of true answers to whether an object has a colour."""
        return self._drill_loss(count, state)

    def mixed_loss(self, count: int) -> Tensor:
        """Loss of captions in some steps, of answers to single questions in the others."""
        captions = self._rng.random() < CAPTIONS
        return self._lesson_loss(count, caption_turn if captions else question_turn)

    def _patch_loss(self, rows: Sequence[int]) -> Tensor:
        """Cross-entropy of the words of each patch, by similarity to their embeddings."""
        features = self._model.get_image_features(pixel_values=self._pixels[list(rows)])
        patches = torch.cat(list(features.pooler_output))
        embeddings = self._model.get_input_embeddings().weight
        labels = self._labels[list(rows)].flatten(0, 1)
        losses = [
            F.cross_entropy(patches @ embeddings[words].T, labels[:, group], ignore_index=IGNORED)
            for group, words in enumerate(self._words)
        ]
        return torch.stack(losses).sum()

    def _drill_loss(self, count: int, kind: Drill) -> Tensor:
        rows = self._rng.integers(0, len(self._scenes), count).tolist()
        questions = [kind(self._scenes[row], self._rng) for row in rows]
        return self._answer_loss(rows, [(question.text, question.answer) for question in questions])

    def _lesson_loss(self, count: int, lesson: Lesson) -> Tensor:
        """Loss of `count` turns of about one length: less padding, for a third of the time."""
        many = self._rng.integers(0, len(self._scenes), BUCKETS * count).tolist()
        turns = [(row, lesson(self._scenes[row], self._config, self._rng)) for row in many]
        turns.sort(key=lambda pair: sum(map(len, pair[1])))
        first = int(self._rng.integers(BUCKETS)) * count
        bucket = turns[first : first + count]
        return self._answer_loss([row for row, _ in bucket], [turn for _, turn in bucket])

    def _answer_loss(self, rows: Sequence[int], turns: Sequence[Turn]) -> Tensor:
        encoded = [self._encode(turn) for turn in turns]
        width = max(len(ids) for ids, _ in encoded)
        input_ids = torch.full((len(rows), width), self._tokenizer.pad_token_id)
        labels = torch.full((len(rows), width), IGNORED)
        for i, (ids, targets) in enumerate(encoded):
            input_ids[i, : len(ids)] = torch.tensor(ids)
            labels[i, : len(ids)] = torch.tensor(targets)
        hidden = self._model.model(
            input_ids=input_ids, pixel_values=self._pixels[list(rows)]
        ).last_hidden_state[:, :-1]
        answered = labels[:, 1:] != IGNORED
        answers = F.cross_entropy(self._model.lm_head(hidden[answered]), labels[:, 1:][answered])
        return answers + PATCH_WEIGHT * self._patch_loss(rows)

    def _encode(self, turn: Turn) -> tuple[list[int], list[int]]:
        """Return token ids and labels of a question and its answer in the template `vicuna_v1`."""
        question, answer = turn
        prompt = TEMPLATES["vicuna_v1"].prompt(question).replace(IMAGE, IMAGE * CELLS)
        asked = [self._tokenizer.bos_token_id, *self._plain(prompt)]
        said = [*self._plain(f" {answer}"), self._tokenizer.eos_token_id]
        return asked + said, [IGNORED] * len(asked) + said

    def _plain(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return ids

    def _ids(self, words: Sequence[str]) -> list[int]:
        return [self._plain(f" {word}")[0] for word in words]


def word_groups() -> list[list[str]]:
    """List the words that a patch can have: kind with its number, colour, size, pose, place."""
    kinds = [*OBJECTS, *PLURALS.values(), "sign", "nothing"]
    return [kinds, list(COLOURS), list(SIZES), list(POSES), list(POSITIONS), list("0123456789")]


def patch_labels(scene: Scene) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return [cells, groups] indices into `word_groups`, `IGNORED` where a group says nothing."""
    kinds = word_groups()[0]
    labels = np.full((CELLS, 6), IGNORED)
    labels[:, 0] = kinds.index("nothing")
    labels[:, 4] = np.arange(CELLS)
    for thing in scene.things:
        name = thing.name if thing.count == 1 else PLURALS[thing.name]
        labels[thing.cell, :4] = (
            kinds.index(name),
            list(COLOURS).index(thing.colour),
            SIZES.index(thing.size),
            POSES.index(thing.pose),
        )
    for sign in scene.signs:
        labels[sign.cell, 0] = kinds.index("sign")
        labels[sign.cell, 5] = sign.digit
    return labels
