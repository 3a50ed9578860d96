"""`check_view` passes a view that keeps the laws, and names each law that another breaks."""

import itertools
import random
import sys
import types
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from cnnviz.images import read_photo
from cnnviz.introspection.hooks import preserve_state
from cnnviz.models import as_model
from cnnviz.passes.captures import capture
from cnnviz.passes.origin import origin
from cnnviz.results.animation import AnimatedResult, Frame
from cnnviz.results.drawing import canvas
from cnnviz.results.provenance import ImageSource, Provenance
from cnnviz.results.result import Result
from cnnviz.testing import LAWS, Trial, check_view, network_state, small_network
from cnnviz.testing import laws as law
from cnnviz.views import View, find
from tests.helpers.distributions import documented, forget, install, install_documented

COUNT = itertools.count()
LISTED = law.it_is_listed_without_heavy_imports


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Looks(Result):
    values: np.ndarray

    def draw(self, into=None):
        figure = canvas(2, 1, into)
        figure.add_subplot(title="looks").plot(self.values.ravel())
        return figure

    def caption(self):
        return "The answer of the network, one value for each of the classes it knows."

    def summary(self):
        return f"{self.values.size} values"


def looks(model, images):
    """Look at an image."""
    wrapped = as_model(model)
    batch = wrapped.prepare(images)
    with preserve_state(wrapped.module), torch.no_grad():
        answer = wrapped.forward(batch.tensor)
    return Looks(values=answer.numpy(), provenance=origin(wrapped, batch))


LOOKS = View("looks", "model", "It looks.", module="a_module_of_theirs")


@pytest.fixture
def with_function(monkeypatch):
    """Give the view a function, in a module that nobody wrote down."""
    module = types.ModuleType(LOOKS.module)
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def give(function, name="looks"):
        function.__name__ = name
        monkeypatch.setattr(module, "looks", function, raising=False)

    return give


def _after(change):
    """Return a view that does something to the module besides looking."""

    def view(model, images):
        """Look at an image, and break something."""
        found = looks(model, images)
        change(as_model(model).module)
        return found

    return view


def _with(**methods):
    """Return a view whose result does something in another way."""

    def view(model, images):
        """Look at an image."""
        found = looks(model, images)
        kind = dataclass(frozen=True, kw_only=True, repr=False, eq=False)(
            type("Other", (Looks,), methods)
        )
        return kind(values=found.values, provenance=found.provenance)

    return view


def _holding(**fields):
    return lambda model, images: replace(looks(model, images), **fields)


def _forgets_eval(model, images):
    module = as_model(model).module
    modes = [child.training for child in module.modules()]
    module.eval()
    module(images)
    for child, mode in zip(module.modules(), modes, strict=True):
        child.training = mode
    return looks(model, images)


def _swallows(model, images):
    try:
        return looks(model, images)
    except (Exception, KeyboardInterrupt):
        return None


def _disguises(model, images):
    try:
        return looks(model, images)
    except KeyboardInterrupt as stop:
        raise ValueError("stopped") from stop


def _not_decorated(model, images):
    found = looks(model, images)
    kind = type("Loose", (Looks,), {})
    return kind(values=found.values, provenance=found.provenance)


def _writes_to_images(model, images):
    images.zero_()
    return looks(model, images)


def _only_three_channels(model, images):
    if images.shape[1] != 3:
        raise ValueError("three channels")
    return looks(model, images)


def _pyplot_figure(self):
    figure = plt.figure()
    figure.add_subplot(title="looks")
    return figure


def _many_axes(self):
    figure = Figure()
    figure.subplots(4, 4)
    figure.suptitle("looks")
    return figure


def _wordless(self):
    figure = Figure()
    figure.add_axes((0, 0, 1, 1)).set_axis_off()
    return figure


def _of_another_title_each_time(self, into=None):
    figure = Looks.draw(self, into)
    figure.axes[0].set_title(str(next(COUNT)))
    return figure


def _wide_for_callers(self, into=None):
    figure = Looks.draw(self, into)
    if into is not None:
        figure.set_size_inches(3, 1)
    return figure


def _elsewhere(self, into=None):
    return Looks.draw(self)


def _set_grad(module):
    next(module.parameters()).grad = None


def _add(tensors):
    def change(module):
        with torch.no_grad():
            next(iter(tensors(module))).add_(1)

    return change


def _without(**parts):
    def view(model, images):
        found = looks(model, images)
        return replace(found, provenance=replace(found.provenance, **parts))

    return view


UNCHANGED = law.the_network_is_never_changed
SAYS_WHERE = law.its_result_says_where_it_came_from
IN_WORDS = law.its_result_is_told_in_words
BROKEN = {
    "a hook": (UNCHANGED, _after(lambda m: m.register_forward_hook(lambda *_: None)), "the hooks"),
    "a parameter": (UNCHANGED, _after(_add(lambda m: m.parameters())), "its parameters"),
    "a buffer": (UNCHANGED, _after(_add(lambda m: m.buffers())), "its buffers"),
    "a .grad": (UNCHANGED, _after(_set_grad), "the .grad of its parameters"),
    "requires_grad": (UNCHANGED, _after(lambda m: m.requires_grad_(True)), "require a gradient"),
    "the mode": (UNCHANGED, _after(lambda m: m.eval()), "which layers are in training mode"),
    "torch's random state": (UNCHANGED, _after(lambda m: torch.rand(1)), "state of torch"),
    "numpy's random state": (UNCHANGED, _after(lambda m: np.random.rand()), "state of numpy"),  # noqa: NPY002
    "Python's random state": (UNCHANGED, _after(lambda m: random.random()), "state of Python"),
    "the images": (UNCHANGED, _writes_to_images, "It changes the images it is given."),
    "an exception": (law.an_exception_leaves_nothing_behind, _forgets_eval, "after a RuntimeError"),
    "Ctrl-C": (law.ctrl_c_leaves_nothing_behind, _forgets_eval, "after a KeyboardInterrupt"),
    "Ctrl-C goes unheard": (law.ctrl_c_leaves_nothing_behind, _swallows, "It goes on after"),
    "Ctrl-C in disguise": (law.ctrl_c_leaves_nothing_behind, _disguises, "makes a ValueError of"),
    "no result": (law.its_result_is_frozen_data, lambda model, images: 3, "a int, which is no"),
    "not frozen": (law.its_result_is_frozen_data, _not_decorated, "Loose is no frozen dataclass"),
    "no provenance": (SAYS_WHERE, _holding(provenance=None), "has no provenance"),
    "no weights": (SAYS_WHERE, _without(weights_sha256=""), "lacks the SHA-256"),
    "no images": (SAYS_WHERE, _without(images=()), "lacks the images"),
    "a caption": (IN_WORDS, _with(caption=lambda self: "Values."), "explains nothing: 'Values.'"),
    "a summary": (IN_WORDS, _with(summary=lambda self: "one\ntwo"), "summary is no line"),
    "a repr": (IN_WORDS, _with(__repr__=lambda self: "one\ntwo"), "longer than one line"),
    "its JSON": (law.its_numbers_come_out, _with(to_json=lambda self: {"x": 1}), "lacks the sum"),
    "no JSON": (law.its_numbers_come_out, _with(to_json=lambda self: {"x": np.nan}), "Out of ran"),
    "its arrays": (
        law.its_numbers_come_out,
        _holding(values=np.array([None])),
        "array 'values' holds Python objects",
    ),
    "no figure": (law.it_draws_itself, _with(figure=lambda self: "drawn"), "figure is a str"),
    "pyplot": (law.it_draws_itself, _with(figure=_pyplot_figure), "one of pyplot"),
    "many axes": (law.it_draws_itself, _with(figure=_many_axes), "has 16 axes, not 1 to 12"),
    "no words": (law.it_draws_itself, _with(figure=_wordless), "has no words on it"),
    "saving": (
        law.it_is_saved_under_every_suffix,
        _with(_save_json=lambda self, path: path.write_text("no JSON") and path),
        "saves as .json is no such file",
    ),
    "saving elsewhere": (
        law.it_is_saved_under_every_suffix,
        _with(
            save=lambda self, path, **how: Looks.save(self, path.with_stem("other"), **how) and path
        ),
        "It raises FileNotFoundError",
    ),
    "chance": (
        law.the_same_input_gives_the_same_result,
        lambda model, images: replace(
            looks(model, images), values=np.random.default_rng().random(4)
        ),
        "array 'values' is another",
    ),
    "a picture by chance": (
        law.the_same_input_gives_the_same_result,
        _with(draw=_of_another_title_each_time),
        "Its picture is another the second time.",
    ),
    "a picture of its own size": (
        law.the_same_input_gives_the_same_result,
        _with(draw=_wide_for_callers),
        "is another in a figure of the caller's that is as large",
    ),
    "a figure of its own": (
        law.the_same_input_gives_the_same_result,
        _with(draw=_elsewhere),
        "into another figure than the one that a caller gives",
    ),
    "other inputs": (law.other_channels_and_sizes_will_do, _only_three_channels, "three channels"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_law_that_is_broken_is_named_with_what_was_seen(what, with_function):
    broken, function, said = BROKEN[what]
    with_function(function)
    try:
        with pytest.raises(AssertionError) as told:
            check_view(LOOKS, laws=[broken])
    finally:
        plt.close("all")
    head, line = str(told.value).splitlines()
    assert head == "The view 'looks' breaks 1 of 1 laws:"
    assert line.startswith(f"- {broken.__name__}: ")
    assert said in line


LINES = {
    "images": ({"images": "none"}, "has parameter 'images'"),
    "data": ({"images": "data"}, "has parameter 'images'"),
    "target": ({"target": True}, "has no parameter 'target'"),
    "progress": ({"progress": True}, "has no parameter 'progress'"),
    "layers": ({"layers_from": "layer"}, "no parameter 'layer', which layers_from names"),
    "capture": ({"needs": "capture", "images": "data"}, "A capture is of photos"),
    "section": ({"section": "math:no_such"}, "no function math:no_such, which builds its sect"),
    "summary": ({"summary": "It looks"}, "summary is no sentence"),
    "photo": ({"needs": "photo"}, "has parameter 'images'"),
    "network": ({"network": True}, "Its line says network, and no photo"),
}


@pytest.mark.parametrize("what", LINES)
def test_a_line_that_says_other_than_the_function_is_told(what, with_function):
    changed, said = LINES[what]
    with_function(looks)
    with pytest.raises(AssertionError, match=f"its_line_agrees_with_its_function: .*{said}"):
        check_view(replace(LOOKS, **changed), laws=[law.its_line_agrees_with_its_function])


def test_a_name_and_a_docstring_are_part_of_the_line(with_function):
    with_function(lambda model, images: None, name="sees")
    with pytest.raises(AssertionError, match="called 'sees'"):
        check_view(LOOKS, laws=[law.its_line_agrees_with_its_function])
    with_function(lambda model, images: None)
    with pytest.raises(AssertionError, match="no docstring"):
        check_view(LOOKS, laws=[law.its_line_agrees_with_its_function])


def test_a_view_of_a_capture_that_runs_the_network_again_is_told(with_function):
    def again(held):
        """Look again."""
        return looks(held.model, held.batch)

    with_function(again)
    with pytest.raises(AssertionError, match="a_capture_is_enough: It runs the network again"):
        check_view(replace(LOOKS, needs="capture"), laws=[law.a_capture_is_enough])


def test_a_view_that_keeps_the_laws_passes_all_but_that_it_is_installed(with_function):
    with_function(looks)
    check_view(LOOKS, laws=[each for each in LAWS if each is not LISTED])
    with pytest.raises(AssertionError) as told:
        check_view(LOOKS)
    head, line = str(told.value).splitlines()
    assert head == f"The view 'looks' breaks 1 of {len(LAWS)} laws:"
    assert "No entry point of the group 'cnnviz.views' leads to it" in line


def test_a_view_of_a_photo_that_moves_keeps_the_laws_in_every_form(with_function):
    @dataclass(frozen=True, kw_only=True, repr=False, eq=False)
    class Moves(AnimatedResult, Looks):
        def frames(self, into=None):
            yield Frame(self.draw(into), 0.1)

    def of_a_photo(image):
        """Look at a photo."""
        photo = read_photo(image)
        source = ImageSource(photo.name, photo.sha256)
        found = Provenance(model="", weights="", weights_sha256="", images=(source,))
        return Moves(values=photo.pixels.mean((0, 1)), provenance=found)

    with_function(of_a_photo)
    view = replace(LOOKS, needs="photo")
    check_view(view, laws=[each for each in LAWS if each is not LISTED])
    assert {".gif", ".webp"} < Trial(view).files.keys()
    with pytest.raises(AssertionError, match="has no parameter 'model'"):
        check_view(replace(view, network=True), laws=[law.its_line_agrees_with_its_function])


def test_every_broken_law_is_named(with_function):
    with_function(lambda model, images: 3)
    with pytest.raises(AssertionError) as told:
        check_view(LOOKS)
    named = {line.partition(":")[0].removeprefix("- ") for line in str(told.value).splitlines()}
    assert {"its_result_is_frozen_data", "it_draws_itself", "its_numbers_come_out"} <= named


def test_arguments_reach_the_function():
    given = {"units": "3:0", "steps": 0}
    with pytest.raises(AssertionError, match=r"It raises UsageError: .*steps"):
        check_view(find("feature_visualization"), laws=[law.it_draws_itself], arguments=given)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget(tmp_path)


def test_the_documented_view_keeps_every_law_by_its_own_test(site):
    install_documented(site)
    names = {}
    exec(documented()["tests/test_roughness.py"], names)
    names["test_the_view_keeps_the_laws"]()


def test_a_line_that_imports_torch_is_told(site):
    files = documented()
    files["cnnviz_roughness/__init__.py"] = "import torch\n" + files["cnnviz_roughness/__init__.py"]
    files.pop("pyproject.toml")
    install(site, "cnnviz-roughness", {"roughness": "cnnviz_roughness:VIEW"}, files)
    # The name is what counts, and the process that looks need not import it all.
    (site / "torch.py").touch()
    with pytest.raises(AssertionError, match="Importing cnnviz_roughness imports torch"):
        check_view(find("roughness"), laws=[LISTED])


def test_a_view_that_is_refused_is_told_why(site, with_function):
    with_function(looks)
    install(site, "them", {"looks": "nowhere:VIEW"})
    with pytest.raises(AssertionError, match="of them cannot be imported: ModuleNotFoundError"):
        check_view(LOOKS, laws=[LISTED])


def test_the_state_of_a_network_is_compared_bit_for_bit():
    module = small_network()
    before = network_state(module)
    assert network_state(module) == before
    capture(module, torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)))
    assert network_state(module) == before
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] = torch.nextafter(
            module[0].weight[0, 0, 0, 0], torch.tensor(9.0)
        )
    assert network_state(module) != before
