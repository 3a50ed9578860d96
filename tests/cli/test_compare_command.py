"""Two networks on the command line."""

from __future__ import annotations

import json


def test_one_network_is_compared_with_the_default_and_two_with_each_other(run) -> None:
    for arguments in (
        ("--compare", "shapes-residual"),
        ("--model", "shapes-plain", "--compare", "shapes-residual"),
        ("--compare", "shapes-plain,shapes-residual"),
    ):
        said = run("compare", *arguments, "--count", 8, "--examples", 1, "--json")
        assert said.code == 0
        found = json.loads(said.out)
        assert found["names"] == ["shapes-plain", "shapes-residual"]
        assert found["batch_sizes"] == [8]
