"""What about a network is a guess, told on stderr once work goes ahead, and once only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz_cli.terminal import note

if TYPE_CHECKING:
    from cnnviz.models import Model
    from cnnviz.results.progress import Progress


class Guesses:
    """The guesses about the networks of a command, of which an error sentence comes first.

    An error about a misspelt layer has nothing to do with how photos are prepared, so that nothing
    is told before the first step of the work is done; a long run tells it then, and not at its end.

    Parameters
    ----------
    prepared : bool
        Whether the work hangs on how photos are prepared; otherwise nothing is told of that.
    """

    def __init__(self, *, prepared: bool = True) -> None:
        self._prepared = prepared
        self._models: list[Model] = []
        self._told: set[int] = set()

    def of(self, model: Model) -> Model:
        """Remember a network, and return it."""
        self._models.append(model)
        return model

    def at_first_step(self, progress: Progress) -> Progress:
        """Return a `progress` that tells how photos are prepared when the first step is done."""

        def show(done: int, total: int, what: str) -> None:
            if done:
                self._tell_preparation()
            progress(done, total, what)

        return show

    def tell(self) -> None:
        """Say what was not said yet; what an output means is known once the network has run."""
        from cnnviz.models.output_kinds import told_guess

        self._tell_preparation()
        for model in self._models:
            reading = model.reading
            if reading is not None and reading.kind is not None and reading.guess:
                note(told_guess(reading.kind, reading.guess))

    def _tell_preparation(self) -> None:
        for place, model in enumerate(self._models):
            if place not in self._told:
                self._told.add(place)
                if self._prepared and model.doubt:
                    note(model.doubt)
