"""A data set as batches for a network, read and preprocessed in background threads.

Threads and not processes: Pillow decodes and resizes without Python's lock, and so does NumPy's
arithmetic, so that two threads read twice as many photos a second as one (133 and 260, photos of
500 px to 224 px on two cores). Processes would copy every image once more, need a data set that
can be pickled, and start torch anew in each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.datasets.dataset import Dataset
from cnnviz.datasets.readable import refusal
from cnnviz.datasets.workers import default_workers
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import Photo, Preprocessing, Refusal, prepare
from cnnviz.images.pillow_warnings import catch_in_this_thread, catch_in_threads

_AHEAD = 2


@dataclass(frozen=True, eq=False)
class LoadedBatch:
    """One batch of a data set.

    Attributes
    ----------
    tensor : torch.Tensor
        The preprocessed images [N, C, H, W], on the device and in the type of the network.
    indices : ndarray of int64
        Their places in the data set, [N].
    labels : ndarray of int64
        Their labels, [N]; -1 where there is none.
    """

    tensor: torch.Tensor
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.indices)

    def parts(self, size: int) -> list[LoadedBatch]:
        """Return batches of at most so many of its images."""
        places = [slice(start, start + size) for start in range(0, len(self), size)]
        return [LoadedBatch(self.tensor[at], self.indices[at], self.labels[at]) for at in places]


class Stream:
    """Batches of a data set, in its order; use it in ``with``, so that its threads end with it.

    Attributes
    ----------
    refused : dict of int to Refusal
        The images that could not be read so far, by their place in the data set.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocessing: Preprocessing,
        batch_size: int,
        workers: int,
        indices: Sequence[int] | None,
        within: int | None,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.dataset, self.preprocessing = dataset, preprocessing
        self.device, self.dtype = device, dtype
        self.batch_size, self.workers, self.within = batch_size, workers, within
        self.indices = range(len(dataset)) if indices is None else indices
        self.refused: dict[int, Refusal] = {}
        self._running = self._run()

    def __iter__(self) -> Iterator[LoadedBatch]:
        return self._running

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; images that are waiting to be read are not."""
        self._running.close()

    def _run(self) -> Generator[LoadedBatch, None, None]:
        held: list[_Read] = []
        with closing(self._reads()) as reads:
            for read in reads:
                if held and not self._together(held[0], read):
                    yield self._batch(held)
                    held = []
                held.append(read)
                if len(held) == self.batch_size:
                    yield self._batch(held)
                    held = []
        if held:
            yield self._batch(held)

    def _together(self, one: _Read, other: _Read) -> bool:
        """Whether two images may be in one batch: those of different sizes may not."""
        blocks = {read.index // self.within for read in (one, other)} if self.within else ()
        return one.values.shape == other.values.shape and len(blocks) < 2

    def _reads(self) -> Generator[_Read, None, None]:
        """Yield the images in order, while those that follow are being read."""
        with catch_in_threads():
            pool = ThreadPoolExecutor(self.workers, "cnnviz-read", catch_in_this_thread)
            waiting: deque[Future[_Read | Refusal]] = deque()
            try:
                left = iter(self.indices)
                ahead = max(_AHEAD * self.batch_size, self.workers + 1)
                for index in islice(left, ahead):
                    waiting.append(pool.submit(self._read, index))
                place = 0
                while waiting:
                    found = waiting.popleft().result()
                    for index in islice(left, 1):
                        waiting.append(pool.submit(self._read, index))
                    if isinstance(found, Refusal):
                        self.refused[self.indices[place]] = found
                    else:
                        yield found
                    place += 1
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, index: int) -> _Read | Refusal:
        preprocessing = self.preprocessing
        try:
            sample = self.dataset.read(index)
        except ImageError as error:
            return refusal(error, self.dataset.name(index))
        if not isinstance(sample.image, Photo):
            values = prepare(sample.image, preprocessing).tensor[0].numpy()
            return _Read(index, sample.label, values)
        # Not caught: a network that no photo fits can use none of them.
        preprocessing.check_channels()
        try:
            return _Read(index, sample.label, preprocessing(sample.image).numpy())
        except ImageError as error:
            return refusal(error, self.dataset.name(index))

    def _batch(self, reads: list[_Read]) -> LoadedBatch:
        tensor = torch.from_numpy(np.stack([read.values for read in reads]))
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return LoadedBatch(
            tensor.to(self.device, self.dtype, non_blocking=True),
            np.array([read.index for read in reads], np.int64),
            np.array([-1 if r.label is None else r.label for r in reads], np.int64),
        )


@dataclass(frozen=True, eq=False)
class _Read:
    index: int
    label: int | None
    values: NDArray[np.float32]


def stream(
    dataset: Dataset,
    preprocessing: Preprocessing,
    batch_size: int,
    workers: int | None = None,
    indices: Sequence[int] | None = None,
    *,
    within: int | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Stream:
    """Read a data set in background threads, as batches for a network.

    At most two batches are read ahead, so that memory does not grow with the data set. Images that
    cannot be read are left out and listed in `Stream.refused`. The batches are the same whatever
    the number of threads.

    Parameters
    ----------
    dataset : Dataset
        The images.
    preprocessing : Preprocessing
        What is done to each photo.
    batch_size : int
        Images in a batch; where images come out in different sizes, at most.
    workers : int, optional
        How many threads read; by default one for each processor of this process, up to 8.
    indices : sequence of int, optional
        Which images, in this order; all by default.
    within : int, optional
        Cut the data set into blocks of so many places; no batch has images of two of them.
    device : torch.device, optional
        Where the batches go; the processor by default.
    dtype : torch.dtype
        The type of their numbers.

    Raises
    ------
    UsageError
        If there is no batch, no thread, or no image of such an index; while it runs, if a
        preprocessed tensor does not fit the network.
    ImageError
        While it runs, if no photo fits the network.
    """
    workers = default_workers() if workers is None else workers
    if batch_size < 1 or workers < 1:
        raise UsageError(
            f"{batch_size} images cannot be read by {workers} threads.", "Give 1 or more of each."
        )
    beyond = [index for index in indices or () if not 0 <= index < len(dataset)]
    if beyond:
        raise UsageError(
            f"There is no image {beyond[0]} in {dataset.describe()}.", "Images count from 0."
        )
    at = device or torch.device("cpu")
    return Stream(dataset, preprocessing, batch_size, workers, indices, within, at, dtype)
