"""Measure how large explorer pages are, how exact, and how long they take: a table of Markdown.

    python docs/explorer_pages.py PHOTO

One thread, the last four stages of each network; SqueezeNet has its trained weights, all others
random ones. The table stands in docs/explorer.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

import cnnviz

NETWORKS = {
    "ConvNeXt-T": "convnext_tiny",
    "SqueezeNet 1.0": "squeezenet1_0",
    "MobileNet v2": "mobilenet_v2",
    "GoogLeNet": "googlenet",
    "DenseNet-121": "densenet121",
    "ResNet-50": "resnet50",
    "Inception v3": "inception_v3",
    "VGG-16": "vgg16",
    "Swin-T": "swin_t",
    "ViT-B/16": "vit_b_16",
}
TRAINED = ("squeezenet1_0",)


def row(title: str, name: str, photo: Path) -> str:
    """Return the row of one network."""
    model = cnnviz.load(name, "DEFAULT" if name in TRAINED else "random")
    begun = time.process_time()
    page = cnnviz.explore(model, str(photo))
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(page.save(Path(folder, "page.html")))
        seconds, size = time.process_time() - begun, saved.stat().st_size / 1e6
    exact = "yes" if page.exact else "no, every single channel of the last layer"
    return f"| {title} | {size:.2f} MB | {100 * page.error:.2g}% | {exact} | {seconds:.0f} s |"


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description="Measure the pages of the explorer.")
    parser.add_argument("photo", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | page | largest error of the map | exact for any choice of channels | time |")
    print("|---|---|---|---|---|")
    for title, name in NETWORKS.items():
        print(row(title, name, chosen.photo), flush=True)


if __name__ == "__main__":
    main()
