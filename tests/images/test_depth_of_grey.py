"""Grey of 12 bits in 16, as X-ray and microscopy keep it, is not shown as black."""

from pathlib import Path

import numpy as np
from PIL import Image

from cnnviz.images import read_photo
from tests.helpers.each_case import each_case

RAMP = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)


@each_case(("shift", "bits"), [(8, 8), (6, 10), (4, 12), (3, 16), (0, 16)])
@each_case("suffix", ["png", "tif", "array"])
def test_white_is_where_the_bits_end(tmp_path: Path, shift: int, bits: int, suffix: str) -> None:
    values = RAMP >> shift
    source: object = values
    if suffix != "array":
        source = tmp_path / f"grey.{suffix}"
        Image.fromarray(values).save(source)
    photo = read_photo(source)
    white = (1 << bits) - 1
    exact = np.rint(values / white * 255)
    assert np.abs(photo.pixels[..., 0] - exact).max() <= 1
    said = "16-bit reduced to 8-bit" if bits == 16 else f"{bits}-bit values in 16 bits"
    assert sum(note.startswith(said) for note in photo.notes) == 1
    assert sum("bit" in note for note in photo.notes) == 1


def test_black_stays_black() -> None:
    assert not read_photo(np.zeros((4, 4), np.uint16)).pixels.any()
