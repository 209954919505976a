"""Time of one training step of a random LLaVA: forward, loss, backward and update."""

import math

import pytest
import torch
import world_fixture

from harness.data.columns.columns import with_means
from harness.data.pairs.preferences import Preferences
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.collate import Collator, ImageStore, no_segments
from harness.data.templates import TEMPLATES
from harness.data.transforms import ImageTransform
from harness.models.base import load_base
from harness.registry import load_method
from harness.settings.resolve import resolve
from harness.training.loop import Step
from harness.training.step.declared import pair_batch
from harness.training.step.policy import Policy, TokenLogps, VisionTower
from harness.training.step.schedule import seeded

PAIRS = 16
RATE = 1e-3


@pytest.fixture
def processes(monkeypatch):
    """One process that is its own group, as the launcher starts it for one device."""
    from harness.training.step.engine import TorchProcesses

    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    for name, value in (alone | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}).items():
        monkeypatch.setenv(name, value)
    made = TorchProcesses()
    yield made
    made.close()


@pytest.fixture
def llava(tmp_path):
    return load_base(world_fixture.write_base(tmp_path / "base", hidden=96), torch.float32)


@pytest.fixture
def tokens(llava, tmp_path):
    """The batch of all pairs."""
    rows = world_fixture.rows(PAIRS)
    preferences = Preferences(world_fixture.write_rows(tmp_path / "pairs.parquet", rows))
    tokenizer = PairTokenizer(llava.processor, TEMPLATES["vicuna_v1"], llava.image_tokens, 512)
    collate = Collator(
        pairs=list(tokenizer.tokenize(preferences)),
        images=ImageStore(preferences, ImageTransform(llava.processor, "center_crop")),
        changed=no_segments,
        columns=with_means({"clip_gap": torch.tensor(preferences.column("clip_gap"))}),
        image_id=int(llava.processor.image_token_id),
    )
    return collate(list(range(PAIRS)))


def test_training_step(benchmark, processes, llava, tokens, tmp_path):
    """The loss starts at log 2, where policy and reference are one, and a step lowers it."""
    from harness.training.step.engine import DeepSpeedEngine

    spec = resolve("dama", "tiny").spec
    method = load_method("dama")
    config = method.config.model_validate(spec.config)
    training = spec.training.model_copy(update={"batch_pairs": PAIRS, "learning_rate": RATE})
    tower = VisionTower(llava.model, processes.device)
    engine = DeepSpeedEngine(Policy(llava.model), training, processes, tmp_path / "deepspeed.json")
    with torch.no_grad():
        reference = TokenLogps(*engine(tokens, tower.features(tokens.images)))

    def step():
        logps = engine(tokens, tower.features(tokens.images))
        batch = pair_batch(tokens, logps, reference, segmented=False)
        context = Step(processes, seeded(0, 0))
        output = method.loss(batch, config, method.init_state(config), context)
        loss = (output.weights * output.losses).sum()
        engine.backward(loss, last=True)
        return loss.item(), engine.update(RATE)

    first, report = step()
    assert first == pytest.approx(math.log(2), abs=1e-4)
    assert math.isfinite(report.gradient_norm)
    assert report.gradient_norm > 0
    later, _ = benchmark(step)
    assert later < first
