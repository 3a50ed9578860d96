"""How the output of a network is read, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass

from cnnviz.introspection.final_activation import Softening
from cnnviz.models.output_kinds import WORDS, OutputKind

AS_GIVEN = "as given"
"""What stands for an activation at the end that was not seen: the values are probabilities."""
NORMALISED: Softening = "normalisation"
"""What an embedding ends in whose rows are divided by their length."""
_OTHERS = {
    OutputKind.CLASSES: "embedding, value or labels",
    OutputKind.EMBEDDING: "classes, value or labels",
    OutputKind.VALUE: "logit or class-map",
    OutputKind.CLASS_MAP: "value",
}
"""What else an output may be that is taken for one of a kind."""


@dataclass(frozen=True)
class Reading:
    """How the output of a network is read.

    Attributes
    ----------
    kind : OutputKind or None
        What it means; None where its shape fits none.
    why : str
        What the kind was guessed from; empty where it was declared or is known.
    member : str
        Which member was taken; empty where the output is one tensor.
    others : tuple of str
        The members that could have been taken as well.
    inside : str
        What the network itself ends in: "softmax", "log_softmax", "sigmoid", "normalisation", "as
        given" where that was not seen and the values are probabilities, or nothing.
    classes : int
        How many classes, labels, values or dimensions it has; two for one logit, and 0 for boxes
        of classes without names.
    names : tuple of str or None
        Their names, where they are known.
    shape : tuple of int
        How many axes the member has, and how many columns.
    """

    kind: OutputKind | None
    why: str
    member: str
    others: tuple[str, ...]
    inside: str
    classes: int
    names: tuple[str, ...] | None
    shape: tuple[int, int]

    def name(self, index: int) -> str:
        """Return the name of a class, label, value or dimension."""
        if self.names is not None and 0 <= index < len(self.names):
            return self.names[index]
        words = {
            OutputKind.VALUE: "value",
            OutputKind.EMBEDDING: "dimension",
            OutputKind.LABELS: "label",
        }
        return f"{words.get(self.kind, 'class') if self.kind else 'class'} {index}"

    @property
    def taken(self) -> str:
        """Which member was taken, in words; empty where there was no choice."""
        if not self.others:
            return ""
        rest = ", ".join(map(repr, self.others[:3]))
        if len(self.others) > 3:
            rest += f" or {len(self.others) - 3} more"
        return f"Of what the network returns, {self.member!r} is explained, and not {rest}."

    @property
    def guess(self) -> str:
        """That the kind is a guess, in words; empty where it is none."""
        if not self.why:
            return ""
        other = _OTHERS.get(self.kind) if self.kind else None
        such = f" (such as {other})" if other else ""
        return f"a guess: {self.why}; --output{such} sets it, in Python output= of Model and load"

    def describe(self) -> str:
        """Say what the output means, whether that is a guess, and what it ends in."""
        said = "of no known kind" if self.kind is None else WORDS[self.kind]
        ends = {
            "softmax": "softmax inside the network",
            "log_softmax": "logarithm of a softmax inside the network",
            "sigmoid": "sigmoid inside the network",
            NORMALISED: "normalised inside the network",
            AS_GIVEN: "probabilities as the network returns them",
        }
        more = [part for part in (ends.get(self.inside, ""), self.guess) if part]
        member = f"{self.member!r}: " if self.others else ""
        return f"{member}{said}" + (f" ({'; '.join(more)})" if more else "")
