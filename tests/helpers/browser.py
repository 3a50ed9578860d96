"""A page opened in a real browser, and what it complained about or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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


class Visit:
    """A visitor, and everything that the pages complained about or asked for."""

    def __init__(
        self,
        browser: Browser,
        width: int,
        theme: Literal["light", "dark"],
        scripts: bool = True,
        touch: bool = False,
    ) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=scripts,
            has_touch=touch,
        )
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

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

    def wait_until(self, condition: str) -> None:
        # Not wait_for_function: it evaluates text inside the page, which the page's policy forbids.
        for _ in range(300):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"the page never came to {condition}")

    def strangers(self, folder: Path) -> list[str]:
        """Return what was asked for outside a folder."""
        home = folder.as_uri() + "/"
        return [url for url in self.requests if not url.startswith((home, "data:image/"))]
