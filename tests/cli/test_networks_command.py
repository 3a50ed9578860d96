"""`cnnviz networks`: the list of the course's networks, and the card of one."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from cnnviz.course.network_cards import CARDS
from cnnviz_cli.app import app


def test_the_list_names_every_network_and_how_to_load_it() -> None:
    done = CliRunner().invoke(app, ["networks"])
    assert done.exit_code == 0
    for card in CARDS:
        assert card.title in done.stdout
        assert card.load_name in done.stdout
    listed = json.loads(CliRunner().invoke(app, ["networks", "--json"]).stdout)
    assert [row["title"] for row in listed] == [card.title for card in CARDS]


def test_a_card_has_what_is_published_and_what_is_counted() -> None:
    done = CliRunner().invoke(app, ["networks", "lenet-5", "--quiet"])
    assert done.exit_code == 0
    assert "counted parameters     60,000" in done.stdout
    found = json.loads(CliRunner().invoke(app, ["networks", "LeNet-5", "--json"]).stdout)
    assert found["measured"][0]["parameters"] == 60000
