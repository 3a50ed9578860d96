"""The table of bad input: families of cases, each a line with the sentence that it meets.

A new case is a line in the file of its family. `tests/cli/test_bad_input.py` runs them all, and
``python docs/bad_input.py`` writes what is said to each into the documentation.
"""

from types import ModuleType

from tests.helpers.bad_input import (
    checkpoints,
    files_that_lie,
    folders,
    foreign_code,
    images,
    options,
    options_of_a_network,
    resources,
    run_logs,
    shards,
    signals,
)
from tests.helpers.bad_input.case import Case, read

FAMILIES: dict[str, ModuleType] = {
    "options": options,
    "options of a network": options_of_a_network,
    "images": images,
    "files that lie": files_that_lie,
    "run logs": run_logs,
    "tar shards": shards,
    "checkpoints": checkpoints,
    "folders": folders,
    "signals": signals,
    "resources": resources,
    "code of others": foreign_code,
}
"""The families by name: what is in each is said by its docstring, and its `make`, where it has one,
writes the files that its cases name into a folder."""

CASES: list[Case] = [case for name, family in FAMILIES.items() for case in read(name, vars(family))]
