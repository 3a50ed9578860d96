"""A page opened in a real browser, and what it complained about or asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_SCROLL = """async (pictures) => {
  for (const picture of document.querySelectorAll(pictures)) {
    if (picture.complete) continue;
    picture.scrollIntoView({ block: "nearest", behavior: "instant" });
    await new Promise(requestAnimationFrame);
    // One that is loaded late stays in view until it is there, or is given up.
    for (let frames = 0; !picture.complete && frames < 300; frames++) {
      await new Promise(requestAnimationFrame);
    }
  }
}"""


_FRAMES = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  // A window that is not drawn has no frames.
  setTimeout(done, 300);
})"""


_FREE: dict[tuple[bool, bool, str], list[Page]] = {}
"""Windows that were left, by whether they run scripts and are touched, and what runs first."""

_FORGET = """() => {
  if (location.protocol === "file:") { localStorage.clear(); sessionStorage.clear(); }
}"""


def _window(browser: Browser, scripts: bool, touch: bool, first: str) -> Page:
    page = browser.new_context(java_script_enabled=scripts, has_touch=touch).new_page()
    if first:
        page.add_init_script(first)
    return page


class Visit:
    """A visitor, and everything that the pages complained about or asked for.

    Who leaves has the window for the next one: opening one takes as long as most tests.
    """

    def __init__(
        self,
        browser: Browser,
        width: int,
        theme: Literal["light", "dark"],
        scripts: bool = True,
        touch: bool = False,
        first: str = "",
    ) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._kind = scripts, touch, first
        free = _FREE.setdefault(self._kind, [])
        self.page = free.pop() if free else _window(browser, *self._kind)
        self._heard: list[tuple[Any, Callable[[Any], None]]] = []
        self.hear("console", lambda message: self.complaints.append(message.text))
        self.hear("pageerror", lambda error: self.complaints.append(str(error)))
        self.hear("request", lambda request: self.requests.append(request.url))
        self.becomes(width, theme)

    def hear(self, event: str, answer: Callable[[Any], None]) -> None:
        """Let something be called at each event of a kind until the visitor leaves."""
        self._heard.append((event, answer))
        self.page.on(event, answer)  # type: ignore[call-overload]

    def leave(self) -> None:
        """Leave the window as a new one is: nothing of this visit is there in the next."""
        for event, answer in self._heard:
            self.page.remove_listener(event, answer)
        self.page.evaluate(_FORGET)
        self.page.goto("about:blank")
        # Of an empty page, which need not be laid out anew for it.
        self.page.emulate_media(media="null")
        self.page.mouse.move(0, 0)
        _FREE[self._kind].append(self.page)

    def becomes(self, width: int, theme: Literal["light", "dark"] | None = None) -> None:
        """Give the page that is open another width, and another theme where one is named."""
        self.page.set_viewport_size({"width": width, "height": 900})
        if theme is not None:
            self.page.emulate_media(color_scheme=theme)

    def scroll_to_every(self, pictures: str) -> None:
        """Bring every picture that a selector finds into view, and wait until all are there."""
        # All in one call: asked for one by one, each would wait until it has stopped moving.
        self.page.evaluate(_SCROLL, pictures)
        self.wait_until(
            f"[...document.querySelectorAll('{pictures}')].every(image => image.complete)"
        )

    def settles(self) -> None:
        """Wait until what a change asks for with the next frames has been drawn."""
        self.page.evaluate(_FRAMES)

    def wait_until(self, condition: str) -> None:
        # Not wait_for_function: it evaluates text inside the page, which the page's policy forbids.
        for _ in range(1500):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(10)
        pytest.fail(f"the page never came to {condition}")

    def strangers(self, folder: Path) -> list[str]:
        """Return what was asked for outside a folder."""
        home = folder.as_uri() + "/"
        return [url for url in self.requests if not url.startswith((home, "data:image/"))]
