"""The images of a scan, read again when a page shows them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from cnnviz.datasets import Dataset, default_workers
from cnnviz.errors import UsageError
from cnnviz.images import Photo
from cnnviz.models import Model
from cnnviz.results.drawing import Pixels
from cnnviz_gallery.scan.scan_result import ScanResult

_MOST_BYTES = 600_000_000


class ImageCache:
    """Images as the network saw them; those asked for last are kept, within a limit of memory.

    Parameters
    ----------
    model : Model
        The network, for its preprocessing.
    data : Dataset
        The set that was scanned.
    scan : ScanResult
        The scan, for the size that its images have.

    Attributes
    ----------
    shape : tuple of int
        Channels, height and width of each image.

    Raises
    ------
    UsageError
        If the scan is of another network or of other data.
    """

    def __init__(self, model: Model, data: Dataset, scan: ScanResult) -> None:
        if model.sha256 != scan.network.sha256:
            raise UsageError(
                f"The scan is of another network than {model.name} with these weights.",
                "Scan the data again.",
            )
        # The scan may have taken hours, and photos may have changed in them.
        self._scanned = scan.data.fingerprint
        self.data = data
        if self.changed():
            raise photos_changed(data)
        self.model, self.shape = model, scan.network.input_shape
        self._held: OrderedDict[int, tuple[torch.Tensor, Pixels]] = OrderedDict()
        self._most = max(64, _MOST_BYTES // (5 * self.shape[1] * self.shape[2] * 3))

    def changed(self) -> bool:
        """Whether the images are other ones now than those that were scanned."""
        return self.data.fingerprint_now() != self._scanned

    def load(self, places: Iterable[int]) -> None:
        """Read images ahead, several at a time."""
        wanted = list(dict.fromkeys(places))
        missing = [place for place in wanted if place not in self._held]
        with ThreadPoolExecutor(default_workers(), "cnnviz-gallery-read") as pool:
            for place, found in zip(missing, pool.map(self._read, missing), strict=True):
                self._held[place] = found
        for place in wanted:
            self._held.move_to_end(place)
        while len(self._held) > max(self._most, len(wanted)):
            self._held.popitem(last=False)

    def pixels(self, place: int) -> Pixels:
        """Return an image [H, W, 3] as the network saw it."""
        return self._of(place)[1]

    def tensors(self, places: Sequence[int]) -> torch.Tensor:
        """Return preprocessed images [N, C, H, W]."""
        found = torch.stack([self._of(place)[0] for place in places])
        return found.to(self.model.device, self.model.dtype)

    def name(self, place: int) -> str:
        """Return what an image is called."""
        return self.data.name(place)

    def _of(self, place: int) -> tuple[torch.Tensor, Pixels]:
        if place not in self._held:
            self.load([place])
        return self._held[place]

    def _read(self, place: int) -> tuple[torch.Tensor, Pixels]:
        image = self.data.read(place).image
        preprocessing = self.model.preprocessing
        tensor = preprocessing(image) if isinstance(image, Photo) else image.float().cpu()
        if tuple(tensor.shape) != tuple(self.shape):
            raise UsageError(
                f"{self.data.name(place)} comes out as {list(tensor.shape)}, not as "
                f"{list(self.shape)} like the others.",
                "A gallery needs images of one size: give the network a preprocessing with a crop.",
            )
        return tensor, preprocessing.invert(tensor)


def photos_changed(data: Dataset) -> UsageError:
    """Return what is raised where photos are other ones than those that were scanned."""
    return UsageError(
        f"{data.describe()} is not what was scanned, or has changed since.",
        "Scan the data again: the same command does, and leave the photos alone meanwhile.",
    )
