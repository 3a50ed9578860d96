"""Meeting every operation of a forward pass, below the functions that it is written with."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class OperationMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context whose `__torch_dispatch__` is asked for what each operation returns.

    Newer versions of torch keep their compiler away from such a method. They load it to do so,
    which takes more than a second, and go through it at every operation. Here nothing needs to be
    kept from it: what torch.compile compiled runs as it was written (`hooks.module_hooks`).
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
