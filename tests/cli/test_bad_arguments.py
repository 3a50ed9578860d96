"""What is wrong with arguments is a sentence, told before any work: a table; a case is a line."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable
from typing import Any, get_args

import pytest

from cnnviz.bounds import Within, bounds_of, resolved
from cnnviz.errors import CnnvizError
from cnnviz.views import VIEWS, View
from cnnviz_cli import lazy, network_options
from cnnviz_cli.view_command import build

Run = Callable[..., Any]
LONG = "9" * 5000
NAME = "n" * 5000

# The command line, and after ``|`` what the error names. LONG is a number of 5,000 digits, NAME a
# name of 5,000 letters.
UNREAD = """
architecture --image-size 99999999 | --image-size cannot be 99,999,999
architecture --image-size 0 | --image-size cannot be 0
architecture --image-size -5 | --image-size cannot be -5
architecture --image-size 64,0 | --image-size cannot be 0
architecture --image-size 64,99999999 | --image-size
architecture --image-size 1.5 | --image-size cannot be '1.5'
architecture --image-size nan | --image-size cannot be 'nan'
architecture --image-size ² | --image-size cannot be '²'
architecture --image-size LONG | --image-size cannot be '999
architecture --image-size "" | --image-size is empty
network-diagram --image-size 99999999 | --image-size
network-diagram --figure-size 1x1 | 1 x 1 inches
losses --figure-size 1x1 | 1 x 1 inches
equivariance --figure-size 1x1 | 1 x 1 inches
losses --figure-size 0x3 | 0 x 3 inches
losses --figure-size nanx3 | nan x 3 inches
losses --figure-size infx3 | inf x 3 inches
losses --figure-size 1e9x1e9 | more pixels than can be drawn
losses --figure-size 8 | '8' is no size
losses --figure-size 8x6x4 | is no size
losses --figure-size "" | --figure-size is empty
losses --figure-size LONGx3 | inf x 3 inches
losses --dpi 0 | --dpi cannot be 0
losses --dpi -1 | --dpi cannot be -1
losses --dpi 1e9 | --dpi cannot be 1,000,000,000
losses --dpi nan | --dpi cannot be nan
losses --dpi inf | --dpi cannot be inf
losses --dpi x | --dpi
losses --font NAME | There is no font
evaluate --out eval.png | 'eval.png' is the name of a file, and what is written is a folder
evaluate-classifier --data shapes --out eval.CSV | 'eval.CSV' is the name of a file
errors --data shapes --out wrong.json | 'wrong.json' is the name of a file
report --out report.html | 'report.html' is the name of a file
lecture --out lecture.html | 'lecture.html' is the name of a file
gallery shapes --out site.html | 'site.html' is the name of a file
shapes --out shapes.npz | 'shapes.npz' is the name of a file
losses --delta 0 | --delta cannot be 0
losses --delta nan | --delta cannot be nan
losses --delta -inf | --delta cannot be -inf
losses --delta 1e300 | --delta cannot be
losses --classes 1 | --classes cannot be 1
losses --classes 999999999 | --classes
losses --classes LONG | --classes
losses --functions "" | --functions is empty
losses --functions NAME | There is no loss
predictions --k 0 | --k cannot be 0
predictions --k 99999999999999999999 | a number of 20 digits
predictions --k 1.5 | --k
predictions --count 0 | --count cannot be 0
predictions -n -3 | --count cannot be -3
predictions --count 1000000000000 | --count cannot be 1,000,000,000,000
predictions --workers 0 | --workers cannot be 0
predictions --workers 99999999 | --workers
predictions --out ~nouser/o.png | There is no folder
predictions --out o.xyz | o.xyz
predictions --out "" | cannot be saved as
predictions --NAME | No such option
predictions --mean "" | --mean is empty
predictions --model "" | --model is empty
predictions --weights "" | --weights is empty
predictions --device "" | --device is empty
predictions ~nouser/a.jpg | there is no such file
predictions NAME.jpg | File name too long
receptive-field --draws 0 | --draws cannot be 0
receptive-field --draws 99999999999 | --draws
receptive-field --seed -1 | --seed cannot be -1
receptive-field --seed 100000000000000000000000 | a number of 24 digits
receptive-field --layers "" | --layers is empty
attribute --steps 0 | --steps cannot be 0
attribute --steps 1000000000000 | --steps
attribute --seed -1 | --seed cannot be -1
attribute --seed LONG | --seed
attribute --method NAME | --method
attribute --baseline "" | --baseline
cam --layer "" | --layer is empty
cam --layer , | --layer is empty
cam --layers " , ," | --layer is empty
cam --target "" | --target is empty
cam --box 1,2,3 | --box cannot be
cam --box "" | --box is empty
localisation --threshold 0 | --threshold cannot be 0
localisation --threshold 1.01 | --threshold cannot be 1.01
localisation --threshold nan | --threshold cannot be nan
filters --top -1 | --top cannot be -1
filters --inputs 0 | --inputs cannot be 0
filters --inputs 99999999999 | --inputs
feature-maps --top -1 | --top cannot be -1
feature-maps --image -1 | --image cannot be -1
deconvnet --top -1 | --top cannot be -1
top-activations --k 0 | --k cannot be 0
top-activations --k 1000000 | --k cannot be 1,000,000
top-activations --top -1 | --top cannot be -1
top-activations --count 0 | --count cannot be 0
hierarchy --top 0 | --top cannot be 0
hierarchy --k -1 | --k cannot be -1
compare --batch-size 1 | --batch-size cannot be 1
compare --batch-size 99999999 | --batch-size
compare --examples 0 | --examples cannot be 0
occlude --window 0 | --window cannot be 0
occlude --stride 0 | --stride cannot be 0
occlude --stride 99999999 | --stride
occlude --approximate 0 | --approximate cannot be 0
occlude --approximate inf | --approximate cannot be inf
invariance --shift 0 | --shift cannot be 0
invariance --shift nan | --shift cannot be nan
invariance --scale 1e9 | --scale cannot be
invariance --rotation inf | --rotation cannot be inf
invariance --steps 1 | --steps cannot be 1
invariance --steps 10000001 | --steps cannot be
equivariance --shift 0 | --shift cannot be 0
challenges --scene -1 | --scene cannot be -1
challenges --steps 1 | --steps cannot be 1
challenges --only "" | --only is empty
augmentation --draws 0 | --draws cannot be 0
augmentation --draws 10000000 | --draws
augmentation --seed ² | --seed
augmentation --transform "" | --transform is empty
faithfulness --steps 1 | --steps cannot be 1
faithfulness --stages 0 | --stages cannot be 0
faithfulness --random 0 | --random cannot be 0
faithfulness --seed LONG | --seed
explanations --seed -1 | --seed cannot be -1
visualize --units "" | --units is empty
visualize --units features.0:1 --steps 0 | --steps cannot be 0
visualize --units features.0:1 --steps 1000000000000 | --steps
visualize --units features.0:1 --size 4 | --size cannot be 4
visualize --units features.0:1 --size 99999 | --size cannot be 99,999
visualize --units features.0:1 --diverse 0 | --diverse cannot be 0
visualize --units features.0:1 --seed -1 | --seed cannot be -1
gradient-flow --labels "" | --labels is empty
gradient-flow --fail-on "" | --fail-on is empty
gradient-whiteness --points 2 | --points cannot be 2
gradient-whiteness --lines 0 | --lines cannot be 0
loss-landscape --dimensions 3 | --dimensions cannot be 3
loss-landscape --points 100001 | --points cannot be 100,001
loss-landscape --reach 0 | --reach cannot be 0
loss-landscape --reach inf | --reach cannot be inf
pixels --side 1 | --side cannot be 1
pixels --patch -1,0 | --patch cannot be -1
pixels --patch LONG,0 | --patch cannot be
convolve --stride 0 | --stride cannot be 0
convolve --dilation 100000000000000000000 | --dilation
convolve --at -1,0 | --at cannot be -1
convolve --kernel NAME | There is no kernel
convolve --kernel "" | --kernel is empty
convolve-signals --at -1 | --at cannot be -1
weight-sharing --kernel 0 | --kernel cannot be 0
weight-sharing --filters 0 | --filters cannot be 0
pooling --size 0 | --size cannot be 0
pooling --channel -1 | --channel cannot be -1
pooling --stride 99999999999999999999 | --stride
normalization --groups 0 | --groups cannot be 0
activation-functions --width 9999999999 | --width
activation-functions --layers 0 | --layers cannot be 0
activation-functions --layers 9999999999 | --layers
softmax --temperatures 0,1 | --temperatures cannot be 0
softmax --temperatures 1,nan | --temperatures cannot be nan
optimizers --steps 0 | --steps cannot be 0
optimizers --steps 1000000000000 | --steps
overfitting --epochs 0 | --epochs cannot be 0
overfitting --epochs 1000000000 | --epochs
overfitting --scenes 0 | --scenes cannot be 0
overfitting --seeds 13 | --seeds cannot be 13
overfitting --dropout 1 | --dropout cannot be 1
overfitting --dropout -0.1 | --dropout cannot be -0.1
overfitting --weight-decay nan | --weight-decay cannot be nan
evaluate --steps 1 | --steps cannot be 1
evaluate --steps 10000000000 | --steps
evaluate --stages 0 | --stages cannot be 0
evaluate --random 0 | --random cannot be 0
evaluate --seed -1 | --seed cannot be -1
evaluate --seed LONG | --seed
evaluate --count 0 | --count cannot be 0
evaluate --out ~nouser/o | There is no folder
errors --worst -1 | --worst cannot be -1
errors --worst 100000000000000000000 | --worst
errors --confident 1.5 | --confident cannot be 1.5
errors --confident nan | --confident cannot be nan
errors --out ~nouser/o | There is no folder
evaluate-classifier --top 0 | --top cannot be 0
evaluate-classifier --explain -1 | --explain cannot be -1
evaluate-classifier --seed -1 | --seed cannot be -1
gallery --count 0 | --count cannot be 0
gallery --precision half | is not one of
gallery --visualize "" | --visualize is empty
gallery --out ~nouser/o | There is no folder
report --count 0 | --count cannot be 0
report --sections "" | --sections is empty
report --out ~nouser/o | There is no folder
explore --layers "" | --layers is empty
explore --out page.png | is the name of no page
explore --out ~nouser/o.html | There is no folder
lecture --chapters "" | --chapters is empty
shapes --count 0 | --count cannot be 0
shapes --count 999999999999 | --count
shapes --start -1 | --start cannot be -1
shapes --seed 100000000000000000000000000000 | a number of 30 digits
shapes --size 31 | --size cannot be 31
shapes --size 99999999 | --size
shapes --rotation LONG | --rotation cannot be
shapes --class ² | '²' is not a class
shapes --out ~nouser/o | There is no folder
""".strip().splitlines()

# Told once the network is there, whose layers and classes they name, and before it is run.
OF_THE_NETWORK = """
predictions --resize LONG | is no size
predictions --resize 0 | resize cannot be 0
predictions --resize 99999999 | resize cannot be 99,999,999
predictions --crop ² | is no size
predictions --mean LONG | mean cannot be inf
predictions --std nan | std cannot be nan
predictions --std 0 | is not positive
predictions --output NAME | There is no kind of output
cam --target ² | has no class '²'
cam --target LONG | has no class '999
cam --target 10 | There is no class 10
cam --target -1 | There is no class -1
cam --layer NAME | has no layer 'nnn
cam --layer features.0#² | features.0#²
visualize --units features.0:0-99999999999 | There is no channel 99,999,999,999
visualize --units features.0:9999 | has no channel 9999
visualize --units features.0:LONG | is neither a channel nor a range
visualize --units features.0:² | is neither a channel nor a range
visualize --units features.0:5-1 | is empty
visualize --units features.0:1 --budget x | is no time
visualize --units features.0:1 --budget LONGh | is no time
deconvnet --channels 0-99999999999 | There is no channel
deconvnet --channels 1,² | is neither a channel nor a range
gallery shapes --visualize features.0:9999 | has no channel 9999
gallery shapes --visualize features.0:0-99999999999 | There is no channel
gallery shapes --visualize conv:0 --budget x | is no time
gallery shapes --visualize linear:0 --budget -1s | is no time
gradient-flow --labels ² | has no class '²'
equivariance --shift 300 | cannot be shifted by 300
augmentation --transform Resize(20000) | A number in a transform cannot be 20,000
augmentation --transform Resize(1e999) | A number in a transform cannot be inf
augmentation --transform Resize(((((1 | is no transform
pooling --image 3 | There is no image 3
feature-maps --image 3 | There is no image 3
normalization --groups 7 | cannot be parted into 7 groups
""".strip().splitlines()


def _read(line: str) -> tuple[list[str], str]:
    command, _, named = line.rpartition(" | ")
    words = shlex.split(command.replace("LONG", LONG).replace("NAME", NAME))
    return words, named


def _check(run: Run, line: str) -> None:
    words, named = _read(line)
    ended = run(*words)
    assert ended.code == 2, ended.err[:400]
    assert named in " ".join(ended.err.split()), ended.err[:400]
    assert "Traceback" not in ended.err
    # Neither a name nor a number is echoed at any length.
    assert len(ended.err) < 3000


@pytest.mark.parametrize("line", UNREAD)
def test_is_refused_before_a_network_is_loaded(
    line: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def began(*_: Any, **__: Any) -> Any:
        pytest.fail("work began")

    if not line.startswith(("predictions --model", "predictions --weights", "predictions --dev")):
        monkeypatch.setattr(network_options, "load_model", began)
    _check(run, line)


@pytest.mark.parametrize("line", OF_THE_NETWORK)
def test_is_refused_once_the_network_is_known(line: str, run: Run) -> None:
    _check(run, line)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_number_of_a_view_has_bounds(view: View) -> None:
    function = view.function()
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = resolved(function, parameter.annotation)
        unbounded = ("target", *NOT_BOUNDED.get(view.name, ()))
        if _takes_a_number(annotation) and name not in unbounded:
            assert bounds_of(annotation) is not None, f"{view.name}: {name}"


NOT_BOUNDED = {
    # The index of a class is looked for among those of the network, everywhere.
    # A matrix and a signal are looked at as a whole; labels and channels by the network's own.
    "convolve": ("image", "kernel"),
    "convolve_signals": ("signal", "response"),
    "deconvnet": ("channels",),
    "top_activations": ("channels",),
    "gradient_flow": ("labels",),
    "loss_landscape": ("labels",),
    # A time, which `read_span` reads.
    "feature_visualization": ("budget",),
}


def _takes_a_number(annotation: Any) -> bool:
    if annotation in (int, float):
        return True
    return any(_takes_a_number(part) for part in get_args(annotation) if part is not ...)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_help_tells_the_bounds(view: View) -> None:
    """Said in the option, which is made of the view's own signature."""
    function = view.function()
    options = {p.name: p for p in inspect.signature(build(view)).parameters.values()}
    for name, parameter in inspect.signature(function).parameters.items():
        said = bounds_of(resolved(function, parameter.annotation))
        if said is not None and name in options:
            option = get_args(options[name].annotation)[1]
            assert str(said[0]) in option.help


@pytest.mark.parametrize(
    ("bounds", "words", "inside", "outside"),
    [
        (Within(1, 1000), "from 1 to 1,000", (1, 1000), (0, 1001, -1, 10**400)),
        (Within(0.0, 1.0, above=True), "above 0 and at most 1", (0.1, 1), (0, float("nan"))),
        (Within(0.0, 1.0, below=True), "from 0 to below 1", (0, 0.99), (1.0, float("inf"))),
    ],
)
def test_bounds(bounds: Within, words: str, inside: Any, outside: Any) -> None:
    assert str(bounds) == words
    bounds.check("it", inside)
    for value in outside:
        with pytest.raises(CnnvizError, match="it cannot be"):
            bounds.check("it", value)
    with pytest.raises(CnnvizError, match=r"it cannot be 1\.5. Give a whole number"):
        Within(1, 3).check("it", 1.5, whole=True)
    bounds.check("it", "text")
    bounds.check("it", None)


def test_the_library_refuses_the_same_numbers() -> None:
    import cnnviz

    with pytest.raises(CnnvizError, match="seed cannot be -1"):
        cnnviz.optimizers(seed=-1)
    with pytest.raises(CnnvizError, match="image_size cannot be 99,999,999"):
        cnnviz.architecture(cnnviz.load("shapes"), 99_999_999)
    with pytest.raises(CnnvizError, match="every cannot be 0"):
        cnnviz.GradientMonitor(None, every=0)  # type: ignore[arg-type]
    with pytest.raises(CnnvizError, match="count cannot be 0"):
        cnnviz.open_dataset("shapes", 0)


def test_an_option_that_may_be_empty_says_so(run: Run) -> None:
    found = {
        view.name: [
            name
            for name, parameter in inspect.signature(build(view)).parameters.items()
            if lazy.MAY_BE_EMPTY in get_args(parameter.annotation)
        ]
        for view in VIEWS
    }
    assert "checks" in found["explanations"]
    assert found["cam"] == []
