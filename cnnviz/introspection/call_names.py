"""What one call of a layer is written as: in every table, picture, option and file the same."""

from __future__ import annotations

from cnnviz.errors import LayerError


def call_name(name: str, index: int, times: int) -> str:
    """Return what a call is shown as and asked for by.

    Parameters
    ----------
    name : str
        The layer.
    index : int
        Which of its calls it is, from 0.
    times : int
        How many calls of it there are in one forward pass.

    Returns
    -------
    str
        The plain name of the only call, such as ``conv1``; ``relu#1`` for the second of several.
    """
    return name if times == 1 else f"{name}#{index}"


def several_calls(name: str, times: int) -> LayerError:
    """Return the error of a layer that is called several times where one call is asked for."""
    listed = ", ".join(repr(call_name(name, index, times)) for index in range(times))
    return LayerError(
        f"Layer {name!r} was called {times} times in the forward pass.",
        f"Say which call is meant: {listed}.",
    )


def no_call(name: str, index: int, times: int) -> LayerError:
    """Return the error of a layer that is called fewer times than is asked for."""
    counted = "once" if times == 1 else f"{times} times"
    return LayerError(
        f"Layer {name!r} has no call {index}: it was called {counted}.",
        "Call indices count from 0.",
    )


def operation_name(name: str, operation: str, index: int, times: int) -> str:
    """Return what a call of a function is shown as, which is no layer and cannot be asked for.

    Parameters
    ----------
    name : str
        The module that calls it; empty for the network itself.
    operation : str
        The function.
    index, times : int
        As for `call_name`.

    Returns
    -------
    str
        ``layer1.0: add``, ``relu``; ``relu (2 of 3)`` for the second of three. The sign # is left
        to calls of layers, whose name with it is typed as an option.
    """
    written = f"{name}: {operation}" if name else operation
    return written if times == 1 else f"{written} ({index + 1} of {times})"
