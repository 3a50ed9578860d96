"""The networks of the course: what their papers say of them, each figure with where it stands.

What a paper does not give, or gives in no form that could be checked, is None and said to be "not
given". Error rates are in percent, of one network on the validation set of ILSVRC 2012 unless
`protocol` says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.course.network_card import ONE_CROP as ONE_CROP
from cnnviz.course.network_card import TEN_CROPS, TRANSCRIBED
from cnnviz.course.network_card import NetworkCard as NetworkCard
from cnnviz.errors import UsageError, did_you_mean

_LENET = "LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document "
_LENET += "recognition, Proc. IEEE"
_ALEXNET = "Krizhevsky, Sutskever, Hinton (2012), ImageNet classification with deep convolutional "
_ALEXNET += "neural networks, NIPS"
_ZFNET = "Zeiler, Fergus (2013), Visualizing and understanding convolutional networks, ECCV 2014"
_VGG = "Simonyan, Zisserman (2014), Very deep convolutional networks for large-scale image "
_VGG += "recognition, ICLR 2015"
_GOOGLENET = "Szegedy et al. (2014), Going deeper with convolutions, CVPR 2015"
_BN = "Ioffe, Szegedy (2015), Batch normalization: accelerating deep network training by reducing "
_BN += "internal covariate shift, ICML"
_V3 = "Szegedy et al. (2015), Rethinking the Inception architecture for computer vision, CVPR 2016"
_V4 = "Szegedy, Ioffe, Vanhoucke, Alemi (2016), Inception-v4, Inception-ResNet and the impact of "
_V4 += "residual connections on learning, AAAI 2017"
_RESNET = "He, Zhang, Ren, Sun (2015), Deep residual learning for image recognition, CVPR 2016"
_DENSENET = "Huang, Liu, van der Maaten, Weinberger (2016), Densely connected convolutional "
_DENSENET += "networks, CVPR 2017"
_RESIDUAL = "Layers learn what to add to their input, which skip connections carry around them."
_STRIDE = "torchvision moves the stride of a block from its first 1x1 to its 3x3 convolution."
_DENSE = "Every layer of a block reads what all layers before it in the block gave."


def _resnet(
    depth: int, top1: float, top5: float | None, source: str, **more: object
) -> NetworkCard:
    return NetworkCard(
        title=f"ResNet-{depth}",
        load_name=f"resnet{depth}",
        family="ResNet",
        year=2015,
        idea=_RESIDUAL,
        paper=_RESNET,
        depth=depth,
        top1=top1,
        top5=top5,
        protocol=TEN_CROPS,
        errors_source=source,
        errors_confirmed=TRANSCRIBED,
        **more,  # type: ignore[arg-type]
    )


def _densenet(depth: int, top1: float, top5: float) -> NetworkCard:
    return NetworkCard(
        title=f"DenseNet-{depth}",
        load_name=f"densenet{depth}",
        family="DenseNet",
        year=2016,
        idea=_DENSE,
        paper=_DENSENET,
        depth=depth,
        top1=top1,
        top5=top5,
        protocol=ONE_CROP,
        errors_source="table 3",
        errors_confirmed=TRANSCRIBED,
    )


CARDS: tuple[NetworkCard, ...] = (
    NetworkCard(
        title="LeNet-5",
        load_name="lenet5-1998",
        family="LeNet",
        year=1998,
        idea="Convolution, subsampling and fully connected layers trained together by gradients.",
        paper=_LENET,
        depth=7,
        parameters=60_000,
        parameters_source="section II-B: trainable parameters",
        top1=0.95,
        protocol="MNIST, test set",
        errors_source="section III",
        errors_confirmed="an account of the paper",
        remark="Its codes of the digits are drawn at random; lenet5 is the form usual today.",
    ),
    NetworkCard(
        title="AlexNet",
        load_name="alexnet",
        family="AlexNet",
        year=2012,
        idea="A deep network on ImageNet: ReLU, dropout, augmentation, trained on two GPUs.",
        paper=_ALEXNET,
        depth=8,
        parameters=60e6,
        parameters_source="abstract",
        top1=40.7,
        top5=18.2,
        protocol="one network",
        errors_source="table 2",
        errors_confirmed=TRANSCRIBED,
        best_top5=15.3,
        best_protocol="seven networks, two of them with pretraining, test set, table 2",
        remark="torchvision has the one-column form of Krizhevsky (2014), with fewer filters.",
    ),
    NetworkCard(
        title="ZFNet",
        load_name="zfnet",
        family="AlexNet",
        year=2013,
        idea="AlexNet mended after looking inside: 7x7 filters of stride 2 in the first layer.",
        paper=_ZFNET,
        depth=8,
        top1=38.4,
        top5=16.5,
        protocol="one network",
        errors_source="table 2, as in figure 3",
        errors_confirmed=TRANSCRIBED,
        best_top5=14.8,
        best_protocol="six networks, some with more maps, test set, table 2",
    ),
    NetworkCard(
        title="VGG-16",
        load_name="vgg16",
        family="VGG",
        year=2014,
        idea="Many 3x3 convolutions in place of few large ones: depth alone helps.",
        paper=_VGG,
        depth=16,
        parameters=138e6,
        parameters_source="table 2, network D",
        top1=24.4,
        top5=7.2,
        protocol="one network, dense and multi-crop",
        errors_source="table 5",
        errors_confirmed=TRANSCRIBED,
        best_top5=6.8,
        best_protocol="VGG-16 and VGG-19, test set, table 6",
    ),
    NetworkCard(
        title="VGG-19",
        load_name="vgg19",
        family="VGG",
        year=2014,
        idea="VGG-16 with three more convolutions, hardly better: plain depth has its limit.",
        paper=_VGG,
        depth=19,
        parameters=144e6,
        parameters_source="table 2, network E",
        top1=24.4,
        top5=7.1,
        protocol="one network, dense and multi-crop",
        errors_source="table 5",
        errors_confirmed=TRANSCRIBED,
    ),
    NetworkCard(
        title="GoogLeNet",
        load_name="googlenet",
        family="Inception",
        year=2014,
        idea="Inception modules: filters of several sizes side by side, made cheap by 1x1 layers.",
        paper=_GOOGLENET,
        depth=22,
        parameters=6.8e6,
        parameters_source="table 1, summed",
        top5=10.07,
        protocol=ONE_CROP,
        errors_source="table 3",
        errors_confirmed=TRANSCRIBED,
        best_top5=6.67,
        best_protocol="seven networks, 144 crops, test set, table 2",
        remark="torchvision has 3x3 convolutions where the paper has 5x5, and batch norm.",
    ),
    NetworkCard(
        title="Inception v2",
        load_name="inception_v2",
        family="Inception",
        year=2015,
        idea="Batch normalization: layers see inputs of one scale, and training is much faster.",
        paper=_BN,
        parameters=13.6e6,
        parameters_source="section 4.2; the layers of its figure 5 have fewer",
        top1=25.2,
        top5=7.82,
        protocol=ONE_CROP,
        errors_source="figure 4",
        errors_confirmed=TRANSCRIBED,
        best_top5=4.82,
        best_protocol="six networks, test set, figure 4",
        remark="Its first convolution is a plain one, where the paper splits it.",
    ),
    NetworkCard(
        title="Inception v3",
        load_name="inception_v3",
        family="Inception",
        year=2015,
        idea="Convolutions factorised into smaller and into 1x7 and 7x1; label smoothing.",
        paper=_V3,
        depth=42,
        parameters=25e6,
        parameters_source="abstract: fewer than that",
        top1=21.2,
        top5=5.6,
        protocol=ONE_CROP,
        errors_source="table 3",
        errors_confirmed=TRANSCRIBED,
        best_top5=3.58,
        best_protocol="four networks, 144 crops, table 5",
    ),
    _resnet(
        18,
        27.88,
        None,
        "table 2, shortcuts of kind A",
        remark="torchvision has shortcuts of kind B: 1x1 convolutions where channels change.",
    ),
    _resnet(34, 24.52, 7.46, "table 3, shortcuts of kind B"),
    _resnet(50, 22.85, 6.71, "table 3", remark=_STRIDE),
    _resnet(101, 21.75, 6.05, "table 3", remark=_STRIDE),
    _resnet(
        152,
        21.43,
        5.71,
        "table 3",
        best_top5=3.57,
        best_protocol="six networks of different depths, test set, table 5",
        remark=_STRIDE,
    ),
    NetworkCard(
        title="Inception v4",
        load_name="timm:inception_v4",
        family="Inception",
        year=2016,
        idea="Inception modules of one kind for each size, simpler and more of them.",
        paper=_V4,
        top1=20.0,
        top5=5.0,
        protocol=ONE_CROP,
        errors_source="table 2",
        best_top5=3.08,
        best_protocol="with three residual Inception networks, test set, abstract",
    ),
    NetworkCard(
        title="Inception-ResNet v2",
        load_name="timm:inception_resnet_v2",
        family="Inception",
        year=2016,
        idea="Inception modules with skip connections around them: they train faster.",
        paper=_V4,
        top1=19.9,
        top5=4.9,
        protocol=ONE_CROP,
        errors_source="table 2",
    ),
    _densenet(121, 25.02, 7.71),
    _densenet(169, 23.80, 6.85),
    _densenet(201, 22.58, 6.34),
    NetworkCard(
        title="MobileNet v1",
        load_name="mobilenet_v1",
        family="MobileNet",
        year=2017,
        idea="A convolution split into one filter a channel and 1x1 ones: 8 times less work.",
        paper="Howard et al. (2017), MobileNets: efficient convolutional neural networks for "
        "mobile vision applications, arXiv:1704.04861",
        depth=28,
        parameters=4.2e6,
        parameters_source="table 8",
        top1=29.4,
        protocol=ONE_CROP,
        errors_source="table 8, as an accuracy of 70.6%",
        errors_confirmed=TRANSCRIBED,
    ),
    NetworkCard(
        title="MobileNet v2",
        load_name="mobilenet_v2",
        family="MobileNet",
        year=2018,
        idea="Inverted residuals: skips between narrow layers, the filters in a wide middle.",
        paper="Sandler, Howard, Zhu, Zhmoginov, Chen (2018), MobileNetV2: inverted residuals and "
        "linear bottlenecks, CVPR",
        parameters=3.4e6,
        parameters_source="table 4",
        top1=28.0,
        protocol=ONE_CROP,
        errors_source="table 4, as an accuracy of 72.0%",
        errors_confirmed=TRANSCRIBED,
    ),
    NetworkCard(
        title="MobileNet v3 small",
        load_name="mobilenet_v3_small",
        family="MobileNet",
        year=2019,
        idea="As MobileNet v3 large, for the smallest devices.",
        paper="Howard et al. (2019), Searching for MobileNetV3, ICCV",
        parameters=2.5e6,
        parameters_source="table 3; 2.9 M in its first version",
        top1=32.6,
        protocol=ONE_CROP,
        errors_source="table 3, as an accuracy of 67.4%",
        errors_confirmed=TRANSCRIBED,
    ),
    NetworkCard(
        title="MobileNet v3 large",
        load_name="mobilenet_v3_large",
        family="MobileNet",
        year=2019,
        idea="Blocks found by search, with squeeze-and-excitation and the hard swish.",
        paper="Howard et al. (2019), Searching for MobileNetV3, ICCV",
        parameters=5.4e6,
        parameters_source="table 3",
        top1=24.8,
        protocol=ONE_CROP,
        errors_source="table 3, as an accuracy of 75.2%",
        errors_confirmed=TRANSCRIBED,
    ),
)


def find_cards(names: Sequence[str] | None = None) -> tuple[NetworkCard, ...]:
    """Return the cards of some networks, by title or by the name that loads them; all by default.

    Raises
    ------
    UsageError
        If there is no such card, or no name.
    """
    if names is None:
        return CARDS
    if not names:
        raise UsageError("No network was named.", "`cnnviz networks` lists them all.")
    known = {_bare(key): card for card in CARDS for key in (card.title, card.load_name)}
    known |= {_bare(card.load_name.removeprefix("timm:")): card for card in CARDS}
    for name in names:
        if _bare(name) not in known:
            titles = [card.title for card in CARDS]
            raise UsageError(
                f"There is no card of a network called {name!r}.",
                did_you_mean(name, titles, "`cnnviz networks` lists them all."),
            )
    return tuple({known[_bare(name)].title: known[_bare(name)] for name in names}.values())


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
