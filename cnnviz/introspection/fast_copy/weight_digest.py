"""Tell whether weights were changed, also by writes that torch does not count."""

from __future__ import annotations

from collections.abc import Iterable

import torch

_ROUNDING = 1e-6
"""Of what the numbers of a row can add up to: how far their sum may differ for its order alone."""
_EACH = 4
"""How many columns of each matrix of weights are looked at by the quick check."""
_FEW = 1 << 20
"""So many weights are read in well under a millisecond."""


class WeightDigest:
    """A few numbers for each tensor, which change with its values.

    torch counts writes to a tensor, but not those through ``.data``. The thorough check multiplies
    each row of weights with a fixed random vector: that reads all of them once, and tells a change
    of one weight as well as two rows that changed places. It takes a tenth of a forward pass of one
    image. The quick check looks at some weights of each filter, at the whole of two filters, and at
    all vectors, so that it sees whatever changes a filter, or all that reads one channel.

    Parameters
    ----------
    tensors : iterable of torch.Tensor
        The weights. Their memory is kept, not the tensors.
    """

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        with torch.inference_mode(False), torch.no_grad():
            each = {id(tensor): tensor.detach() for tensor in tensors}
            self._weights = [one for one in each.values() if one.ndim > 1 and one.numel()]
            rows = [_rows(weight) for weight in self._weights]
            vectors = [one.reshape(-1) for one in each.values() if one.ndim < 2]
            self._views = _looked_at(vectors, rows)
            longest = max((matrix.shape[1] for matrix in rows), default=0)
            drawn = torch.rand(longest, generator=torch.Generator().manual_seed(0)) + 0.5
            self._factors = [drawn[: matrix.shape[1]].to(matrix) for matrix in rows]
            self._seen, self._sums = self._look(), self._add()
            pairs = zip(rows, self._factors, strict=True)
            self._spans = _joined([matrix.abs() @ factors for matrix, factors in pairs])

    @property
    def is_small(self) -> bool:
        """Whether there are so few weights that the thorough check takes no time to speak of."""
        return sum(weight.numel() for weight in self._weights) <= _FEW

    def same(self, *, thorough: bool) -> bool:
        """Whether the weights are what they were, as far as one of the two checks sees."""
        with torch.no_grad():
            pairs = zip(self._look(), self._seen, strict=True)
            if not all(torch.equal(new, old) for new, old in pairs):
                return False
            # Not the other way around: a NaN is greater than nothing.
            return not thorough or bool(
                ((self._add() - self._sums).abs() <= _ROUNDING * self._spans).all()
            )

    def _look(self) -> list[torch.Tensor]:
        return [torch.cat(views) for views in self._views]

    def _add(self) -> torch.Tensor:
        pairs = zip(self._weights, self._factors, strict=True)
        return _joined([_rows(weight) @ factors for weight, factors in pairs])


def _looked_at(
    vectors: list[torch.Tensor], matrices: list[torch.Tensor]
) -> list[list[torch.Tensor]]:
    """Return views of the weights that are looked at, in groups that can be put together.

    Of each matrix these are a few columns, which meet each filter, and two rows, which meet each
    channel that it reads.
    """
    groups: dict[tuple[object, ...], list[torch.Tensor]] = {}
    for matrix in matrices:
        step = max(1, matrix.shape[1] // _EACH)
        columns = matrix[:, step // 2 :: step][:, :_EACH]
        groups.setdefault((columns.shape[1], matrix.dtype, matrix.device), []).append(columns)
        vectors = [*vectors, matrix[0], matrix[len(matrix) // 2]]
    for vector in vectors:
        groups.setdefault((0, vector.dtype, vector.device), []).append(vector)
    return list(groups.values())


def _rows(weight: torch.Tensor) -> torch.Tensor:
    """Return weights as a matrix that goes through their memory in order."""
    order = sorted(range(weight.ndim), key=weight.stride, reverse=True)
    laid = weight.permute(order)
    return laid.reshape(len(laid), -1)


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([part.reshape(-1).double() for part in parts]) if parts else torch.empty(0)
