"""Files of TorchScript, which are neither weights nor a network whose layers can be seen."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cnnviz.errors import CheckpointError


def check_no_script(path: Path) -> None:
    """Refuse what `torch.jit.save` wrote.

    Raises
    ------
    CheckpointError
        If it is such a file; it says how to get at the weights.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        names = [name.partition("/")[2] for name in archive.namelist()]
    if "constants.pkl" not in names or not any(name.startswith("code/") for name in names):
        return
    raise CheckpointError(
        f"{path.name} is TorchScript, which does not tell what its layers compute.",
        "Take its weights, torch.save(torch.jit.load(path).state_dict(), 'weights.pth'), and name "
        "the network that they belong to; views of the input alone, such as occlusion, take what "
        "torch.jit.load returns.",
    )
