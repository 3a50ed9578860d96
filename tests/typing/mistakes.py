"""What must be an error: a checker calls a `type: ignore` that hides none an error in its turn."""

import cnnviz
import cnnviz.datasets
import cnnviz.models
import cnnviz.reports
from cnnviz import no_such_view  # type: ignore[attr-defined]


def a_name_that_is_misspelt() -> None:
    cnnviz.gradcam  # type: ignore[attr-defined]
    cnnviz.models.lode  # type: ignore[attr-defined]
    cnnviz.datasets.open_data  # type: ignore[attr-defined]
    cnnviz.reports.section  # type: ignore[attr-defined]
    no_such_view()


def a_first_argument_of_the_other_kind(model: cnnviz.Model, capture: cnnviz.Capture) -> None:
    cnnviz.cam(model)  # type: ignore[arg-type]
    cnnviz.filters(capture)  # type: ignore[arg-type]
    cnnviz.architecture("resnet18")  # type: ignore[arg-type]


def images_that_are_none(model: cnnviz.Model) -> None:
    cnnviz.attribute(model, 3)  # type: ignore[arg-type]
    cnnviz.attribute(model, None)  # type: ignore[arg-type]
    cnnviz.capture(model, [3])  # type: ignore[list-item]
    cnnviz.report(model, 3)  # type: ignore[arg-type]
    cnnviz.open_dataset(3)  # type: ignore[arg-type]
    model.prepare(3)  # type: ignore[arg-type]


def targets_layers_and_units_that_are_none(model: cnnviz.Model, capture: cnnviz.Capture) -> None:
    cnnviz.occlusion(model, "a.png", target=0.5)  # type: ignore[arg-type]
    cnnviz.attribute(model, "a.png", target=[0.5])  # type: ignore[list-item]
    cnnviz.capture(model, "a.png", layers=3)  # type: ignore[arg-type]
    cnnviz.cam(capture, 3)  # type: ignore[arg-type]
    cnnviz.feature_visualization(model, [3])  # type: ignore[list-item]
    cnnviz.Contrast("star")  # type: ignore[call-arg]


def a_setting_that_there_is_not(model: cnnviz.Model, capture: cnnviz.Capture) -> None:
    cnnviz.cam(capture, method="grad-cam")  # type: ignore[arg-type]
    cnnviz.attribute(model, "a.png", methd="saliency")  # type: ignore[call-arg]
    cnnviz.cam(capture).hetmaps  # type: ignore[attr-defined]


def a_picture_or_table_that_there_is_not(heatmap: cnnviz.Heatmap) -> None:
    heatmap.figure(figure="a.png")  # type: ignore[arg-type]
    heatmap.save("a.png", size=7)  # type: ignore[arg-type]
    heatmap.table()  # type: ignore[attr-defined]
