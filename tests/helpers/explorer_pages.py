"""Pages of the explorer, made once, and a visitor who has one open."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import cnnviz
from cnnviz.explorer import Explorer, explore
from tests.helpers.browser import Visit


class Small(nn.Module):
    """Two stages, and a head that is no linear function of the last one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Sequential(nn.Conv2d(3, 5, 3, 2, 1), nn.BatchNorm2d(5), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(5, 7, 3, 2, 1), nn.Tanh())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(7 * 64, 30))
        norm: Any = self.first[1]
        norm.running_mean.uniform_(-0.5, 0.5)
        norm.running_var.uniform_(0.5, 2.0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.second(self.first(images)))
        return found


_NOW = """() => JSON.stringify([
  document.body.innerHTML, document.documentElement.className, localStorage.length,
  [...document.querySelectorAll("input, select, details")].map((one) => [
    one.value, one.checked, one.open,
  ]),
])"""
_BACK = """() => {
  const { app } = cnnviz;
  document.activeElement.blur();
  localStorage.clear();
  app.hovered = app.pointed = null;
  history.pushState(null, "", location.pathname);
  dispatchEvent(new PopStateEvent("popstate"));
  app.tell("");
  scrollTo(0, 0);
}"""


@dataclass
class Opened:
    """A page, the network and photo that it is of, and the window for it.

    It is loaded once it is asked for, at its beginning unless an address was opened first.
    """

    window: Visit
    model: Any
    photo: Any
    made: Explorer
    path: Path
    begun: bool = False

    @property
    def visit(self) -> Visit:
        """Who has the page open."""
        if self.window.page.url == "about:blank":
            self.goes_to("")
        return self.window

    def asks(self, expression: str, given: Any = None) -> Any:
        """Return what the page's own script finds, as JSON: Playwright is slow with long lists."""
        found = self.visit.page.evaluate(
            "(given) => { const { app, arithmetic } = cnnviz;"
            f" return JSON.stringify({expression}); }}",
            given,
        )
        return None if found is None else json.loads(found)

    def goes_to(self, address: str) -> None:
        """Open an address of the page anew."""
        if self.window.page.url != "about:blank":
            self.window.page.goto("about:blank")
        self.window.page.goto(f"{self.path.as_uri()}{address}")
        self.window.wait_until("'cnnviz' in window")
        self.begun = address == ""
        if self.begun:
            self.window.page.evaluate(f"window.first = ({_NOW})()")

    def is_as_it_was(self) -> bool:
        """Take the page back to its beginning, and return whether nothing in it is left over."""
        page = self.window.page
        if not self.begun or self.window.complaints:
            return False
        page.mouse.move(0, 0)
        page.evaluate(_BACK)
        return bool(page.evaluate(f"window.first === ({_NOW})()"))

    def changes_to(self, address: str) -> None:
        """Give the page that is open another address, as a link within it does."""
        drawn = self.asks("app.drawn")
        self.asks("void (location.hash = given)", address)
        self.visit.wait_until(f"cnnviz.app.drawn > {drawn}")


def _small() -> Any:
    return cnnviz.load(Small().eval(), categories=[f"class {k}" for k in range(30)])


_MADE: dict[str, tuple[Any, Any, Explorer]] = {}


def page_of(name: str) -> tuple[Any, Any, Explorer]:
    """Return a network, a photo and their page, made once."""
    if name not in _MADE:
        photo: Any
        if name == "small":
            model, photo = (
                _small(),
                torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1)),
            )
        else:
            model, photo = cnnviz.load(name), cnnviz.Shapes()[3].image
        _MADE[name] = model, photo, explore(model, photo)
    return _MADE[name]
