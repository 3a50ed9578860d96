"""Folders of photos that hold none or damaged ones, and places to which nothing can be written."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

EARLY = r"""
errors --data nowhere | There is no folder 'nowhere'
errors --data photo/ | There is no folder 'photo'. Did you mean 'photo.png'
errors --data photo.png/ | 'photo.png/' is a file, and no folder
errors --data "" | --data is empty
errors --data NO_TEXT | There is no folder
errors --data damaged --count 2 | No image of 2 of damaged, 3 images in 1 folder can be used
predictions photo.png/ | photo.png/: this is a file, and no folder
predictions empty | There is no image in 'empty'
predictions texts | There is no image in 'texts'
explore flat | A page shows one image, and 'flat' means 2 of them
explore photo.png flat/*.png | A page shows one image, and 'flat/*.png' means 2 of them
explore photo.png --compare flat | A page shows one image, and 'flat' means 2 of them
lecture flat | A lecture shows one image, and 'flat' means 2 of them
convolve flat | flat: this is a folder. Name an image in it, such as flat/0.png
convolve empty | empty: this is a folder. Name an image file; there is none in it
predictions empty/*.png | No file matches 'empty/*.png'
predictions to-itself | to-itself: there is no such file
"""

CASES = r"""
errors --data masks | There is no image in 'masks'
errors --data texts | There is no image in 'texts'
errors --data nested | There is no image in 'nested'
errors --data empty | There is no image in 'empty'
errors --data photo.png | Nothing says what the images show
errors --data flat | Nothing says what the images show (flat, 2 images)
errors --data names | The network has no class 'cats'
evaluate-classifier --data flat | Nothing says what the images show (flat, 2 images)
evaluate-classifier --data names | The network has no class 'cats'
gallery shapes-plain --data nowhere | There is no folder 'nowhere'
gallery shapes-plain --data empty | There is no image in 'empty'
gallery nowhere | There is no network called 'nowhere'
gallery --count 9 --layers features.6 | shapes-residual: The network has no layer 'features.6'
gallery --out photo.png | photo.png' is a file
gallery --out full | full' is not empty and is not a cnnviz gallery
report photo.png --out full | full' is not empty and is not a cnnviz report
report photo.png --out photo.png | photo.png' is a file. Name a folder
report photo.png --out texts/read.txt | read.txt' is a file
evaluate --out full | holds 'mine.txt', which is no part of an evaluation
evaluate-classifier --data shapes --out full | full' is not empty and is not a cnnviz report
errors --data shapes --out full | full' is not empty and is not a cnnviz report
lecture --out full | full' is not empty and is not a cnnviz report
shapes --count 2 --out full | 'full' is already there
losses --out nowhere/losses.png | There is no folder 'nowhere'
losses --out empty | A result cannot be saved as 'empty'
losses --out texts/read.txt/losses.png | 'texts/read.txt' is a file, and no folder
losses --out texts/read.txt/more/losses.png | 'texts/read.txt' is a file, and no folder
errors --data shapes --out texts/read.txt/more | is a file, and no folder to write the report
shapes --count 2 --out texts/read.txt/more | read.txt' is a file, and no folder
gallery --out texts/read.txt/more | read.txt' is a file, and no folder to write the gallery to
evaluate --out texts/read.txt/more | read.txt' is a file, and no folder
"""


def make(folder: Path) -> None:
    """Write folders of each kind."""
    photo = Image.new("RGB", (64, 64), (90, 120, 40))
    photo.save(folder / "photo.png")
    for name in ("empty", "nested/a/b", "texts", "masks", "flat", "names/cats", "names/dogs"):
        (folder / name).mkdir(parents=True)
    (folder / "texts" / "read.txt").write_text("No photo.")
    photo.save(folder / "masks" / "one-mask.png")
    for place in range(2):
        photo.save(folder / "flat" / f"{place}.png")
        photo.save(folder / "names" / "cats" / f"{place}.png")
    photo.save(folder / "names" / "dogs" / "0.png")
    (folder / "damaged" / "circle").mkdir(parents=True)
    for place in range(3):
        (folder / "damaged" / "circle" / f"{place}.png").write_text("No photo.")
    (folder / "to-itself").symlink_to("to-itself")
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("Somebody's own.")
