"""Images as the vision tower reads them."""

import contextlib
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from transformers import CLIPImageProcessorPil

from harness.data.images import open_image
from harness.data.transforms import ImageTransform
from harness.errors import DataError

PROCESSOR = CLIPImageProcessorPil(
    size={"shortest_edge": 4},
    crop_size={"height": 4, "width": 4},
    image_mean=[0.5, 0.25, 0.0],
    image_std=[1.0, 1.0, 1.0],
)


def stripes():
    """Eight columns, left half black, right half white, four rows."""
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[:, 4:] = 255
    return Image.fromarray(pixels)


def test_center_crop_keeps_the_middle():
    """The shortest edge already is 4, so columns 2 to 5 stay: two black, two white."""
    tensor = ImageTransform(PROCESSOR, "center_crop")(stripes())
    assert tensor.shape == (3, 4, 4)
    assert tensor[0, 0].tolist() == pytest.approx([-0.5, -0.5, 0.5, 0.5])


def test_pad_adds_the_mean_colour_above_and_below():
    """8 x 4 becomes 8 x 8 with bands of 2, then 4 x 4 with bands of 1; mean minus mean is zero."""
    tensor = ImageTransform(PROCESSOR, "pad")(Image.new("RGB", (8, 4), "white"))
    assert tensor[2, :, 0].tolist() == pytest.approx([0, 1, 1, 0], abs=0.2)
    assert abs(float(tensor[0, 0].mean())) < 0.15


def test_pad_of_a_square_changes_nothing():
    square = stripes().crop((2, 0, 6, 4))
    torch.testing.assert_close(
        ImageTransform(PROCESSOR, "pad")(square), ImageTransform(PROCESSOR, "center_crop")(square)
    )


def test_grey_and_transparent_images_become_rgb(tmp_path):
    Image.new("LA", (5, 5)).save(tmp_path / "grey.png")
    assert open_image(tmp_path / "grey.png").mode == "RGB"


def test_a_cut_off_image_is_an_error_also_in_a_process_of_lmms_eval(monkeypatch):
    """lmms-eval sets this for the whole process; the missing half would be grey."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    buffer = io.BytesIO()
    Image.effect_noise((32, 32), 90).save(buffer, "PNG")
    with pytest.raises(DataError, match="not a readable image"):
        open_image(buffer.getvalue()[:-200])


def test_a_damaged_and_a_missing_file_are_data_errors(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match=r"bad.jpg: not a readable image"):
        open_image(tmp_path / "bad.jpg")
    with pytest.raises(DataError, match=r"none.jpg: not a readable image"):
        open_image(tmp_path / "none.jpg")


def png(width, height):
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "told"),
    [
        ((1, 201), "1 x 201 pixels, more than 200 times as long as wide"),
        ((201 * 7, 7), "1407 x 7 pixels, more than 200 times as long as wide"),
        ((16_385, 100), "16385 x 100 pixels, and a side may have 16,384"),
    ],
)
def test_an_image_that_grows_to_gigabytes_is_refused(size, told):
    """By its header: 1 x 5000 would become 336 x 1,680,000."""
    with pytest.raises(DataError, match=told):
        open_image(png(*size))
    assert open_image(png(1, 200)).size == (1, 200)
    assert open_image(png(16_384, 100)).size == (16_384, 100)


@given(st.binary(max_size=60), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "DDS"]))
def test_whatever_is_no_image_is_a_data_error(content, kind):
    buffer = io.BytesIO()
    stripes().save(buffer, kind)
    with contextlib.suppress(DataError):
        open_image(buffer.getvalue()[:20] + content)


NEAREST = CLIPImageProcessorPil(
    size={"shortest_edge": 4},
    crop_size={"height": 4, "width": 4},
    resample=Image.Resampling.NEAREST,
    image_mean=[0.48145466, 0.4578275, 0.40821073],
    image_std=[1.0, 1.0, 1.0],
)
"""CLIP's own mean; nearest neighbours, so that pixels can be followed by hand."""


def seen(mode, image):
    """The pixels that the model sees, 0 to 255, red channel, and the tensor."""
    tensor = ImageTransform(NEAREST, mode)(image)
    return (tensor + torch.tensor(NEAREST.image_mean)[:, None, None]) * 255


def columns(width, height):
    """Red value 10 times the column."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, :, 0] = 10 * np.arange(width)
    return Image.fromarray(pixels)


def test_center_crop_resizes_the_shortest_edge_and_cuts_the_rest_in_halves():
    """13 x 8 at 4: the long edge is int(4 * 13 / 8) = 6; columns 1 to 4 of those 6 stay.

    Column x of 6 shows source column int((x + 1/2) * 13 / 6): 3, 5, 7, 9.
    """
    red = seen("center_crop", columns(13, 8))[0]
    assert red.shape == (4, 4)
    assert red[0].round().tolist() == [30, 50, 70, 90]
    assert (red == red[0]).all()


def test_pad_puts_the_odd_line_below_and_fills_with_clips_mean():
    """4 x 1 becomes 4 x 4: (4 - 1) // 2 = 1 line above, 2 below, of (122, 116, 104).

    int(255 * 0.48145466) = 122, int(255 * 0.4578275) = 116, int(255 * 0.40821073) = 104.
    """
    pixels = seen("pad", columns(4, 1)).round()
    assert pixels[0].tolist() == [[122] * 4, [0, 10, 20, 30], [122] * 4, [122] * 4]
    assert pixels[:, 0, 0].tolist() == [122, 116, 104]


def test_pad_of_a_tall_image_puts_the_odd_column_right():
    """1 x 4: one column left, two right."""
    red = seen("pad", Image.new("RGB", (1, 4), "black"))[0].round()
    assert red[0].tolist() == [122, 0, 122, 122]
