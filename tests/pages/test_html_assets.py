"""The colours that all pages share."""

import re

from cnnviz.pages import html_assets


def test_the_dark_colours_are_the_same_by_choice_and_by_the_system():
    light, system, choice = re.findall(r"\{([^{}]*--paper[^{}]*)\}", html_assets.palette())
    assert system.split() == choice.split()
    assert light.split() != choice.split()


def test_whatever_the_stylesheet_of_the_report_takes_has_a_value():
    css = html_assets.palette() + html_assets.asset("cnnviz.reports", "report.css")
    taken = set(re.findall(r"var\((--[a-z-]+)", css))
    assert "--paper" in taken
    assert taken <= set(re.findall(r"(--[a-z-]+):", css))
