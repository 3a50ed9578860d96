"""Views of other packages: how they are found, and why some are refused."""

import shutil
import subprocess
import sys

import pytest
from typer.main import get_command

import cnnviz.views
from cnnviz.errors import InstallationError, UsageError
from cnnviz.reports.sections import SECTIONS, choose
from cnnviz.views import VIEWS, View, find
from cnnviz.views.plugins import RESERVED, Plugins, installed
from cnnviz_cli.app import app
from tests.helpers.distributions import forget, install, install_documented

LINE = "from cnnviz.views import View\nVIEW = View({name!r}, 'model', 'It looks.', module='m')\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder that Python looks for packages in; what was imported from it is forgotten."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    forget(tmp_path)


def _bring(site, distribution, name, text=None, entry=None):
    """Install a distribution with one view, whose line lies in a module of its own."""
    module = f"line_of_{distribution.replace('-', '_')}"
    source = LINE.format(name=name) if text is None else text
    install(site, distribution, {entry or name: f"{module}:VIEW"}, {f"{module}.py": source})


def test_nothing_is_found_where_nothing_is_installed(site):
    assert installed() == Plugins()
    with pytest.raises(KeyError, match="looks"):
        find("looks")


def test_a_view_is_found_by_its_name_and_is_no_name_of_the_library(site):
    install_documented(site)
    (plugin,) = installed().found
    assert (plugin.distribution, plugin.entry_point) == (
        "cnnviz-roughness",
        "cnnviz_roughness:VIEW",
    )
    assert find("roughness") is plugin.view
    assert find("roughness").function().__name__ == "roughness"
    assert find("cam") in VIEWS
    assert not hasattr(cnnviz, "roughness")


REFUSED = {
    "fails": (
        "raise RuntimeError('no\\n luck.')",
        "cannot be imported: RuntimeError: no luck (line_of_them.py, line 1).",
    ),
    "stops": (
        "raise SystemExit(3)",
        "cannot be imported: SystemExit: 3 (line_of_them.py, line 1).",
    ),
    "syntax": ("VIEW = = 3", "cannot be imported: SyntaxError: invalid syntax"),
    "empty": ("", "cannot be imported: AttributeError: module"),
    "number": ("VIEW = 3", "is an int at line_of_them:VIEW, not a cnnviz.views.View."),
    "homeless": (
        "from cnnviz.views import View\nVIEW = View('homeless', 'model', 'It looks.')",
        "does not say the module that holds its function.",
    ),
    "other": (LINE.format(name="another"), "calls itself 'another'; the two names must be one."),
    "two words": (LINE.format(name="two words"), "has a name that is no name of a function."),
    "cam": (LINE.format(name="cam"), "has a name that cnnviz itself uses: cam."),
    "occlude": (LINE.format(name="occlude"), "has a name that cnnviz itself uses: occlude."),
    "report": (LINE.format(name="report"), "has a name that cnnviz itself uses: report."),
    "units": (LINE.format(name="units"), "has a name that cnnviz itself uses: units."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_one_sentence_that_names_the_package(site, name):
    text, why = REFUSED[name]
    _bring(site, "them", name, text, entry=name)
    install_documented(site)
    plugins = installed()
    assert [plugin.view.name for plugin in plugins.found] == ["roughness"]
    (refusal,) = plugins.refused
    assert refusal.reason.startswith(f"The view {name!r} of them {why}")
    assert "\n" not in refusal.reason
    assert str(refusal.error()).endswith("Mend, update or uninstall the package them.")
    if name not in {view.name for view in VIEWS}:
        with pytest.raises(InstallationError, match="of them"):
            find(name)


def test_of_two_views_with_one_name_neither_is_used(site):
    _bring(site, "one", "looks")
    _bring(site, "other", "looks")
    _bring(site, "third", "hears")
    plugins = installed()
    assert [plugin.view.name for plugin in plugins.found] == ["hears"]
    assert [refusal.reason for refusal in plugins.refused] == [
        "The view 'looks' of one has the name of a view of other; neither is used.",
        "The view 'looks' of other has the name of a view of one; neither is used.",
    ]


def test_the_reserved_words_are_the_other_words_of_commands_and_sections():
    views = {word for view in VIEWS for word in (view.command, view.name.replace("_", "-"))}
    words = {*get_command(app).commands, *(kind.key.replace("_", "-") for kind in SECTIONS)}
    assert words - views == RESERVED


def test_a_section_comes_when_it_is_named_and_before_what_is_said_of_the_report(site):
    install_documented(site)
    _bring(site, "them", "fails", "raise RuntimeError('no luck')")
    assert "roughness" not in [kind.key for kind in choose(None, thorough=True)]
    chosen = choose("provenance,Roughness,photo")
    assert [kind.key for kind in chosen] == ["photo", "roughness", "provenance"]
    assert (chosen[1].title, chosen[1].about, chosen[1].needs) == (
        "How rough the feature maps of each layer are",
        "image",
        "forward",
    )
    with pytest.raises(UsageError, match="Did you mean 'roughness'"):
        choose("roughnes")
    with pytest.raises(InstallationError, match="of them cannot be imported"):
        choose("fails")


def test_a_section_of_its_own_is_the_one_that_the_line_names(site):
    line = LINE.format(name="looks").replace("module='m'", "module='m', section='parts:told'")
    _bring(site, "them", "looks", line)
    (site / "parts.py").write_text("def told(context):\n    return context\n")
    (kind,) = choose("looks")
    assert kind.builder()("this") == "this"


def test_looking_for_views_imports_no_more_than_the_lines(site):
    install_documented(site)
    code = (
        "import sys, cnnviz, cnnviz.views; assert 'cnnviz_roughness' not in sys.modules; "
        "cnnviz.views.find('cam'); assert 'cnnviz_roughness' not in sys.modules; "
        "cnnviz.views.find('roughness'); "
        "print({'torch', 'numpy', 'matplotlib', 'cnnviz_roughness.view'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("others", [False, True])
def test_the_slow_search_is_spared_where_no_package_mentions_views(site, others):
    if others:
        install_documented(site)
    code = (
        "import sys; from cnnviz.views import plugins; plugins._any_mentions(sys.path); "
        "found = plugins.installed(); print(len(found.found), 'importlib.metadata' in sys.modules)"
    )
    paths = f"import sys; sys.path[:] = [{str(site)!r}, *sys.path] if {others} else sys.path; "
    done = subprocess.run(
        [sys.executable, "-c", paths + code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(int(others)), str(others)]


def test_a_zip_file_of_packages_is_searched(site, tmp_path_factory, monkeypatch):
    folder = install_documented(tmp_path_factory.mktemp("zipped"))
    monkeypatch.syspath_prepend(shutil.make_archive(str(site / "them"), "zip", folder))
    assert [plugin.distribution for plugin in installed().found] == ["cnnviz-roughness"]


def test_a_line_says_by_itself_where_its_function_is():
    assert View("cam", "capture", "It looks.").function() is find("cam").function()
