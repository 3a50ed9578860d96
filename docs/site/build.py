"""Build the documentation as a site in `site/`: the code of every page, example and notebook run.

    python docs/site/build.py [FOLDER] [--gallery] [--pictures] [--quick]

Warnings of Sphinx and of the code of pages are errors, and so is an example that fails. With
--gallery the gallery of the shipped networks is a part of the site; with --pictures `docs/images`
is renewed: what the README shows of the examples, and photographs of pages and of the explorer, for
which playwright (the test extra) and chromium must be there. With --quick no code is run, to
look at pages while writing them.
"""

from __future__ import annotations

import argparse
import gc
import io
import logging
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import api
import commands
import page_code
import staging
import view_pages
from PIL import Image
from sphinx.cmd.build import main as sphinx
from typer.main import get_command

from cnnviz_cli.app import app

GALLERY = "gallery"
EXPLORER = "explorer-live.html"
PAGES = {
    "report": ("report", "report.html", 820),
    "errors": ("errors --data shapes --count 300", "report.html", 1180),
    "gallery-unit": (
        "gallery --model shapes-plain --layers features.8 --count 100",
        "models/shapes-plain/features.8/42.html",
        1140,
    ),
}
"""Which pages are photographed: the command, the page in its folder, and the height in pixels."""


def build(target: Path, quick: bool = False, pictures: Path | None = None) -> None:
    """Write the pages to `target`, of which the gallery and the explorer are left as they are.

    Parameters
    ----------
    target : Path
        The folder of the site.
    quick : bool
        Whether to run nothing.
    pictures : Path, optional
        Where to put the pictures that examples have made for other pages.

    Raises
    ------
    RuntimeError
        If the code of a page fails, Sphinx warns of anything, or an example fails; what it was
        stands on stderr.
    """
    if not quick:
        page_code.run_all(page_code.plain_pages())
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        staging.stage(source)
        api.write(source / "docs" / "api")
        commands.write(source / "docs" / "cli")
        view_pages.finish(source / "docs" / "views", quick)
        options = ["-W", "--keep-going", "-q", "-b", "html", "-c", str(staging.SITE)]
        options += ["-d", str(Path(folder) / "doctrees"), "-D"]
        options += ["plot_gallery=0" if quick else "nb_execution_mode=force"]
        options += ["-A", "gallery=1"] if (target / GALLERY / "index.html").is_file() else []
        # Notebooks that were run are left beside the pages, which therefore are built in here.
        pages = Path(folder) / "pages"
        # Each event of each page is told as well, to nobody.
        logging.disable(logging.INFO)
        try:
            failed = sphinx([*options, str(source), str(pages)])
        finally:
            logging.disable(logging.NOTSET)
        if failed:
            raise RuntimeError("The site is not built: Sphinx says above what is wrong.")
        clear(target)
        for each in pages.iterdir():
            shutil.move(each, target / each.name)
        keep_reports(source / "docs" / "notebooks", target / "docs" / "notebooks")
        if pictures is not None:
            for name in staging.PICTURES:
                shutil.copy(source / "docs" / "images" / f"{name}.webp", pictures)


def keep_reports(written: Path, target: Path) -> None:
    """Copy what notebooks have written as reports beside their pages, which link to them."""
    for page in written.glob("*/report.html"):
        shutil.copytree(page.parent, target / page.parent.name)


def clear(target: Path) -> None:
    """Empty a folder but for the gallery and the explorer in it.

    Of the gallery only what changes is made anew.
    """
    target.mkdir(parents=True, exist_ok=True)
    for each in target.iterdir():
        if each.is_dir() and each.name != GALLERY:
            shutil.rmtree(each)
        elif not each.is_dir() and each.name != EXPLORER:
            each.unlink()


def build_gallery(target: Path) -> None:
    """Write the gallery of the shipped networks into the site: a few minutes the first time."""
    print("building the gallery", flush=True)
    command = [sys.executable, "-m", "cnnviz_cli", "gallery", "--out", str(target / GALLERY)]
    subprocess.run(command, check=True)


def build_explorer(target: Path) -> None:
    """Write the explorer of a shipped network into the site, for its page to show."""
    command = ["explore", "--model", "shapes-residual", "--out", str(target / EXPLORER), "--quiet"]
    # In this process, which has imported torch already.
    get_command(app).main(command, prog_name="cnnviz", standalone_mode=False)


def photograph_pages(images: Path) -> None:
    """Write pictures of the tops of pages that commands make into a folder, as WebP."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (words, page, height) in PAGES.items():
            out = Path(folder, name)
            command = [sys.executable, "-m", "cnnviz_cli", *words.split(), "--out", str(out)]
            subprocess.run(command, check=True)
            photograph(out / page, images / f"{name}.webp", height=height)


def photograph(page: Path, target: Path, state: str = "", height: int = 820) -> None:
    """Write a picture of the top of a page, in the state that its address names, as WebP."""
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        # A sandbox of its own is refused to root, as in containers.
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        size = {"width": 1280, "height": height}
        shown = chromium.new_page(viewport=size, device_scale_factor=1)
        shown.goto(page.resolve().as_uri() + state)
        shown.wait_for_load_state("networkidle")
        picture = Image.open(io.BytesIO(shown.screenshot()))
        picture.convert("RGB").save(target, quality=88, method=6)
        chromium.close()


def main() -> None:
    """Build the site, and renew the README's pictures where that was asked for."""
    parser = argparse.ArgumentParser(description="Build the documentation as a site.")
    parser.add_argument("folder", nargs="?", type=Path, default=staging.ROOT / "site")
    parser.add_argument("--pictures", action="store_true", help="renew docs/images, too")
    parser.add_argument("--gallery", action="store_true", help="build the gallery, too")
    parser.add_argument("--quick", action="store_true", help="run no code")
    chosen = parser.parse_args()
    if chosen.quick and chosen.pictures:
        parser.error("--pictures come from the examples, which --quick does not run")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    if chosen.gallery and not chosen.quick:
        build_gallery(chosen.folder)
    images = staging.DOCS / "images"
    # Pages are trees, whose nodes know one another. Looked through at every 700 new objects, as is
    # usual, they took a tenth of the time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    try:
        build(chosen.folder, chosen.quick, images if chosen.pictures else None)
    except RuntimeError as error:
        sys.exit(str(error))
    # A few seconds; without it, its page has a hole.
    if not (chosen.quick and (chosen.folder / EXPLORER).exists()):
        build_explorer(chosen.folder)
    if chosen.pictures:
        photograph_pages(images)
        photograph(chosen.folder / EXPLORER, images / "explorer.webp", "#at=0.5,0.45")
    print(chosen.folder / "index.html")


if __name__ == "__main__":
    main()
