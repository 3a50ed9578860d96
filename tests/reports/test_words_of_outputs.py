"""A report on a network speaks of what its output is, and of classes only where there are some."""

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.reports.content import Table


def _network(count: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, count),
    ).eval()


def _words(output: str, count: int) -> tuple[str, list[str]]:
    """Return what is said of answer and heatmap, and the heading of what is named."""
    model = cnnviz.Model(
        _network(count),
        output=output,
        preprocessing=cnnviz.Preprocessing(None, None, (0.5,) * 3, (0.5,) * 3),
    )
    photo = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    made = cnnviz.report(model, photo, "predictions,cam")
    said, headings = [], []
    for section in made.sections:
        tables: tuple[Table, ...] = section.tables
        said += [*section.lead, *section.notes]
        said += [text for one in section.pictures for text in (one.title, one.caption, one.alt)]
        said += [text for one in tables for text in (one.title, one.caption)]
        headings += [
            one.columns[1].heading for one in tables if one.title == "The answer in numbers"
        ]
    return " ".join(said), headings


@pytest.mark.parametrize(
    ("output", "count", "heading"),
    [
        ("value", 1, "Name"),
        ("value", 3, "Name"),
        ("embedding", 6, "Dimension"),
        ("logit", 1, "Answer"),
    ],
)
def test_there_is_no_class_where_there_are_none(output: str, count: int, heading: str) -> None:
    said, headings = _words(output, count)
    assert headings == [heading]
    # What an output is read as is said in words of its own: "one logit for two classes".
    bare = said.replace("one logit for two classes", "")
    assert "class" not in bare.lower().replace("class activation", "")


def test_one_value_is_spoken_of_in_the_singular() -> None:
    assert "It is no probability." in _words("value", 1)[0]
    assert "the one value, with no probability: it is a quantity" in _words("value", 1)[0]
    assert "They are no probabilities." in _words("value", 2)[0]


def test_classes_are_classes_and_labels_labels() -> None:
    said, headings = _words("classes", 4)
    assert "The likeliest classes" in said
    assert headings == ["Class"]
    said, headings = _words("labels", 4)
    assert "The likeliest labels" in said
    assert headings == ["Label"]
    assert "The labels are numbered" in said
