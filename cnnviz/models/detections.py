"""What a detector returns: for each image the boxes that it found, with labels and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from cnnviz.errors import TargetError
from cnnviz.foreign_code import called
from cnnviz.models.output_members import describe, named_entries
from cnnviz.models.outputs import returns_boxes
from cnnviz.results.text import plural, there_are

if TYPE_CHECKING:
    from cnnviz.models.model import Model

_WHAT_IS_TAKEN = (
    "returns for each image a dict with boxes [D, 4] in pixels of the network's input (left, top, "
    "right, bottom), scores [D] or [D, classes], and labels [D]."
)


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found in one image: D boxes, in the order of the network.

    Attributes
    ----------
    boxes : torch.Tensor
        [D, 4], left, top, right and bottom in pixels of the network's input.
    labels : torch.Tensor
        [D], the index of each box's class; zeros where the network gives none.
    scores : torch.Tensor
        [D], the score of that class.
    class_scores : torch.Tensor or None
        [D, K], the score of every class, where the network gives it.
    masks : torch.Tensor or None
        [D, H, W] from 0 to 1 at the size of the input, where the network segments instances.
    """

    boxes: torch.Tensor
    labels: torch.Tensor
    scores: torch.Tensor
    class_scores: torch.Tensor | None = None
    masks: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def scores_of(self, label: int) -> torch.Tensor:
        """Return the score of a class for each box, [D]; zero for the boxes of another class."""
        if self.class_scores is not None:
            return self.class_scores[:, label]
        return torch.where(self.labels == label, self.scores, torch.zeros_like(self.scores))

    def detached(self) -> Detections:
        """Return the same without a graph."""
        parts = (self.boxes, self.labels, self.scores, self.class_scores, self.masks)
        return Detections(*(None if part is None else part.detach() for part in parts))  # type: ignore[arg-type]


def overlap(boxes: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Return the intersection over union of each of the boxes [D, 4] with one [4], [D].

    Where two boxes are the same it is at its maximum, and its gradient is zero.
    """
    corner = torch.maximum(boxes[:, :2], box[:2])
    sides = (torch.minimum(boxes[:, 2:], box[2:]) - corner).clamp(min=0.0)
    common = sides[:, 0] * sides[:, 1]
    own = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0.0)
    area = own[:, 0] * own[:, 1]
    whole = area + (box[2] - box[0]) * (box[3] - box[1]) - common
    return common / whole.clamp(min=torch.finfo(boxes.dtype).tiny)


def read_detections(model: Model, output: Any) -> list[Detections]:
    """Return what a detector found in each image.

    Parameters
    ----------
    model : Model
        The network, whose `decode` is applied first where it has one.
    output : Any
        What it returned: a list with a dict for each image, as torchvision's detectors return; or
        a dict of tensors that have the images as their first axis.

    Raises
    ------
    TargetError
        If that, or what `decode` makes of it, holds no boxes with scores for each image.
    """
    given = output if model.decode is None else called(_decode_fails, model.decode, output)
    entries = named_entries(given)
    if "boxes" in entries:
        return [_detections(one) for one in _apart(entries)]
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [_detections(named_entries(one)) for one in given]
    if model.decode is None:
        said = f"The output was declared as boxes, and is {describe(given)}."
    else:
        said = f"decode returns {describe(given)}, and no boxes."
    raise _no_boxes(said)


def _decode_fails(what: str) -> TargetError:
    return TargetError(f"decode fails: {what}.", f"Give one that {_WHAT_IS_TAKEN}")


def kept_detections(model: Model, output: Any) -> tuple[Detections, ...] | TargetError | None:
    """Return what a detector found to be kept, without a graph and masks; None of another network.

    Where only a callable target makes sense of the output, it is the error that says why.
    """
    if not returns_boxes(model, output):
        return None
    try:
        found = read_detections(model, output)
    except TargetError as error:
        # Without the frames, which hold the graph.
        return TargetError(error.what, error.remedy, option=error.option)
    # Masks are as large as the image for each box.
    return tuple(replace(one.detached(), masks=None) for one in found)


def _apart(entries: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of each image; boxes without an axis of images are those of one."""
    boxes = entries["boxes"]
    if not isinstance(boxes, torch.Tensor) or boxes.ndim < 3:
        return [dict(entries)]
    return [{name: held[n] for name, held in entries.items()} for n in range(len(boxes))]


def _detections(entries: Mapping[str, Any]) -> Detections:
    boxes, scores = entries.get("boxes"), entries.get("scores")
    if not isinstance(boxes, torch.Tensor) or boxes.ndim != 2 or boxes.shape[1] != 4:
        found = "nothing" if boxes is None else describe(boxes)
        raise _no_boxes(f"The boxes of an image are {found}, not [D, 4].")
    if not isinstance(scores, torch.Tensor) or scores.ndim not in (1, 2):
        found = "none" if scores is None else describe(scores)
        raise _no_boxes(f"The scores of {plural(len(boxes), 'box', 'boxes')} are {found}.")
    labels = entries.get("labels", entries.get("classes"))
    every = scores if scores.ndim == 2 else None
    if every is not None:
        best = every.detach().argmax(1) if every.shape[1] else torch.zeros(len(every))
        labels, scores = best.long(), every.gather(1, best.long()[:, None])[:, 0]
    if labels is None:
        labels = torch.zeros(len(boxes), dtype=torch.long, device=boxes.device)
    if not len(boxes) == len(labels) == len(scores):
        raise _no_boxes(
            f"{there_are(len(boxes), 'box', 'boxes')} with {plural(len(labels), 'label')} and "
            f"{plural(len(scores), 'score')}."
        )
    _check_pixels(boxes)
    return Detections(boxes, labels.long(), scores, every, _masks(entries.get("masks"), len(boxes)))


def _check_pixels(boxes: torch.Tensor) -> None:
    """Refuse boxes that all lie within one pixel: they are in parts of the image."""
    values = boxes.detach()
    if values.numel() and float(values.min()) > -0.5 and float(values.max()) < 1.5:
        raise TargetError(
            "All boxes lie within the first pixel of the image, as those do that are given in "
            "parts of its width and height.",
            "Give decode=, a callable that returns them in pixels of the network's input.",
            option="Let decode in the network's file return them in pixels of its input.",
        )


def _masks(masks: Any, count: int) -> torch.Tensor | None:
    if not isinstance(masks, torch.Tensor) or len(masks) != count or masks.ndim not in (3, 4):
        return None
    return masks[:, 0] if masks.ndim == 4 else masks


def _no_boxes(what: str) -> TargetError:
    return TargetError(
        what,
        f"Give decode=, a callable that {_WHAT_IS_TAKEN}",
        option=f"Define decode in the file of the network: a function that {_WHAT_IS_TAKEN}",
    )
