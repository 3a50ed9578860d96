"""What skip connections hand back: the gradient of each block, split into skip and branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import bounded
from cnnviz.gradients.graph import between, is_leaf, trunk_of
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.introspection.batch_statistics import Calibration, calibrated
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.residual_adds import (
    Residual,
    Shares,
    additions,
    residual,
    shares,
    weighty,
)
from cnnviz.models import Model, as_model
from cnnviz.passes.batch_size import rows_that_fit
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.origin import origin
from cnnviz.passes.targets import Target, score
from cnnviz.results import drawing
from cnnviz.results.table import Table, TableResult
from cnnviz.results.text import plural, whole_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


Way = Literal["skip", "branch", "whole"]
"""On which way a gradient comes back to the fork of a block, or all of it."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SkipConnections(TableResult):
    """The gradient at the fork of each of K residual blocks, by the way on which it came.

    Attributes
    ----------
    name : str
        The network's name.
    blocks : tuple of str
        The module that adds, for each block in the order of execution.
    kinds : tuple of {"identity", "projection"}
        Whether the skip hands its tensor on as it is, or changes it on the way.
    skip, branch : ndarray of float64
        The L2 norm of what came through the skip and through the branch, for each image, [K, N].
    whole : ndarray of float64
        That of the whole gradient at the fork, [K, N].
    elsewhere : ndarray of float64
        That of the gradient that came on neither way, because the tensor at the fork is also read
        outside the block, [K, N].
    at_sum : ndarray of float64
        That of the gradient at the sum, [K, N].
    cosines : ndarray of float64
        Between skip and branch, [K, N]; NaN where one of them is zero.
    targets : tuple of str
        What was explained of each image.
    unreached : int
        How many more blocks there are, on which the score does not depend.
    single : bool
        Whether every convolution and matrix product lies on all paths from the image to the score.
    notes : tuple of str
        What else is to be told, in sentences.
    """

    derived: ClassVar[tuple[str, ...]] = ("skip_share", "typical_norms")

    name: str
    blocks: tuple[str, ...]
    kinds: tuple[str, ...]
    skip: NDArray[np.float64]
    branch: NDArray[np.float64]
    whole: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    at_sum: NDArray[np.float64]
    cosines: NDArray[np.float64]
    targets: tuple[str, ...]
    unreached: int = 0
    single: bool = False
    notes: tuple[str, ...] = ()

    def typical(self, way: Way) -> NDArray[np.float64]:
        """Return the root mean square over the images of the norms of one way, [K]."""
        norms: NDArray[np.float64] = getattr(self, way)
        found: NDArray[np.float64] = np.sqrt(np.square(norms).mean(axis=1))
        return found

    @property
    def typical_norms(self) -> dict[str, NDArray[np.float64]]:
        """The `typical` norms of each way, [K], by the name of the way."""
        return {way: self.typical(way) for way in get_args(Way)}

    @property
    def skip_share(self) -> NDArray[np.float64]:
        """The norm that came through the skip, as a share of both norms, [K]; NaN for 0 / 0."""
        ours, theirs = self.typical("skip"), self.typical("branch")
        with np.errstate(invalid="ignore"):
            found: NDArray[np.float64] = ours / (ours + theirs)
        return found

    def summary(self) -> str:
        """Say how many residual blocks there are, and how much their skips hand back."""
        if not self.blocks:
            which = "that the score depends on" if self.unreached else "at all"
            ways = (
                "its gradient has one path back only"
                if self.single
                else "its gradient has several paths back, which join in other forms than sums"
            )
            return f"{self.name} has no residual addition {which}: {ways}"
        share = self.skip_share[np.isfinite(self.skip_share)]
        said = "no gradient comes back"
        if share.size:
            said = (
                f"the skips hand back {whole_percent(share.min())} to "
                f"{whole_percent(share.max())} of a block's gradient"
                if share.size > 1
                else f"its skip hands back {whole_percent(share[0])} of the gradient"
            )
        count = len(self.blocks)
        return f"{self.name}: {plural(count, 'residual block')}; {said}"

    def caption(self) -> str:
        """Say what is drawn, and what the shares are shares of."""
        told = "".join(f" {note}" for note in self.notes)
        if self.unreached:
            told += f" Left out: {self.unreached} blocks on which the score does not depend."
        if not self.blocks:
            return (
                f"{self.summary()}. Additions count as residual where both terms come from one "
                f"tensor, and a convolution or a matrix product lies on one of the paths.{told}"
            )
        strange = self.elsewhere.max() > 1e-6 * max(float(self.whole.max()), 1e-300)
        more = (
            " Where the tensor at a fork is read outside its block as well, the whole gradient "
            "holds more than the two."
            if strange
            else ""
        )
        changed = (
            " Rings: the skip changes the shape of its tensor."
            if "projection" in self.kinds
            else ""
        )
        several = f", root mean square over {len(self.targets)} images" * (len(self.targets) > 1)
        return (
            f"Where a block G = x + F(x) of {self.name} forks, the gradient of the score for "
            f"{self.targets[0]!r} is dL/dx = dL/dG + dL/dG dF/dx: what came through the skip, and "
            f"what came through the branch. Above, the L2 norms of both and of their sum{several}, "
            "in the order of execution; in the middle, each as a share of the two norms; below, "
            f"the cosine of the angle between them, which tells whether they pull together."
            f"{changed}{more}{told}"
        )

    def table(self) -> Table:
        """Return a row for each block and image: the norms of the gradient, and the cosine."""
        measured = {
            "skip": self.skip,
            "branch": self.branch,
            "whole": self.whole,
            "elsewhere": self.elsewhere,
            "at sum": self.at_sum,
            "cosine": self.cosines,
        }
        rows = [
            (block, kind, image, target, *(values[place, image] for values in measured.values()))
            for place, (block, kind) in enumerate(zip(self.blocks, self.kinds, strict=True))
            for image, target in enumerate(self.targets)
        ]
        return Table.of(("block", "kind", "image", "target", *measured), rows)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw norms, shares and cosines along the depth."""
        from cnnviz.views.pictures.skip_connections import draw

        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Write that there is no block, where there is none."""
        from cnnviz.views.pictures.skip_connections import say_nothing

        if self.blocks:
            super().draw_panel(axes)
        say_nothing(axes, self)


@in_smaller_batches
@bounded
def skip_connections(
    model: Model | nn.Module, images: Images, target: Target = None
) -> SkipConnections:
    """Measure how much of the gradient comes back through each skip, and how much beside it.

    A block G = x + F(x) sends back dL/dx = dL/dG + dL/dG dF/dx (He et al. 2016): the gradient as it
    is, and the gradient through the branch. Both terms are measured for every residual addition
    that the forward pass really makes, however it is written. Batch norms that have never seen data
    are given the statistics of the images, beside the network.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images.
    target : None, int, str, sequence of these, or callable
        Whose score is differentiated; the likeliest class of each image by default.

    Returns
    -------
    SkipConnections
        With no block where the network has no residual addition.

    Raises
    ------
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
    TargetError
        If a target does not fit the output.
    UsageError
        If the images are of another kind than those that the network takes.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load("shapes-residual"), cnnviz.Shapes()[3].image
    >>> cnnviz.skip_connections(model, photo).summary().split(";")[0]
    'shapes-residual: 5 residual blocks'
    """
    wrapped = as_model(model)
    batch = wrapped.prepare(images)
    target = checked_target(wrapped, target, batch)
    with isolated(wrapped.module, grad=True):
        inputs = batch.tensor.clone()
        rows = rows_that_fit(wrapped, inputs)
        calibration = calibrated(wrapped.module, wrapped.forward, inputs, rows)
        parts = [
            _measure(wrapped, part, calibration, _part(target, k * rows, len(part.tensor)))
            for k, part in enumerate(batch.parts(rows))
        ]
    blocks = parts[0].residuals
    columns = [
        np.concatenate(each, axis=1) for each in zip(*(p.columns for p in parts), strict=True)
    ]
    names = tuple(name for part in parts for name in part.targets)
    return SkipConnections(
        provenance=origin(wrapped, batch, names),
        name=wrapped.name,
        blocks=tuple(one.name for one in blocks),
        kinds=tuple(one.kind for one in blocks),
        skip=columns[0],
        branch=columns[1],
        whole=columns[2],
        elsewhere=columns[3],
        at_sum=columns[4],
        cosines=columns[5],
        targets=names,
        unreached=parts[0].unreached,
        single=parts[0].single,
        notes=() if calibration is None else (calibration.told(),),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """What was measured on some of the images: six columns [K, n]."""

    residuals: list[Residual]
    unreached: int
    single: bool
    columns: list[NDArray[np.float64]]
    targets: tuple[str, ...]


def _part(target: Target, start: int, count: int) -> Target:
    several = isinstance(target, Sequence) and not isinstance(target, str)
    return target[start : start + count] if several else target  # type: ignore[index]


def _measure(model: Model, images: Batch, calibration: Calibration | None, target: Target) -> _Part:
    # An in-place first layer may not write to a leaf.
    inputs = images.tensor.clone().requires_grad_()
    with ExitStack() as scope:
        seen = scope.enter_context(additions(model.module))
        if calibration is not None:
            scope.enter_context(calibration.applied())
        output = model.forward(inputs.clone())
    explained = score(model, output, target, len(inputs), images)
    residuals = [one for addition in seen.found if (one := residual(addition)) is not None]
    found = shares(explained.values, residuals) if explained.values.requires_grad else []
    kept = [(one, each) for one, each in zip(residuals, found, strict=False) if each is not None]
    rows = np.array([_norms(each, len(inputs)) for _, each in kept]).reshape(
        len(kept), 6, len(inputs)
    )
    return _Part(
        [one for one, _ in kept],
        len(residuals) - len(kept),
        _single(explained.values, inputs),
        [rows[:, column] for column in range(6)],
        tuple(resolved.name for resolved in explained.resolved_targets),
    )


def _single(scores: torch.Tensor, inputs: torch.Tensor) -> bool:
    """Tell whether no way from the inputs to the scores goes around a layer."""
    if not scores.requires_grad:
        return True
    order = between(scores.grad_fn, is_leaf(inputs))
    on_all = trunk_of(order)
    return all(node in on_all for node in order if weighty(node))


def _norms(parts: Shares, count: int) -> list[list[float]]:
    """Return the six numbers of one block for each of the images, [6][N]."""
    # A first axis of windows, or of channels of all images, has those of one image together.
    flat = [
        part.detach().double().reshape(count, -1).cpu()
        for part in (parts.skip, parts.branch, parts.whole, parts.at_sum)
    ]
    skip, branch, whole, _ = flat
    norms = [torch.linalg.vector_norm(each, dim=1) for each in flat]
    cosines = (skip * branch).sum(1) / (norms[0] * norms[1])
    elsewhere = torch.linalg.vector_norm(whole - skip - branch, dim=1)
    return [each.tolist() for each in (*norms[:3], elsewhere, norms[3], cosines)]
