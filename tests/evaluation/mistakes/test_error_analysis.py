"""Which answers are wrong, in which order, and with what evidence; what is refused beforehand."""

from __future__ import annotations

import csv
import json
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ImageError, ModelError, TargetError, UsageError
from tests.helpers.colour_classes import (
    COLOURS,
    SIDE,
    Means,
    colour_folder,
    colour_model,
    write_colour,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return colour_folder(tmp_path / "val")


def probabilities(colour) -> np.ndarray:
    scores = np.exp(4.0 * np.array(colour) / 255.0)
    return scores / scores.sum()


def test_the_wrong_answers_the_surest_first(folder):
    found = cnnviz.error_analysis(colour_model(), folder)
    assert (found.images, found.decisions, found.wrong) == (6, 6, 3)
    assert [(m.image, m.truth, m.answer) for m in found.mistakes] == [
        ("red/green.PNG", "red", "green"),
        ("blue/reddish.png", "blue", "red"),
        ("red/greenish.png", "red", "green"),
    ]
    shares = probabilities((200, 0, 100))
    second = found.mistakes[1]
    assert second.confidence == pytest.approx(shares[0], abs=1e-6)
    assert second.truth_probability == pytest.approx(shares[2], abs=1e-6)
    assert second.loss == pytest.approx(-math.log(shares[2]), abs=1e-5)
    assert found.shown_classes == COLOURS
    assert found.confusion.tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 1]]
    assert [(p.truth, p.answer, p.count, p.labelled) for p in found.pairs] == [
        ("red", "green", 2, 3),
        ("blue", "red", 1, 2),
    ]
    assert found.macro_recall == pytest.approx((1 / 3 + 1 + 1 / 2) / 3)
    # F1 by hand: red 2/(3+2), green 2/(1+3), blue 2/(2+1).
    assert found.macro_f1 == pytest.approx((2 / 5 + 1 / 2 + 2 / 3) / 3)
    assert "3 of 6 images wrong" in found.summary()


def test_by_loss_the_order_may_be_another(tmp_path):
    root = tmp_path / "val"
    # The second is less sure of its answer, and of what is right far less.
    write_colour(root / "red" / "one.png", (150, 255, 0))
    write_colour(root / "red" / "two.png", (0, 255, 200))
    found = cnnviz.error_analysis(colour_model(), root, explain=0)
    assert [m.image for m in found.mistakes] == ["red/one.png", "red/two.png"]
    found = cnnviz.error_analysis(colour_model(), root, order="loss", explain=0)
    assert [m.image for m in found.mistakes] == ["red/two.png", "red/one.png"]


def test_the_worst_have_the_heatmaps_of_both_answers(folder):
    model = colour_model()
    found = cnnviz.error_analysis(model, folder, explain=2)
    assert [e.mistake.image for e in found.examples] == ["red/green.PNG", "blue/reddish.png"]
    assert found.layer == "same"
    for example, path in zip(found.examples, ("red/green.PNG", "blue/reddish.png"), strict=True):
        seen = cnnviz.capture(
            model,
            [folder / path] * 2,
            layers=["same"],
            target=[example.mistake.answer, example.mistake.truth],
        )
        expected = cnnviz.cam(seen).maps[0]
        np.testing.assert_allclose(np.stack(example.maps), expected, rtol=1e-5)
        assert example.photo.shape == (SIDE, SIDE, 3)
        assert [one.shape for one in example.overlays] == [(SIDE, SIDE, 3)] * 2
        assert example.marks == ("", "")
    names = [source.name for source in found.provenance.images]
    assert names == ["red/green.PNG", "blue/reddish.png"]


def test_filters(folder):
    def images(**options) -> list[str]:
        found = cnnviz.error_analysis(colour_model(), folder, explain=0, **options)
        assert found.wrong == 3, "what is measured does not depend on the filters"
        assert bool(options) == bool(found.filters)
        return [m.image for m in found.mistakes]

    assert images(classes="blue") == ["blue/reddish.png"]
    assert images(classes=["BLUE", 1]) == ["red/green.PNG", "blue/reddish.png", "red/greenish.png"]
    assert images(pair=("red", "green")) == ["red/green.PNG", "red/greenish.png"]
    assert images(pair=("green", "red")) == []
    assert images(confident=0.9) == ["red/green.PNG"]
    assert images(classes="red", confident=0.9) == ["red/green.PNG"]


def test_everything_right(tmp_path):
    write_colour(tmp_path / "val" / "red" / "a.png", (255, 0, 0))
    found = cnnviz.error_analysis(colour_model(), tmp_path / "val")
    assert (found.wrong, found.mistakes, found.examples, found.pairs) == (0, (), (), ())
    assert "0 of 1 image wrong" in found.summary()
    found.save(tmp_path / "errors.png")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("path,label\nval/red/green.PNG,red\nval/red/right.png,RED\n", 0),
        ("image\tclass\nval/red/green.PNG\tred\nval/red/right.png\tred\n", 0),
        ("label;file\n0;val/red/green.PNG\n0;val/red/right.png\n", 0),
        ("val/red/green.PNG,red\nval/red/right.png,red\n\n", 0),
        ("path,label\nval/red/green.PNG,red\nval/red/right.png,red\nval/blue/right.png,\n", 1),
    ],
)
def test_a_list_of_images(folder, tmp_path, text, left):
    (tmp_path / "list.CSV").write_text(text, "utf-8-sig")
    found = cnnviz.error_analysis(colour_model(), tmp_path / "list.CSV")
    assert [m.image for m in found.mistakes] == ["val/red/green.PNG"]
    assert found.images == 2
    assert any("without a label left out" in note for note in found.provenance.notes) == bool(left)


def test_a_pattern_has_the_classes_of_its_folders(folder):
    found = cnnviz.error_analysis(colour_model(), f"{folder}/*/*gree*.png")
    assert [m.image for m in found.mistakes] == ["red/green.PNG", "red/greenish.png"]


def test_a_data_set_object():
    class Pairs:
        classes = COLOURS

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int):
            return np.full((SIDE, SIDE, 3), ((0, 0, 255), (0, 255, 0))[index], np.uint8), 1

    found = cnnviz.error_analysis(colour_model(), Pairs())
    assert [(m.image, m.truth, m.answer) for m in found.mistakes] == [("image 0", "green", "blue")]


def test_entries_without_a_label_are_left_out():
    entries = [((0, 0, 255), 1), ((0, 255, 0), None), ((255, 0, 0), 0)]
    data = [(np.full((SIDE, SIDE, 3), colour, np.uint8), label) for colour, label in entries]
    found = cnnviz.error_analysis(colour_model(), data)
    assert (found.images, found.wrong) == (2, 1)
    assert any("1 image without a label left out" in note for note in found.provenance.notes)


@pytest.mark.parametrize("independent", [False, True])
def test_a_label_that_is_no_class_is_told_from_none(independent, tmp_path):
    """Of independent labels an image without any is right where none is answered."""
    with tarfile.open(tmp_path / "a.tar", "w") as written:
        for place, label in enumerate(["0", "rouge", None]):
            image = write_colour(tmp_path / "image.png", (255, 0, 0))
            written.add(image, f"{place}.png")
            if label is not None:
                (tmp_path / "label").write_text(label)
                written.add(tmp_path / "label", f"{place}.cls")
    module = nn.Sequential(Means(40.0), nn.Sigmoid()) if independent else None
    found = cnnviz.error_analysis(colour_model(module), tmp_path / "a.tar", explain=0)
    assert found.images == 1 + independent
    notes = found.provenance.notes
    assert "1 image whose label is no class left out: a.tar/1.png ('rouge')." in notes
    assert ("1 image without a label left out." in notes) != independent


def test_labels_of_which_none_is_a_class_are_named():
    class Pairs:
        targets = ([0, 1], "rouge")

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int):
            return np.zeros((SIDE, SIDE, 3), np.uint8), self.targets[index]

    with pytest.raises(UsageError, match=r"No label of .* is a class: .*'\[0, 1\]'.*'rouge'"):
        cnnviz.error_analysis(colour_model(), Pairs())


def test_names_beside_the_images_of_a_tar_are_matched_to_the_letter(tmp_path):
    def analysed(*names: str):
        with tarfile.open(tmp_path / "a.tar", "w") as written:
            for place, name in enumerate(names):
                image = write_colour(tmp_path / "image.png", (255, 0, 0))
                written.add(image, f"{place}.png")
                (tmp_path / "label").write_text(name)
                written.add(tmp_path / "label", f"{place}.{'json' if '{' in name else 'cls'}")
        return cnnviz.error_analysis(colour_model(), tmp_path / "a.tar", explain=0)

    found = analysed("red\n", '{"label": "green"}', "0")
    assert (found.images, found.wrong) == (3, 1)
    assert "matched to the classes of the network by name." in found.caption()
    assert not any("left out" in note for note in found.provenance.notes)
    with pytest.raises(UsageError, match=r"The network has no class 'Red'"):
        analysed("Red", "green")
    with pytest.raises(UsageError, match=r"No label of .* is a class"):
        analysed("Red", "Green")


def test_a_broken_first_image_does_not_end_it(folder):
    (folder / "blue" / "a.png").write_bytes(b"")
    found = cnnviz.error_analysis(colour_model(), folder)
    assert found.images == 6


def test_labels_that_are_none_of_the_network(folder, tmp_path):
    (folder / "red").rename(folder / "rde")
    with pytest.raises(UsageError, match=r"no class 'rde'.*Did you mean 'red'"):
        cnnviz.error_analysis(colour_model(), folder)
    (tmp_path / "list.csv").write_text("val/rde/right.png,3\n")
    with pytest.raises(UsageError, match=r"right\.png has the label 3, .* the classes 0 to 2"):
        cnnviz.error_analysis(colour_model(), tmp_path / "list.csv")


def test_a_label_that_may_be_two_classes_is_refused_and_both_are_named(tmp_path):
    write_colour(tmp_path / "val" / "TWO" / "1.png", (255, 0, 0))
    model = colour_model(categories=("two", "Two", "three"))
    with pytest.raises(UsageError, match="'TWO' may be 2 classes") as refused:
        cnnviz.error_analysis(model, tmp_path / "val")
    assert "'two' (class 0) and 'Two' (class 1)" in refused.value.what
    (tmp_path / "val" / "TWO").rename(tmp_path / "val" / "Two")
    found = cnnviz.error_analysis(model, tmp_path / "val")
    assert [(m.truth, m.answer) for m in found.mistakes] == [("Two", "two")]


def test_without_names_the_order_of_the_folders_is_that_of_the_outputs(tmp_path):
    for name, colour in (("a", (255, 0, 0)), ("b", (255, 0, 0)), ("c", (0, 0, 255))):
        write_colour(tmp_path / "val" / name / "1.png", colour)
    found = cnnviz.error_analysis(colour_model(categories=None), tmp_path / "val")
    assert [(m.truth, m.answer) for m in found.mistakes] == [("b", "a")]
    assert any("order of the alphabet, 'a' as 'class 0'" in n for n in found.provenance.notes)
    assert "order of the alphabet, 'a' as 'class 0'" in found.caption()
    assert "by their order, not by name" in found.summary()
    held = found.to_json()
    assert (held["matched_by"], held["matched"]) == ("order", found.matched)
    write_colour(tmp_path / "val" / "d" / "1.png", (0, 0, 0))
    with pytest.raises(UsageError, match="no class 'a' and 3 more"):
        cnnviz.error_analysis(colour_model(categories=None), tmp_path / "val")


def test_fewer_folders_than_classes_are_matched_by_name_alone(tmp_path):
    for label in ("cherry", "apple"):
        write_colour(tmp_path / "val" / label / "1.png", (255, 0, 0))
    with pytest.raises(UsageError, match=r"no class 'apple' and 1 more .*\('cherry'\)") as refused:
        cnnviz.error_analysis(colour_model(categories=None), tmp_path / "val")
    assert "categories=" in refused.value.remedy
    assert "--categories" in refused.value.option
    names = ("apple", "banana", "cherry")
    found = cnnviz.error_analysis(colour_model(categories=names), tmp_path / "val")
    assert [(m.truth, m.answer) for m in found.mistakes] == [("cherry", "apple")]


@pytest.mark.parametrize("labels", [("3", "unicorn"), ("-1", "7"), ("1", "3")])
def test_a_number_that_is_no_class_is_not_taken_for_the_place_of_a_name(tmp_path, labels):
    for label in labels:
        write_colour(tmp_path / "val" / label / "1.png", (255, 0, 0))
    with pytest.raises(UsageError, match="The network has no class"):
        cnnviz.error_analysis(colour_model(categories=None), tmp_path / "val")


def test_how_labels_were_matched_is_told(folder, tmp_path):
    by_name = cnnviz.error_analysis(colour_model(), folder)
    assert (by_name.matched_by, "by their order" in by_name.summary()) == ("name", False)
    assert "matched to the classes of the network by name." in by_name.caption()
    (tmp_path / "numbers.csv").write_text("val/red/right.png,0\n")
    by_number = cnnviz.error_analysis(colour_model(), tmp_path / "numbers.csv")
    assert by_number.matched_by == "number"
    assert "Labels are the numbers of the classes, from 0." in by_number.caption()
    others = cnnviz.error_analysis(
        colour_model(categories=("0", "2", "1")), tmp_path / "numbers.csv"
    )
    assert "numbers of the classes, from 0: the class called '2' is number 1." in others.caption()
    whole = cnnviz.evaluate_classifier(colour_model(categories=None), folder)
    assert whole.matched_by == "order"
    assert whole.matched in whole.caption()
    assert "by their order, not by name" in whole.summary()


def test_names_of_wordnet_stand_for_all_classes_in_order_or_for_none(tmp_path):
    for place, name in enumerate(("n00000001", "n00000002", "n00000003")):
        write_colour(tmp_path / "val" / name / "1.png", [255 * (place == at) for at in range(3)])
    assert cnnviz.error_analysis(colour_model(), tmp_path / "val").wrong == 0
    (tmp_path / "val" / "n00000002" / "1.png").unlink()
    with pytest.raises(UsageError, match="no class 'n00000001' and 1 more"):
        cnnviz.error_analysis(colour_model(), tmp_path / "val")


def test_independent_labels(folder, tmp_path):
    (tmp_path / "list.csv").write_text(
        "path,label\nval/red/right.png,red|blue\nval/blue/reddish.png,blue; red\n"
        "val/green/right.png,\n"
    )

    class Each(Means):
        def forward(self, x):
            return super().forward(x) - 1.0

    found = cnnviz.error_analysis(colour_model(Each(), output="labels"), tmp_path / "list.csv")
    assert (found.images, found.decisions) == (3, 9)
    assert [(m.image, m.truth, m.answer) for m in found.mistakes] == [
        ("val/green/right.png", "not green", "green"),
        ("val/red/right.png", "blue", "not blue"),
    ]
    sure = 1 / (1 + math.exp(-3.0))
    assert found.mistakes[0].confidence == pytest.approx(sure, abs=1e-6)
    assert [len(each.maps) for each in found.examples] == [1, 1]
    assert found.shown_classes == ()
    assert any("and no others" in note for note in found.provenance.notes)
    found.save(tmp_path / "errors.png")
    with pytest.raises(UsageError, match="not taken for one another"):
        cnnviz.error_analysis(
            colour_model(Each(), output="labels"), tmp_path / "list.csv", pair=("red", "blue")
        )


def test_one_logit(tmp_path):
    write_colour(tmp_path / "val" / "not red" / "1.png", (255, 0, 0))
    write_colour(tmp_path / "val" / "red" / "1.png", (255, 0, 0))
    model = colour_model(Means(columns=(0,)), output="logit", categories=("not red", "red"))
    found = cnnviz.error_analysis(model, tmp_path / "val")
    (mistake,) = found.mistakes
    assert (mistake.image, mistake.answer) == ("not red/1.png", "red")
    assert mistake.confidence == pytest.approx(1 / (1 + math.exp(-4.0)), abs=1e-6)
    # The evidence for the one is that against the other.
    np.testing.assert_allclose(found.examples[0].maps[0], -found.examples[0].maps[1])


@pytest.mark.parametrize(
    ("options", "said"),
    [({"output": "value"}, "values"), ({"output": "embedding"}, "an embedding")],
)
def test_what_is_neither_right_nor_wrong_is_refused(folder, options, said):
    with pytest.raises(UsageError, match=f"returns {said}, which is not right or wrong"):
        cnnviz.error_analysis(colour_model(categories=None, **options), folder)


def test_a_network_without_maps_has_its_errors_without_heatmaps(folder):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))
    with torch.no_grad():
        flat[1].weight.copy_(torch.eye(3).repeat_interleave(SIDE * SIDE, 1) / SIDE**2)
        flat[1].bias.zero_()
    found = cnnviz.error_analysis(colour_model(flat), folder)
    assert found.wrong == 3
    assert [example.maps for example in found.examples] == [()] * 3
    assert found.examples[0].photo.shape == (SIDE, SIDE, 3)
    assert any("There are no heatmaps" in note for note in found.provenance.notes)


def test_a_network_that_cannot_be_explained_has_its_errors_all_the_same(folder):
    class Detached(Means):
        def forward(self, x):
            return super().forward(x).detach()

    found = cnnviz.error_analysis(colour_model(Detached()), folder)
    assert found.wrong == 3
    assert any("There are no heatmaps: The target does not" in n for n in found.provenance.notes)


def test_answers_that_are_no_numbers_are_told_and_left_out(folder):
    class Broken(Means):
        def forward(self, x):
            scores = super().forward(x)
            return torch.where(scores[:, 2:] > 3.9, torch.nan, scores)

    found = cnnviz.error_analysis(colour_model(Broken()), folder)
    assert (found.images, found.wrong) == (5, 3)
    assert "1 answer NaN or infinite, left out: blue/right.png." in found.provenance.notes

    class Nothing(Means):
        def forward(self, x):
            return super().forward(x) * torch.nan

    with pytest.raises(ModelError, match="no answer that is a number"):
        cnnviz.error_analysis(colour_model(Nothing()), folder)


def test_images_that_change_each_other_are_answered_one_by_one(folder):
    class Mixing(Means):
        def forward(self, x):
            return super().forward(x - x.mean((0, 2, 3), keepdim=True))

    found = cnnviz.error_analysis(colour_model(Mixing()), folder, explain=0)
    alone = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        held = cnnviz.capture(colour_model(Mixing()), path, layers=(), gradients=False)
        alone[path.relative_to(folder).as_posix()] = held.predictions(1)[0][0]
    for mistake in found.mistakes:
        assert mistake.confidence == pytest.approx(alone[mistake.image].probability)
    assert any("so each image ran alone" in note for note in found.provenance.notes)


def test_a_broken_file_is_told_and_the_others_go_on(folder):
    (folder / "red" / "broken.png").write_bytes(b"no image")
    found = cnnviz.error_analysis(colour_model(), folder)
    assert found.images == 6
    assert any("1 image could not be read: red/broken.png" in n for n in found.provenance.notes)


def test_what_is_refused_before_any_image_is_answered(folder, tmp_path):
    write_colour(tmp_path / "flat" / "a.png", (0, 0, 0))
    model = colour_model()
    answered = []
    model.module.register_forward_hook(lambda *_: answered.append(1))
    with pytest.raises(UsageError, match="Nothing says what the images show"):
        cnnviz.error_analysis(model, tmp_path / "flat")
    with pytest.raises(UsageError, match="no folder"):
        cnnviz.error_analysis(model, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="cannot be ordered by 'sure'"):
        cnnviz.error_analysis(model, folder, order="sure")
    with pytest.raises(UsageError, match="confident cannot be 2"):
        cnnviz.error_analysis(model, folder, confident=2.0)
    (tmp_path / "list.csv").write_text("nowhere.png,red\n")
    with pytest.raises(UsageError, match=r"None of the 1 file that list.csv lists"):
        cnnviz.error_analysis(model, tmp_path / "list.csv")
    before = len(answered)
    with pytest.raises(TargetError, match="Did you mean 'green'"):
        cnnviz.error_analysis(model, folder, classes="gren")
    # One image tells what the output means, and whether images mix.
    assert len(answered) - before < 10
    with pytest.raises(ImageError):
        cnnviz.error_analysis(model, [])


def test_the_files_hold_every_number(folder, tmp_path):
    found = cnnviz.error_analysis(colour_model(), folder)
    for suffix in ("csv", "json", "npz", "png", "pdf", "tex"):
        found.save(tmp_path / f"errors.{suffix}")
    with (tmp_path / "errors.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == [m.image for m in found.mistakes]
    assert float(rows[0]["loss"]) == found.mistakes[0].loss
    told = json.loads((tmp_path / "errors.json").read_text())
    assert told["shown_classes"] == list(COLOURS)
    assert told["confusion"] == found.confusion.tolist()
    assert told["accuracy"]["interval"] == list(found.accuracy.interval)
    assert sum(told["calibration"]["counts"]) == 6
    with np.load(tmp_path / "errors.npz") as held:
        np.testing.assert_array_equal(held["example 0 answer"], found.examples[0].maps[0])


def test_a_matrix_of_many_classes_is_a_list_of_pairs(tmp_path):
    many = 130

    class Next(nn.Module):
        def forward(self, x):
            # An image of brightness n is answered n + 1.
            at = (x.mean((1, 2, 3)) * 255.0).round().long() + 1
            return 9.0 * nn.functional.one_hot(at % many, many).float()

    rows = [f"{write_colour(tmp_path / f'{n}.png', (n, n, n)).name},{n}" for n in range(many)]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    model = colour_model(Next(), categories=[f"class {n}" for n in range(many)])
    found = cnnviz.error_analysis(model, tmp_path / "list.csv", explain=0)
    assert found.wrong == many
    assert found.confusion.shape == (many, many)
    figure = found.figure()
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[0] == "Most often confused: right class → answer; 106 more pairs"
    assert titles[1] == "Classes: the 30 recalled least"
    assert max(figure.get_size_inches()) * 160 < 8000


def test_the_network_comes_out_as_it_went_in(folder):
    model = colour_model()
    model.module.train()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    cnnviz.error_analysis(model, folder)
    assert model.module.training
    assert all(
        torch.equal(before[name], value) for name, value in model.module.state_dict().items()
    )
    assert all(parameter.grad is None for parameter in model.module.parameters())
