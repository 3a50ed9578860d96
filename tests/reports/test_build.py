"""report(): one pass for each image, no work that nobody asked for, and the network untouched."""

import numpy as np
import pytest
import torch

from cnnviz.errors import ImageError, LayerError, ModelError, TargetError
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.passes.captures import capture
from cnnviz.reports import build, report
from cnnviz.reports.content import Table, TableColumn
from cnnviz.results.text import minus
from cnnviz.views.cam import cam
from tests.helpers.report_model import Small, small_model
from tests.helpers.state import state

IMAGE_SECTIONS = ["photo", "predictions", "feature_maps", "cam"]


@pytest.fixture
def captured(monkeypatch):
    """Record the arguments of every capture."""
    calls = []

    def recording(*arguments, **options):
        calls.append(options)
        return capture(*arguments, **options)

    monkeypatch.setattr(build, "capture", recording)
    return calls


def test_one_image_is_told_in_reading_order(single):
    assert [part.key for part in single.sections] == [
        "photo",
        "predictions",
        "architecture",
        "filters",
        "feature_maps",
        "cam",
        "provenance",
    ]


def test_several_images_have_a_section_each_and_the_network_one(several):
    assert [(part.key, part.subject) for part in several.sections] == [
        ("architecture", ""),
        ("filters", ""),
        *[(key, "garden") for key in IMAGE_SECTIONS],
        *[(key, "tower") for key in IMAGE_SECTIONS],
        ("provenance", ""),
    ]


def test_each_image_goes_through_the_network_once(photos, model, captured):
    passes = []
    model.module.register_forward_hook(lambda *call: passes.append(torch.is_grad_enabled()))
    report(model, [photos[0], photos[2]], IMAGE_SECTIONS)
    assert len(captured) == 2
    # Two of the images; one by which the stages are found, with a graph that tells which layers the
    # answer comes back to; and one on zeros by which it is known which hold maps of the image.
    assert sorted(passes) == [False, True, True, True]


@pytest.mark.parametrize(
    ("sections", "gradients", "layers"),
    [
        ("photo,predictions", False, ()),
        ("feature_maps", False, "stages"),
        ("cam", "layers", "stages"),
    ],
)
def test_nothing_is_captured_that_no_section_needs(
    photos, model, captured, sections, gradients, layers
):
    report(model, photos[0], sections)
    assert [(call["gradients"], call["layers"]) for call in captured] == [(gradients, layers)]


def test_sections_about_the_network_need_no_pass(photos, model, captured):
    made = report(model, photos[0], "filters,provenance")
    assert captured == []
    assert made.answers == ()
    assert [part.key for part in made.sections] == ["filters", "provenance"]


def test_the_answer_is_that_of_the_network(photos, single):
    found = small_model()
    batch = found.prepare(photos[0])
    with torch.no_grad():
        expected = found.module.eval()(batch.tensor).softmax(1)[0]
    assert single.answers[0].best.category == found.category(int(expected.argmax()))
    shares = [guess.probability for guess in single.answers[0].guesses]
    np.testing.assert_allclose(shares, expected.sort(descending=True).values, rtol=1e-5)


def test_numbers_of_tables_have_a_minus_sign(single):
    cells = [
        cell
        for section in single.sections
        for table in section.tables
        for row in (*table.rows, table.total)
        for cell, column in zip(row, table.columns, strict=False)
        if column.numeric
    ]
    assert any("−" in cell for cell in cells)
    assert all(minus(cell) == cell for cell in cells)
    columns = (TableColumn("Image"), TableColumn("Score", numeric=True))
    table = Table("", "", columns, (("-1", "-0.00 / -1.5e-07"),), ("all", "-2"))
    assert table.rows == (("-1", "0.00 / −1.5e-07"),)
    assert table.total == ("all", "−2")


def test_the_heatmap_is_that_of_the_view(photos, single):
    found = capture(small_model(), photos[0], layers="stages")
    expected = cam(found)
    part = next(part for part in single.sections if part.key == "cam")
    last = part.pictures[0].draw.__self__
    assert isinstance(last, Heatmap)
    np.testing.assert_allclose(last.maps[0], expected.maps[0], rtol=1e-5)
    assert single.answers[0].overlay.data["maximum"] == pytest.approx(
        float(expected.maps[0].max()), rel=1e-5
    )


def test_an_image_is_told_the_same_alone_and_among_others(single, several):
    alone = next(part for part in single.sections if part.key == "feature_maps")
    among = next(part for part in several.sections if part.key == "feature_maps")
    for one, other in zip(alone.pictures, among.pictures, strict=True):
        np.testing.assert_array_equal(one.draw.__self__.maps, other.draw.__self__.maps)


def test_layers_are_those_asked_for(photos, model):
    made = report(model, photos[0], "feature-maps,cam,provenance", layers=["first", "relu"])
    part = made.sections[0]
    assert [picture.title for picture in part.pictures] == ["first", "relu#0", "relu#1"]
    assert "asked for (first, relu)" in part.lead[1]


def test_a_layer_without_maps_is_named(photos, model):
    made = report(model, photos[0], "feature_maps,cam", layers="first,head")
    maps, heat = made.sections
    assert maps.notes == ("Without spatial extent, and so without maps: head.",)
    assert len(heat.pictures) == 2


def test_layers_without_any_maps_are_no_fault(photos, model):
    made = report(model, photos[0], "feature_maps,cam", layers="head")
    assert "no maps to show" in made.sections[0].notes[0]
    assert "no map to show" in made.sections[1].notes[0]
    assert made.answers[0].overlay is None


@pytest.mark.parametrize("target", ["dog", 1, lambda output: output[:, 1]])
def test_a_target_is_explained(photos, model, target):
    made = report(model, photos[0], "cam,provenance", target=target)
    expected = cam(capture(model, photos[0], layers="stages", target=1))
    np.testing.assert_allclose(
        made.sections[0].pictures[0].draw.__self__.maps[0], expected.maps[0], rtol=1e-4, atol=1e-9
    )
    assert made.answers[0].explained


def test_targets_can_differ_from_image_to_image(photos, model):
    made = report(model, [photos[0], photos[2]], "cam", target=["dog", "cat"])
    assert [entry.target for entry in made.answers] == ["dog", "cat"]
    with pytest.raises(TargetError, match="2 targets for 1 readable image"):
        report(model, photos[0], "cam", target=["dog", "cat"])


def test_the_network_is_left_as_it_was(photos):
    found = small_model()
    found.module.train()
    found.module.first.weight.requires_grad_(False)
    before = state(found.module)
    rng = torch.get_rng_state()
    report(found, photos)
    assert state(found.module) == before
    assert torch.equal(torch.get_rng_state(), rng)


def test_any_module_and_any_tensor_will_do():
    made = report(Small(), torch.zeros(2, 3, 32, 32), IMAGE_SECTIONS)
    assert [entry.name for entry in made.answers] == ["image 0", "image 1"]
    assert [entry.slug for entry in made.answers] == ["image-0", "image-1"]
    assert made.answers[0].best.category.startswith("class ")


def test_images_of_one_name_are_kept_apart(photos, tmp_path, model):
    other = tmp_path / photos[0].name
    other.write_bytes(photos[2].read_bytes())
    made = report(model, [photos[0], other], IMAGE_SECTIONS)
    names = [picture.name for picture in made.pictures]
    assert len({name.lower() for name in names}) == len(names)
    assert [entry.slug for entry in made.answers] == ["garden", "garden-2"]


def test_random_weights_are_said_first(photos):
    made = report(small_model(weights="drawn by lot", untrained=True), photos[0], "photo")
    assert "has learned nothing" in made.notes[0]
    # The flag tells it, not the wording.
    assert report(small_model(weights="random forest"), photos[0], "photo").notes == ()


def test_no_image_at_all_is_a_sentence(photos, model):
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        report(model, photos[1])


def test_an_unknown_layer_is_a_sentence(photos, model):
    with pytest.raises(LayerError, match=r"no layer 'secnd'.*'second'"):
        report(model, photos[0], layers="secnd")


def test_a_network_that_fails_names_the_image(photos, model):
    model.module.head = torch.nn.Linear(9, 3)
    with pytest.raises(ModelError, match=r"garden\.png: small cannot run"):
        report(model, photos[0])


def test_an_output_without_classes_needs_a_callable(photos, model):
    model.module.forward = lambda x: model.module.relu(model.module.first(x)).flatten(2)
    with pytest.raises(TargetError, match="Give a callable"):
        report(model, photos[0], "cam")
    made = report(model, photos[0], "photo,cam", layers="first", target=lambda x: x.mean((1, 2)))
    assert made.answers[0].guesses == ()
    assert made.answers[0].overlay is not None
