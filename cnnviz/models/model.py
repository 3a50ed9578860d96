"""A network together with what it needs to be fed and read: preprocessing, class names, origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn

from cnnviz.images import Batch, Photo, Preprocessing, prepare
from cnnviz.images.inputs import Images
from cnnviz.introspection.forward import check_plain, check_takes_image, forward
from cnnviz.introspection.random_draws import RandomDraws
from cnnviz.introspection.tolerance import told_rounding
from cnnviz.models.called_network import Call, Inputs, called_network
from cnnviz.models.categories import class_index
from cnnviz.models.guesses import of_other_input, told_doubt
from cnnviz.models.image_inputs import exchanged, told_input
from cnnviz.models.input_trials import find_input, gave_up
from cnnviz.models.kept_preprocessing import KeptPreprocessing
from cnnviz.models.notebook_facts import shown
from cnnviz.models.output_kinds import OutputKind, check_decode, read_output_kind
from cnnviz.models.reading import Reading
from cnnviz.models.run_findings import RunFindings
from cnnviz.models.state_digest import KeptDigest
from cnnviz.models.trial_time import ENDED_EARLY
from cnnviz.models.usable_module import check_module
from cnnviz.models.usual_input import usual_shape
from cnnviz.models.wrappers import unwrap
from cnnviz.results.provenance import AS_IT_IS, ImageSource, Provenance
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import dimensions

Decode = Callable[[Any], Any]
"""From what a detector returns to boxes, see `Model`."""


class Model:
    """Any `torch.nn.Module` with its preprocessing, class names and origin; it is never changed.

    Parameters
    ----------
    module : torch.nn.Module
        The network, in the mode (training or eval) and on the device it is in.
    name : str, optional
        What to call it; the name of its class when not given.
    preprocessing : Preprocessing, optional
        What it was trained on. Guessed when not given and first asked for, from the channels and
        the size that the network accepts, and `Preprocessing.describe` then says so.
    categories : sequence of str, optional
        The name of each class, in the order of the outputs.
    weights : str
        What its weights are, for captions: ``IMAGENET1K_V1``, ``random, seed 0``, ``shipped``,
        ``checkpoint mynet.pth`` or ``as given``.
    notes : sequence of str
        What a reader of results should know about how it was loaded.
    untrained : bool
        Whether the weights are random, so that its answers mean nothing and reports say so.
    output : OutputKind or str, optional
        What its output means: "classes", "labels", "logit", "value", "embedding", "class-map" or
        "boxes" (see `cnnviz.models.output_kinds.OutputKind`). Guessed from the output when not
        given, and results then say so.
    member : str or int, optional
        Which member of its output is explained, where that is a tuple, a dict or an object:
        ``"logits"``, ``1``, or ``"heads.age"`` for one inside another.
    call : callable, optional
        ``call(module, images)``, which returns what the network returns for images, where it needs
        more than images: ``lambda net, images: net(images, flag=True)``.
        `module` then is a `CalledNetwork`, with the same layers under the same names.
    inputs : sequence or mapping, optional
        In place of `call`, the arguments by position or by name, with ``cnnviz.IMAGE`` where the
        image goes: ``inputs=(cnnviz.IMAGE, depth)``. What is not the image stays as it is, but a
        tensor whose first axis is 1 is repeated for as many images as there are.
    decode : callable, optional
        For a detector whose output is not yet boxes, such as a grid: ``decode(output)`` returns for
        each image a dict with ``boxes`` [D, 4] in pixels of the network's input (left, top, right,
        bottom), ``scores`` [D] or [D, classes], and ``labels`` [D] unless the scores are of every
        class. Gradients need it to be differentiable. The output is then "boxes".
    exact : bool
        Whether all passes run on the network itself, also where many images would run on a copy
        that computes the same faster, to within rounding (`cnnviz.passes.fast_model`).

    Raises
    ------
    ModelError
        Its layers are lazy and have never seen an input, or its weights are on the meta device.
    UsageError
        The object is no `torch.nn.Module`, or its inputs do not say where the image goes.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str | None = None,
        preprocessing: Preprocessing | None = None,
        categories: Sequence[str] | None = None,
        weights: str = "as given",
        notes: Sequence[str] = (),
        untrained: bool = False,
        output: OutputKind | str | None = None,
        member: str | int | None = None,
        call: Call | None = None,
        inputs: Inputs | None = None,
        decode: Decode | None = None,
        exact: bool = False,
    ) -> None:
        check_module(module)
        inner, unwrapped = unwrap(module)
        self.module = called_network(inner, call, inputs)
        self.name: str = name or type(inner).__name__
        self._preprocessing = KeptPreprocessing(preprocessing)
        self.categories: tuple[str, ...] | None = None if categories is None else tuple(categories)
        self.weights = weights
        self.notes: tuple[str, ...] = (*unwrapped, *notes)
        self.untrained: bool = untrained
        self.exact = exact
        self.output: OutputKind | None = None if output is None else read_output_kind(output)
        self.member: str | None = None if member is None else str(member)
        self.decode: Decode | None = None
        if decode is not None:
            self.decode_by(decode)
        self._reading: tuple[object, Reading] | None = None
        self._digest = KeptDigest()
        self._found = RunFindings()

    def around(
        self,
        module: nn.Module,
        *,
        weights: str,
        notes: Sequence[str] = (),
        untrained: bool = False,
    ) -> Model:
        """Return a model that is this one in all but its module, such as a changed copy of it."""
        model = Model(
            module,
            name=self.name,
            preprocessing=self._preprocessing.known,
            categories=self.categories,
            weights=weights,
            notes=notes,
            untrained=untrained,
            output=self.output,
            member=self.member,
            decode=self.decode,
            exact=self.exact,
        )
        model._reading = self._reading
        return model

    def explaining(self, which: str | int, held: Images) -> Model:
        """Return the same network with another of its image inputs as the one that is explained.

        A network of two images that was given with ``inputs=(cnnviz.IMAGE, right)`` explains the
        left one; ``model.explaining("right", left)`` explains the right one beside that left one.

        Parameters
        ----------
        which : str or int
            The input, by its name or its place among the image inputs.
        held : image, or float tensor [1, C, H, W]
            What stays where the image was, as `prepare` takes it.

        Raises
        ------
        UsageError
            If there is no such input that is an image.
        """
        module, shape = exchanged(self.module, self.name, which, lambda: self.prepare(held).tensor)
        other = self.around(
            module, weights=self.weights, notes=self.notes, untrained=self.untrained
        )
        other._preprocessing = KeptPreprocessing(of_other_input(self.preprocessing, shape))
        return other

    @property
    def explained_input(self) -> str:
        """Which of several images is the one that is explained, in a sentence; else nothing."""
        return told_input(self.module)

    @property
    def reading(self) -> Reading | None:
        """How its output is read, once it was run; found anew where a declaration changed."""
        if self._reading is None or self._reading[0] != self._declared:
            return None
        return self._reading[1]

    def keep_reading(self, reading: Reading) -> None:
        """Keep how the output is read, so that all that is made with this model reads it so."""
        self._reading = (self._declared, reading)

    @property
    def _declared(self) -> object:
        return (self.output, self.member, self.categories, self.decode)

    def decode_by(self, decode: Decode) -> None:
        """Read the output as the boxes that a callable makes of it, see `decode` above.

        Raises
        ------
        UsageError
            It is no callable, or the output was declared as something else.
        """
        check_decode(decode, self.output)
        self.decode, self.output = decode, OutputKind.BOXES

    @property
    def preprocessing(self) -> Preprocessing:
        """What it was trained on; where nobody said so a guess, made when first asked for.

        Raises
        ------
        UsageError
            What was said of signals or volumes is for another number of channels.
        """
        return self._preprocessing.of(self.module, self.name)

    @preprocessing.setter
    def preprocessing(self, given: Preprocessing) -> None:
        self._preprocessing = KeptPreprocessing(given)

    @property
    def doubt(self) -> str:
        """What to say where the preprocessing is a guess that matters, or seems wrong."""
        return told_doubt(self.module, self.preprocessing)

    @property
    def device(self) -> torch.device:
        """Where the parameters are; the CPU for a network without any."""
        return next((tensor.device for tensor in _tensors(self.module)), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the parameters; float32 for a network without any."""
        kinds = (tensor.dtype for tensor in _tensors(self.module) if tensor.is_floating_point())
        return next(kinds, torch.float32)

    @property
    def channels(self) -> int:
        """Number of channels of the input."""
        return self.preprocessing.channels

    @property
    def space(self) -> Space:
        """Whether it takes signals, images or volumes."""
        return self.preprocessing.space

    @property
    def rate(self) -> float | None:
        """Samples a second of its signals, where somebody said so."""
        return self._preprocessing.rate(self.module)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Channels of the input and its size along each axis: height and width of an image.

        Where it is left to what is given, a size that the network takes.
        """
        return usual_shape(self.module, self.preprocessing)

    @property
    def sha256(self) -> str:
        """SHA-256 over the names, types, shapes and bytes of the state_dict, in order.

        Kept until a parameter or buffer is written to, as far as torch counts the writes (it
        does not see those through ``.data``).
        """
        return self._digest.of(self.module)

    def prepare(self, images: Images) -> Batch:
        """Read and preprocess images on the device and in the floating-point type of the network.

        Takes what `cnnviz.images.prepare` takes, and raises what it raises. A batch that was
        prepared already is returned as it is.
        """
        if isinstance(images, Batch):
            return images
        check_takes_image(self.module, self.name)
        return prepare(images, self.preprocessing, device=self.device, dtype=self.dtype)

    def forward(self, inputs: torch.Tensor) -> Any:
        """Return what the network returns for preprocessed images.

        Raises
        ------
        ModelError
            If the forward pass fails, with the shape that was given and the one that fits; or
            returns a tensor that is sparse, nested or quantised.

        Notes
        -----
        A network that draws random numbers draws the same in every pass, and the global generators
        are put back.
        """
        draws, note = RandomDraws(), self._found.note_type
        try:
            with draws:
                output = forward(
                    self.module, inputs, self.name, self._usual_shapes, self._search, note
                )
        finally:
            if draws.any:
                self._found.note_draws(inputs)
        if isinstance(output, torch.Tensor):
            check_plain(output, self.name)
        return output

    def _usual_shapes(self) -> Iterator[tuple[int, ...]]:
        """Go through shapes of one image on which the network is likely to run."""
        yield self.input_shape
        # A guess is what this search has found already, if it has found any.
        if self._states_a_preprocessing and (found := find_input(self.module)) is not None:
            yield (found.channels, found.side, found.side)

    @property
    def _states_a_preprocessing(self) -> bool:
        return self.space == IMAGE and not self.preprocessing.is_guess

    def _search(self) -> str:
        """Say so where the search for these shapes ended for its time."""
        return ENDED_EARLY if self.space == IMAGE and gave_up(self.module) else ""

    def remark(self, subject: str, sentence: str) -> None:
        """Have the provenance of what follows say something that was found out about the network.

        A later remark on the same subject takes its place; an empty one takes it away.
        """
        self._found.remark(subject, sentence)

    @property
    def draws(self) -> bool:
        """Whether any forward pass so far drew random numbers."""
        return self._found.draws

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found out about the network while it ran, in sentences."""
        taken = "" if self.reading is None else self.reading.taken
        rounded = told_rounding(self.device, self.dtype, self._found.computed)
        return self._found.sentences(self.module, (taken, self.explained_input, rounded))

    def provenance(
        self,
        images: Iterable[ImageSource | Photo] = (),
        *,
        targets: Iterable[str] = (),
        seed: int | None = None,
        notes: Iterable[str] = (),
        computed_on: str = AS_IT_IS,
    ) -> Provenance:
        """Return where a result comes from that this network gave for these images, if any.

        The network's own notes, and what was found out about it, come before `notes`.
        """
        sources = tuple(ImageSource(image.name, image.sha256) for image in images)
        return Provenance(
            model=self.name,
            weights=self.weights,
            weights_sha256=self.sha256,
            images=sources,
            preprocessing=self.preprocessing.describe() if sources else "",
            targets=tuple(targets),
            seed=seed,
            notes=(*self.notes, *self.findings, *notes),
            output="" if self.reading is None else self.reading.describe(),
            computed_on=computed_on,
        )

    def category(self, index: int) -> str:
        """Return the name of a class, or ``class 105`` where names are not known."""
        if self.categories is not None and 0 <= index < len(self.categories):
            return self.categories[index]
        return f"class {index}"

    def class_index(self, name: str, names: Sequence[str] | None = None) -> int:
        """Return the index of the class of this name, among its categories or other names.

        An exact match comes first, then one that ignores case, then one of the names in a list
        such as ``goldfish, Carassius auratus``.

        Raises
        ------
        TargetError
            No class, or more than one, has this name, or the names are not known.
        """
        return class_index(name, self.categories if names is None else names, self.name)

    def __repr__(self) -> str:
        return f"<Model: {self.name}, weights {self.weights}, input {dimensions(self.input_shape)}>"

    def _repr_html_(self) -> str:
        return shown(self)


def as_model(model: Model | nn.Module) -> Model:
    """Return `model` itself, or a `Model` around a `torch.nn.Module`, which stays as it is.

    Raises
    ------
    UsageError
        The object is neither.
    """
    return model if isinstance(model, Model) else Model(model)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    return chain(module.parameters(), module.buffers())
