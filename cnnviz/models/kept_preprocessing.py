"""The preprocessing of one network: what was said of it, or a guess, made when first asked for."""

from __future__ import annotations

from torch import nn

from cnnviz.images import ArrayPreprocessing, Preprocessing
from cnnviz.models.guesses import fitted, guess_preprocessing, known_preprocessing


class KeptPreprocessing:
    """What a network's images are prepared by, found once.

    Parameters
    ----------
    said : Preprocessing or None
        What somebody said; None to guess it from the network.
    """

    def __init__(self, said: Preprocessing | None) -> None:
        self.known = said
        """What was said or guessed so far; None before the first guess."""
        self._fitted = False

    def of(self, module: nn.Module, name: str) -> Preprocessing:
        """Return it for the network of this name, with one mean and std for each channel.

        Raises
        ------
        UsageError
            What was said of signals or volumes is for another number of channels.
        ModelChangedError
            It is a guess, and the network makes parameters when it first runs.
        """
        if self.known is None:
            self.known = guess_preprocessing(module)
        if not self._fitted:
            self.known = fitted(module, self.known, name)
            self._fitted = True
        return self.known

    def rate(self, module: nn.Module) -> float | None:
        """Return the samples a second of its signals, where somebody or the network says so."""
        said = self.known or known_preprocessing(module)
        return said.rate if isinstance(said, ArrayPreprocessing) else None
