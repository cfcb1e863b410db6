import numpy as np
import pytest
from PIL import Image

from soutu.domain.image import Region
from soutu.domain.model import Fit, InputSpec, Interpolation
from soutu.imaging.fit import fit, resized_size
from soutu.imaging.stored import Upright
from tests.unit.imaging.pictures import difference, scene

KERNELS = {Interpolation.BILINEAR: Image.Resampling.BILINEAR, Interpolation.BICUBIC: Image.Resampling.BICUBIC}


def shown(picture: Image.Image) -> Upright:
    return Upright(picture, picture.size, (0, 0, *picture.size))


def torchvisions(picture: Image.Image, size: int, resize: int, kernel: Image.Resampling) -> Image.Image:
    """torchvision.transforms.v2: Resize(resize), CenterCrop(size), written out."""
    short, long = sorted(picture.size)
    other = int(resize * long / short)
    width, height = (resize, other) if picture.width <= picture.height else (other, resize)
    resized = picture.resize((width, height), kernel)
    left, top = round((width - size) / 2.0), round((height - size) / 2.0)
    return resized.crop((left, top, left + size, top + size))


@pytest.mark.parametrize("kernel", list(Interpolation))
@pytest.mark.parametrize("size", [(500, 375), (375, 501), (300, 300), (100, 37), (1, 900)])
@pytest.mark.parametrize("fraction", [1.0, 0.875, 0.9])
def test_crop_is_torchvisions_resize_and_center_crop(
    size: tuple[int, int], fraction: float, kernel: Interpolation
) -> None:
    spec = InputSpec(224, 224, Fit.CROP, fraction, kernel)
    resize = {1.0: 224, 0.875: 256, 0.9: 248}[fraction]
    expected = np.asarray(torchvisions(scene(*size), 224, resize, KERNELS[kernel]), int)
    assert np.abs(fit(shown(scene(*size)), None, spec) - expected).max() <= 2


def test_stretch_is_a_plain_resize() -> None:
    spec = InputSpec(50, 70, Fit.STRETCH)
    expected = scene(200, 100).resize((50, 70), Image.Resampling.BILINEAR)
    assert difference(fit(shown(scene(200, 100)), None, spec), expected) == 0


def test_pad_keeps_the_shape_and_fills_with_the_mean_colour() -> None:
    pixels = fit(shown(scene(200, 100)), None, InputSpec(64, 64, Fit.PAD))
    assert pixels[0, 0].tolist() == pixels[63, 63].tolist() == [124, 116, 104]
    expected = scene(200, 100).resize((64, 32), Image.Resampling.BILINEAR)
    assert difference(pixels[16:48], expected) == 0


@pytest.mark.parametrize("how", list(Fit))
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (31, 33), (640, 480)])
def test_any_shape_becomes_the_models_rectangle(how: Fit, size: tuple[int, int]) -> None:
    pixels = fit(shown(scene(*size)), Region(0.1, 0.2, 0.15, 1), InputSpec(48, 32, how, 0.875))
    assert pixels.shape == (32, 48, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


def test_an_upright_input_covers_both_sides_before_the_crop() -> None:
    assert resized_size((400, 400), InputSpec(48, 32)) == (48, 48)
    assert resized_size((400, 100), InputSpec(48, 32)) == (128, 32)


def test_pixels_far_outside_a_region_have_no_part_in_it() -> None:
    picture = Image.new("RGB", (100, 100), "white")
    picture.paste((0, 0, 0), (0, 0, 49, 100))
    assert fit(shown(picture), Region(0.5, 0, 1, 1), InputSpec(16, 16)).min() == 255
