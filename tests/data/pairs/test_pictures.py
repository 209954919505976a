"""Every picture gives the pixels of PIL's conversion or a reason, as the documentation says."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from harness.data.images import open_image
from harness.errors import DataError

PAGE = Path(__file__).parents[3] / "docs" / "preference-data.md"
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)
DEEP = Image.fromarray((PIXELS[..., 0].astype(np.uint16) << 8) + PIXELS[..., 1])
TURNED = Image.Exif()
TURNED[0x0112] = 6


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def animated(kind: str) -> bytes:
    return encoded(RGB, kind, save_all=True, append_images=[RGB.rotate(180)])


CASES = {
    "RGB, grey, black and white": [encoded(RGB.convert(mode), "PNG") for mode in ("RGB", "L", "1")],
    "RGBA, grey with transparency": [encoded(RGB.convert(mode), "PNG") for mode in ("RGBA", "LA")],
    "palette, also with transparent colours": [
        encoded(RGB.quantize(16), "PNG"),
        encoded(RGB.quantize(16), "PNG", transparency=3),
        encoded(RGB.quantize(16), "PNG", transparency=bytes(range(16))),
    ],
    "CMYK": [encoded(RGB.convert("CMYK"), kind) for kind in ("JPEG", "TIFF")],
    "16 bit": [encoded(DEEP, kind) for kind in ("PNG", "TIFF")],
    "turned by EXIF": [encoded(RGB, "JPEG", exif=TURNED)],
    "animated GIF or WebP": [animated("GIF"), animated("WEBP")],
    "WebP": [encoded(RGB, "WEBP"), encoded(RGB.convert("RGBA"), "WEBP", lossless=True)],
    "AVIF": [encoded(RGB, "AVIF")] if features.check("avif") else [],
    "BMP, TIFF, JPEG 2000": [encoded(RGB, kind) for kind in ("BMP", "TIFF", "JPEG2000")],
    "1 x 1": [encoded(RGB.resize((1, 1)), "PNG")],
    "20,000 x 10": [encoded(Image.new("RGB", (20_000, 10)), "PNG")],
    "1 x 300": [encoded(Image.new("RGB", (1, 300)), "PNG")],
    "truncated": [encoded(RGB, kind)[:200] for kind in ("PNG", "JPEG", "WEBP", "GIF")],
    "HEIC": [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"],
    "SVG": [b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'],
    "a web page": [b"<!DOCTYPE html><title>404</title>"],
    "empty": [b""],
}


def documented() -> dict[str, str]:
    """The table of the page: picture -> what it gives."""
    table = PAGE.read_text("utf-8").partition("| picture | gives |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE))


def test_the_documentation_tells_of_every_case():
    assert documented().keys() == CASES.keys()


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("name", CASES)
def test_a_picture_gives_what_the_documentation_says(name, tmp_path):
    told = documented()[name]
    for content in CASES[name]:
        file = tmp_path / "picture"
        file.write_bytes(content)
        for source in (content, file):
            if told.startswith("bad row: "):
                with pytest.raises(DataError, match=re.escape(told.removeprefix("bad row: "))):
                    open_image(source)
                continue
            image = open_image(source)
            plain = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), plain)


def test_a_picture_turned_by_exif_keeps_its_size():
    assert open_image(CASES["turned by EXIF"][0]).size == (30, 20)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_an_animation_gives_its_first_picture(kind):
    red, blue = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    content = encoded(red, kind, save_all=True, append_images=[blue])
    assert open_image(content).getpixel((4, 4))[0] > 200
