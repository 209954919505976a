"""The base model learns until it sees: after the review, and in no more rounds than it may take."""

import pytest

from harness.errors import TrainingError
from harness.world.config import WorldConfig
from harness.world.trained.base import School


class Pupil(School):
    """Learns at once, and then sees as it is told to; notes what it learnt."""

    def __init__(self, sights, **config):
        self._config = WorldConfig(**config)
        self._sights = list(sights)
        self.learnt = []

    def learn(self, what, steps, loss, batch):
        self.learnt.append(what)
        return 0.0

    def sight(self):
        return self._sights.pop(0)


ROUND = ["presence, round 1", "colours, round 1", "review"]


@pytest.mark.parametrize(("sights", "rounds"), [([0.76], 1), ([0.5, 0.74, 0.75], 3)])
def test_drills_and_review_are_repeated_until_it_sees(sights, rounds):
    pupil = Pupil(sights, sight=0.75)
    pupil.learn_to_see()
    assert pupil.learnt == ROUND * rounds


def test_a_model_that_never_sees_is_not_kept():
    pupil = Pupil([0.4, 0.5], sight=0.75, sight_rounds=2, seed=7)
    with pytest.raises(TrainingError, match=r"world 7 does not see: it answers 50% .* 2 rounds"):
        pupil.learn_to_see()
