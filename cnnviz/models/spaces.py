"""What is only there for networks of images, and says so to the others."""

from __future__ import annotations

from cnnviz.errors import UsageError
from cnnviz.models.model import Model
from cnnviz.results.space import IMAGE

ONLY_IMAGES: dict[str, str] = {
    "equivariance": "it shifts photos across the frame",
    "convolve": "its kernels slide over photos; filters shows those of any network",
    "weight_sharing": "it counts for photos; architecture has the weights of any layer",
    "pooling": "its windows and shifts are those of maps of images; feature_maps shows any map",
    "normalization": "its cubes and maps are those of images; feature_maps shows any layer",
    "augmentation": "its transforms are those of photos",
    "transfer_learning": "its new tasks are of photos",
    "compare": "it reads sets of photos; predictions tells what each network answers to any input",
    "training_history": "it shows kernels and maps of photos; gradient_flow probes any network",
    "challenges": "it changes the light, the view and the scene of photos",
    "pixels": "it shows the channels of photos; predictions tells what was done to any input",
    "gallery": "its pages are made of patches of photos",
    "hierarchy": "patches are cut out of photos; top_activations shows what the channels of one "
    "layer respond to",
    "localisation": "boxes are drawn in photos; cam shows where the evidence lies",
    "explore": "its page is about a photo; report tells of any inputs",
    "lecture": "it is about photos; report tells of any inputs",
    "evaluate": "it measures over sets of photos; faithfulness measures one map",
}
"""What takes networks of images alone, and why, with what else there is."""


def only_images(model: Model, what: str) -> str:
    """Say why something is not there for a network; nothing where it is.

    Parameters
    ----------
    model : Model
        The network.
    what : str
        The name of a view or a command, of `ONLY_IMAGES` or not.
    """
    if what not in ONLY_IMAGES or model.space == IMAGE:
        return ""
    return (
        f"{what!r} is for networks of images, and {model.name} takes {model.space.noun}s "
        f"{model.space.shape(model.channels)}: {ONLY_IMAGES[what]}."
    )


def check_takes_images(model: Model, what: str) -> None:
    """Raise `UsageError` if something is not there for a network, before any work is begun."""
    refused = only_images(model, what)
    if refused:
        raise UsageError(
            refused,
            f"Of {model.space.noun}s there are cam, attribute, occlusion, faithfulness, "
            "feature_maps, filters, predictions, architecture, receptive_field, deconvnet, "
            "top_activations, feature_visualization, invariance, gradient_flow, report, "
            "evaluate_classifier and error_analysis.",
        )
