"""Operations on pictures: seeded, of the same size, and as their names say."""

import pytest
import torch

from harness.data.rows.image_operations import OPERATIONS, crop_box


def pixels(height=24, width=24):
    return torch.randn(3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_seed_decides_and_nothing_else(name):
    """The global generator neither matters nor moves, and the picture stays as it is."""
    picture = pixels()
    before, untouched = torch.get_rng_state(), picture.clone()
    first = OPERATIONS[name](picture, torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    assert torch.equal(OPERATIONS[name](picture, torch.Generator().manual_seed(3)), first)
    assert torch.equal(picture, untouched)
    assert first.shape == picture.shape
    assert not torch.equal(first, picture)


def test_crops_keep_one_to_twenty_percent_and_stay_inside():
    rng = torch.Generator().manual_seed(0)
    boxes = [crop_box(336, 336, rng) for _ in range(2000)]
    shares = torch.tensor([box.height * box.width / 336**2 for box in boxes])
    assert 0.009 < shares.min() < 0.02
    assert 0.19 < shares.max() < 0.202
    assert shares.mean() == pytest.approx(0.105, abs=0.005)
    assert all(0 <= box.top <= 336 - box.height for box in boxes)
    assert all(0 <= box.left <= 336 - box.width for box in boxes)


def test_where_no_crop_fits_the_middle_is_kept():
    assert crop_box(1, 40, torch.Generator().manual_seed(0))[2:] == (1, 1)


def test_noise_keeps_as_much_of_the_picture_as_step_500_has():
    """A variance of one stays one; 0.863 is the root of the product of 1 - beta until there."""
    picture = pixels(200, 200)
    found = OPERATIONS["noise"](picture, torch.Generator().manual_seed(1))
    assert found.var().item() == pytest.approx(1, abs=0.02)
    correlation = (found * picture).mean().item()
    assert correlation == pytest.approx(0.863, abs=0.01)
