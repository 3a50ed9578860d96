"""Lines that other processes run count too, where the lines of this one are counted."""

from __future__ import annotations

from coverage import Coverage


def counting() -> dict[str, str]:
    """Return what the environment of an interpreter needs so that its lines and its forks' count.

    Nothing where nothing is counted. It is not given to every interpreter: coverage.py asks the
    finders of modules where the packages are before anything else runs, which tests of a start with
    finders of their own would notice.
    """
    running = Coverage.current()
    return {} if running is None else {"COVERAGE_PROCESS_CONFIG": running.config.serialize()}
