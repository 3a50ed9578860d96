"""What to do about packages that do not work: told where one fails, and by `cnnviz doctor`."""

from __future__ import annotations

MISMATCH = "operator torchvision::nms does not exist"
"""What torchvision's import says where it was built for another torch."""
BOTH_AGAIN = "Install both again from one index: pip install --force-reinstall torch torchvision."
HEADLESS = (
    "Take OpenCV without windows: pip install --force-reinstall --no-deps opencv-python-headless."
)
ASK_THE_DOCTOR = "`cnnviz doctor` looks at the whole installation."
_OF_MEMORY = ("failed to map segment", "MemoryError", "Cannot allocate memory")
_OF_WINDOWS = ("libGL", "libgthread", "libxcb", "libX", "libSM")


def for_library(error: str) -> str:
    """Say how to mend a library of the system that is missing; OpenCV's windows need most."""
    if any(name in error for name in _OF_WINDOWS):
        return HEADLESS
    return "Install the package of the system that holds it."


def for_package(distribution: str, error: str, *, missing: bool = False) -> str:
    """Say what to do about a package that cannot be imported, or does not work once it is.

    Parameters
    ----------
    distribution : str
        What pip calls it.
    error : str
        What it said.
    missing : bool
        Whether it is not there at all.
    """
    if missing:
        return f"Install it: pip install {distribution}."
    if distribution == "torchvision" and MISMATCH in error:
        return BOTH_AGAIN
    if distribution == "matplotlib" and error.startswith(("ValueError", "KeyError")):
        return (
            "Check MPLBACKEND and MATPLOTLIBRC in the environment, and the file matplotlibrc in "
            "this folder or in matplotlib's own."
        )
    if "shared object file: No such file" in error:
        return for_library(error)
    if "failed to map segment" in error and "not permitted" in error:
        return "It lies on a file system that runs no programs (noexec): install it elsewhere."
    if any(sign in error for sign in _OF_MEMORY):
        return (
            "There is too little memory to load it, of which torch alone takes some GB of addresses"
            ": raise what limits it, `ulimit -v` or that of the job or container."
        )
    if "SIGILL" in error:
        return f"This {distribution} was built for another processor: take an older release."
    return f"Install it again: pip install --force-reinstall {distribution}."
