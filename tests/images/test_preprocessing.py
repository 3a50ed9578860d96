"""Preprocessing equals the networks' own transforms bit for bit, and can be undone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnviz.errors import ImageError, UsageError
from cnnviz.images import IMAGENET, Photo, PhotoBox, Preprocessing, read_photo
from cnnviz.models.torchvision_import import import_torchvision
from tests.helpers.each_case import each_case

torchvision = import_torchvision()
presets = import_torchvision("torchvision.transforms._presets")
InterpolationMode = torchvision.transforms.InterpolationMode

SIZES = [(1, 1), (1, 7), (224, 224), (256, 256), (225, 333), (333, 225), (500, 375), (97, 640)]


def picture(height: int, width: int) -> Photo:
    random = np.random.default_rng(height * 1000 + width)
    return read_photo(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.dtype == theirs.dtype == torch.float32
    assert torch.equal(ours, theirs)


PRESETS = [
    ("resnet50", "IMAGENET1K_V1"),
    ("resnet50", "IMAGENET1K_V2"),
    ("inception_v3", "IMAGENET1K_V1"),
    ("efficientnet_b0", "IMAGENET1K_V1"),
    ("efficientnet_b7", "IMAGENET1K_V1"),
    ("vgg16", "IMAGENET1K_FEATURES"),
    ("regnet_y_16gf", "IMAGENET1K_SWAG_E2E_V1"),
]
# Without a crop a thin image would become thousands of pixels long.
CASES = [(*preset, size) for preset in PRESETS for size in SIZES] + [
    ("fcn_resnet50", "COCO_WITH_VOC_LABELS_V1", size) for size in SIZES if min(size) > 200
]


@each_case(("model", "weights", "size"), CASES)
def test_equal_to_torchvisions_presets(model: str, weights: str, size: tuple[int, int]) -> None:
    preset = torchvision.models.get_model_weights(model)[weights].transforms()
    photo = picture(*size)
    ours = Preprocessing.from_torchvision(preset)(photo)
    assert_same(ours, preset(Image.fromarray(photo.pixels)))


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    resize=st.integers(1, 64),
    crop=st.integers(1, 64),
)
def test_equal_to_torchvision_at_any_size(height: int, width: int, resize: int, crop: int) -> None:
    preset = presets.ImageClassification(crop_size=crop, resize_size=resize)
    photo = picture(height, width)
    ours = Preprocessing.from_torchvision(preset)(photo)
    assert_same(ours, preset(Image.fromarray(photo.pixels)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "name", ["resnet10t", "vit_base_patch16_siglip_224", "convnext_tiny.in12k_ft_in1k", "lcnet_050"]
)
def test_equal_to_timms_transforms(name: str, size: tuple[int, int]) -> None:
    timm = pytest.importorskip("timm")
    config = timm.data.resolve_data_config(
        pretrained_cfg=timm.get_pretrained_cfg(name).to_dict(remove_source=False)
    )
    theirs = timm.data.create_transform(**config, is_training=False)
    photo = picture(*size)
    assert_same(Preprocessing.from_timm(config)(photo), theirs(Image.fromarray(photo.pixels)))


def test_timm_modes_that_are_not_supported() -> None:
    config = {"input_size": (3, 64, 64), "mean": (0, 0, 0), "std": (1, 1, 1), "crop_pct": 1.0}
    with pytest.raises(UsageError, match=r"crop mode 'border' at 64 x 64 px is not supported"):
        Preprocessing.from_timm(config | {"crop_mode": "border"})
    with pytest.raises(UsageError, match=r"at 64 x 32 px"):
        Preprocessing.from_timm(config | {"input_size": (3, 64, 32)})
    squashed = Preprocessing.from_timm(config | {"input_size": (3, 64, 32), "crop_mode": "squash"})
    assert squashed(picture(50, 50)).shape == (3, 64, 32)


@pytest.mark.parametrize("size", [(40, 40), (57, 31)])
def test_one_channel_is_luma(size: tuple[int, int]) -> None:
    photo = picture(*size)
    ours = Preprocessing(32, (28, 28), (0.1307,), (0.3081,))(photo)
    theirs = torchvision.transforms.Compose(
        [
            torchvision.transforms.Grayscale(),
            torchvision.transforms.Resize(32),
            torchvision.transforms.CenterCrop(28),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize((0.1307,), (0.3081,)),
        ]
    )
    assert_same(ours, theirs(Image.fromarray(photo.pixels)))


def test_four_channels_are_rgb_and_opaque_alpha() -> None:
    photo = picture(20, 30)
    plain = Preprocessing(None, (24, 24), (0.5,) * 3, (0.5,) * 3)(photo)
    four = Preprocessing(None, (24, 24), (0.5, 0.5, 0.5, 0), (0.5, 0.5, 0.5, 1))(photo)
    assert torch.equal(four[:3], plain)
    assert four[3].sum() == 20 * 24  # the padding above and below is transparent
    assert four[3, 2:22].min() == 1


@each_case("channels", [2, 5, 12])
def test_other_channels_need_a_tensor(channels: int) -> None:
    preprocessing = Preprocessing(32, (32, 32), (0.0,) * channels, (1.0,) * channels)
    with pytest.raises(ImageError, match=rf"{channels} channels.*tensor \[N, {channels}, H, W\]"):
        preprocessing(picture(32, 32))


def test_32_pixels_unchanged() -> None:
    photo = picture(32, 32)
    tensor = Preprocessing(32, (32, 32), (0.0,) * 3, (1.0,) * 3)(photo)
    np.testing.assert_array_equal(tensor.permute(1, 2, 0).mul(255).round().numpy(), photo.pixels)


def test_an_extreme_shape_is_refused_before_it_fills_the_memory() -> None:
    photo = read_photo(np.zeros((1, 5000, 3), np.uint8), "strip.png")
    with pytest.raises(
        ImageError, match=r"strip.png: its 1 x 5000 px would become 256 x 1,280,000"
    ):
        IMAGENET(photo)


@each_case(
    ("preprocessing", "size", "box"),
    [
        (IMAGENET, (256, 256), PhotoBox(16, 16, 240, 240)),
        (IMAGENET, (512, 1024), PhotoBox(288, 32, 736, 480)),
        (Preprocessing(None, None, (0.0,), (1.0,)), (30, 40), PhotoBox(0, 0, 40, 30)),
        (Preprocessing((50, 20), None, (0.0,), (1.0,)), (30, 40), PhotoBox(0, 0, 40, 30)),
        (Preprocessing((50, 20), (50, 10), (0.0,), (1.0,)), (100, 40), PhotoBox(10, 0, 30, 100)),
        (Preprocessing(None, (20, 20), (0.0,), (1.0,)), (10, 30), PhotoBox(5, -5, 25, 15)),
    ],
)
def test_box(preprocessing: Preprocessing, size: tuple[int, int], box: PhotoBox) -> None:
    assert preprocessing.box(*size) == box
    assert preprocessing.box(*size).width == box.right - box.left
    assert preprocessing.box(*size).height == box.bottom - box.top


@each_case("size", [(333, 517), (517, 333), (224, 1000), (256, 256)])
def test_the_box_is_what_the_network_sees(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    ramps = np.stack([rows / size[0], columns / size[1], 0 * rows], axis=2)
    photo = read_photo(np.rint(ramps * 255).astype(np.uint8))
    seen = IMAGENET.invert(IMAGENET(photo)) / 255
    box = IMAGENET.box(*size)
    centres = (np.arange(224) + 0.5) / 224
    expected_rows = (box.top + centres * box.height) / size[0]
    expected_columns = (box.left + centres * box.width) / size[1]
    # Half a level of each rounding, and half a pixel of the ramp's own steps.
    assert np.abs(seen[:, 100, 0] - expected_rows).max() < 0.006
    assert np.abs(seen[100, :, 1] - expected_columns).max() < 0.006


@pytest.mark.parametrize("mean", [(0.485, 0.456, 0.406), (0.0, 0.0, 0.0)])
def test_invert_gives_the_pixels_back(mean: tuple[float, ...]) -> None:
    photo = picture(224, 224)
    preprocessing = Preprocessing(None, (224, 224), mean, (0.229, 0.224, 0.225))
    np.testing.assert_array_equal(preprocessing.invert(preprocessing(photo)), photo.pixels)
    np.testing.assert_array_equal(preprocessing.invert(preprocessing(photo)[None]), photo.pixels)
    assert preprocessing.clipped(preprocessing(photo)) == 0


def test_invert_of_other_channel_counts() -> None:
    def of(channels: int) -> Preprocessing:
        return Preprocessing(None, None, (0.0,) * channels, (1.0,) * channels)

    values = torch.tensor([0.0, 1.0, 0.2, 0.6, 0.4])[:, None, None].expand(5, 2, 3)
    assert of(1).invert(values[1:2])[0, 0].tolist() == [255, 255, 255]
    assert of(4).invert(values[:4])[0, 0].tolist() == [0, 255, 51]
    assert of(2).invert(values[:2])[0, 0].tolist() == [128, 128, 128]
    assert of(5).invert(values)[1, 2].tolist() == [112, 112, 112]
    with pytest.raises(UsageError, match=r"shape \[5, 2, 3\], not \[3, H, W\]"):
        of(3).invert(values)


def test_clipping_is_counted() -> None:
    plain = Preprocessing(None, None, (0.0,), (1.0,))
    tensor = torch.tensor([[[-0.5, 0.0, 1.0, 1.5]]])
    assert plain.clipped(tensor) == 0.5
    assert plain.invert(tensor)[0, :, 0].tolist() == [0, 0, 255, 255]
    pixels, clipped = plain.inverted(torch.stack([tensor, tensor.clamp(0.0, 1.0), tensor / 2]))
    assert [each[0, :, 0].tolist() for each in pixels] == [[0, 0, 255, 255]] * 2 + [
        [0, 0, 128, 191]
    ]
    assert clipped == [0.5, 0.0, 0.25]
    assert tensor.tolist() == [[[-0.5, 0.0, 1.0, 1.5]]]


def test_describe() -> None:
    assert IMAGENET.describe() == (
        "shorter side 256 px (bilinear), centre 224 x 224 px, scaled to 0..1, minus mean "
        "(0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225)"
    )
    stretched = Preprocessing((40, 30), None, (0.0,), (1.0,), "bicubic", "a guess")
    assert (
        stretched.describe() == "height 40 x width 30 px (bicubic), grey, scaled to 0..1 (a guess)"
    )
    four = Preprocessing(None, None, (0.5,) * 4, (0.25,) * 4)
    assert four.describe() == (
        "RGB and an alpha channel of ones, scaled to 0..1, minus mean 0.5, divided by 0.25"
    )


@each_case(
    ("arguments", "message"),
    [
        ((256, (224, 224), (0.5,), (0.5, 0.5)), "1 mean and 2 deviations"),
        ((256, (224, 224), (), ()), "0 means"),
        ((256, (224, 224), (0.5,), (0.0,)), "not positive"),
        ((256, (224, 224), (float("nan"),), (1.0,)), "not finite"),
        ((0, None, (0.5,), (0.5,)), "not positive"),
        ((8, (8, -8), (0.5,), (0.5,)), "not positive"),
        ((8, (8, 8), (0.5,), (0.5,), "bilinaer"), "Did you mean 'bilinear'"),
    ],
)
def test_settings_are_checked(arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Preprocessing(*arguments)


def test_only_presets_for_still_images() -> None:
    detection = presets.ObjectDetection()
    with pytest.raises(UsageError, match="ObjectDetection is not a preset"):
        Preprocessing.from_torchvision(detection)
    nearest = presets.ImageClassification(crop_size=8, interpolation=InterpolationMode.NEAREST)
    assert Preprocessing.from_torchvision(nearest).interpolation == "nearest"
