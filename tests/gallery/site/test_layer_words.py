"""What the page of a network says of a layer: the settings of each axis, as the layer has them."""

from torch import nn

import cnnviz
from cnnviz.course.layer_labels import layer_label
from cnnviz_gallery.site.layer_words import said_between, said_of_scanned


def test_settings_that_differ_between_the_axes_are_each_told() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 6, (3, 2), stride=(1, 2), dilation=(2, 1), groups=3),
        nn.MaxPool2d(2, stride=(3, 1), dilation=(1, 2)),
        nn.AvgPool2d(2),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.AdaptiveMaxPool2d(1),
    )
    calls = cnnviz.architecture(network, 24).layers
    assert [said_between(call) for call in calls[1:]] == [
        "max pooling 2 x 2, stride 3 x 1, dilation 1 x 2",
        "average pooling 2 x 2, stride 2",
        "average pooling to 2 x 3",
        "maximum over the positions",
    ]
    assert said_of_scanned(calls[0]) == "Conv2d 3 x 2, stride 1 x 2, dilation 2 x 1, 3 groups"
    assert [layer_label(call) for call in calls[:2]] == [
        "3x2 depthwise conv, stride 1x2, dilation 2x1",
        "2x2 max pool, stride 3x1, dilation 1x2",
    ]
