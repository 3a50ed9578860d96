"""Devices, memory, places and settings of the environment that are not there, or not enough."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tests.helpers.bad_input.faulty import FAULTY

EARLY = r"""
losses --out /proc/losses.png | Nothing can be written to '/proc'
predictions photo.png --out /proc/answers.json | Nothing can be written to '/proc'
explore photo.png --out /proc/page.html | Nothing can be written to '/proc'
errors --data shapes --figure /proc/figure.pdf | Nothing can be written to '/proc'
"""

CASES = r"""
predictions photo.png --device nonsense | There is no device 'nonsense'
predictions photo.png --device cuda:x | There is no device 'cuda:x'
predictions photo.png --device cuda:99 | 'cuda:99'
predictions photo.png --device cpu:-2 | There is no device
predictions photo.png --device meta | The device 'meta' cannot be used
predictions photo.png --device NAME | There is no device
predictions photo.png --model net.py:full | There is too little memory to run full on an input
predictions photo.png --model net.py:giant | There is too little memory to run giant on an input
cam photo.png --model net.py:full | There is too little memory to run full on an input
visualize --units conv:0 --model net.py:full | There is too little memory
predictions photo.png --model net.py:unmade | net.py:unmade
predictions long.png --resize 1000 | and the limit is
CNNVIZ_FAST=maybe predictions photo.png | CNNVIZ_FAST is 'maybe' in the environment
CNNVIZ_FAST=NAME predictions photo.png | in the environment
RANK=x WORLD_SIZE=2 errors --data shapes | does not say which process of how many this is
RANK=2 WORLD_SIZE=2 errors --data shapes | does not say which process of how many this is
RANK=0 WORLD_SIZE=LONG errors --data shapes | does not say which process of how many this is
losses --out /dev/full | A result cannot be saved as 'full'
report photo.png --out /proc/report | Nothing can be written to '/proc'
lecture --out /proc/lecture | Nothing can be written to '/proc'
gallery --out /proc/gallery | Nothing can be written to '/proc'
errors --data shapes --out /proc/errors | Nothing can be written to '/proc'
evaluate --out /proc/evaluation | Nothing can be written to '/proc'
evaluate-classifier --data shapes --out /proc/answers | Nothing can be written to '/proc'
shapes --count 2 --out /proc/shapes | '/proc/shapes' cannot be written
"""

_NETWORKS = (
    FAULTY
    + """
def fail():
    raise MemoryError

def full(): return Net(fail)
def giant(): return Net(lambda: torch.zeros(1 << 50))
def unmade(): fail()
"""
)


def make(folder: Path) -> None:
    """Write a photo, one of an extreme shape, and networks for which there is too little memory."""
    Image.new("RGB", (32, 32), (90, 120, 40)).save(folder / "photo.png")
    Image.new("RGB", (8000, 2)).save(folder / "long.png")
    (folder / "net.py").write_text(_NETWORKS)
