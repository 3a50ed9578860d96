"""Draw the feature visualizations of the page about units, and print what they tell.

    python docs/feature_visualization.py [FOLDER] [--steps N]

Optimises pictures for channels of an early, a middle and a late layer of SqueezeNet 1.0, whose
trained weights torchvision fetches once, for three of its classes, and for three layers of the
shipped network. Writes WebP files to FOLDER (docs/images by default); some minutes on two cores.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

from PIL import Image

import cnnviz
from cnnviz.results.result import png

DOCS = Path(__file__).resolve().parent
PICTURES = {
    "visualize-early": ("squeezenet1_0", "features.3.expand3x3:3,7,12,30", {}),
    "visualize-middle": ("squeezenet1_0", "features.7.expand3x3:10,20,31,64", {}),
    "visualize-late": ("squeezenet1_0", "features.12.expand3x3:1,30,77,101", {}),
    "visualize-classes": (
        "squeezenet1_0",
        "class:koala;class:goldfish;class:monarch",
        {"diverse": 2, "method": "maco"},
    ),
    "visualize-shapes": ("shapes", "features.4:0-3;features.7:0-3;features.10:0-3", {}),
}


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description="Draw the feature visualizations of the page.")
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS / "images")
    parser.add_argument("--steps", type=int, default=192)
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    chosen = parser.parse_args()
    for name in chosen.only:
        network, units, options = PICTURES[name]
        begin = time.process_time()
        found = cnnviz.feature_visualization(
            cnnviz.load(network), units, chosen.steps, announce=print, **options
        )
        print(f"{found}: {time.process_time() - begin:.0f} s of the processor", flush=True)
        picture = Image.open(io.BytesIO(png(found.figure(), 110))).convert("RGB")
        picture.save(chosen.folder / f"{name}.webp", quality=84, method=6)


if __name__ == "__main__":
    main()
