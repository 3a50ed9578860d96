"""The card of a network in words: what is published, and what was counted."""

from __future__ import annotations

from cnnviz.course.network_card import NetworkCard
from cnnviz.course.network_measures import NetworkMeasures
from cnnviz.results.text import count, dimensions, short

NOT_GIVEN = "not given"


def published_parameters(card: NetworkCard) -> str:
    """Return the number of parameters that a paper gives."""
    return NOT_GIVEN if card.parameters is None else short(card.parameters)


def rate_said(rate: float) -> str:
    """Return an error rate as papers print it: a whole one has its zero behind the point.

    >>> rate_said(5.0), rate_said(10.07)
    ('5.0', '10.07')
    """
    return f"{rate:.1f}" if rate == round(rate, 1) else f"{rate:g}"


def error_text(rate: float | None) -> str:
    """Return an error rate in percent; "not given" where there is none."""
    return NOT_GIVEN if rate is None else f"{rate_said(rate)}%"


def card_lines(card: NetworkCard, measured: NetworkMeasures | None) -> list[tuple[str, str]]:
    """Return what a card says, line by line, each with what it is about."""
    depth = NOT_GIVEN if card.depth is None else f"{card.depth} layers"
    parameters = published_parameters(card)
    if card.parameters_source:
        parameters += f" ({card.parameters_source})"
    rates = f"top-1 {error_text(card.top1)}, top-5 {error_text(card.top5)}"
    if card.protocol:
        rates += f" ({card.protocol}; {card.errors_source})"
    lines = [
        ("network", f"{card.title}, {card.year}"),
        ("idea", card.idea),
        ("paper", card.paper),
        ("published depth", depth),
        ("published parameters", parameters),
        ("published error rates", rates),
    ]
    if card.errors_confirmed:
        lines.append(("compared with", card.errors_confirmed))
    elif card.errors_source:
        lines.append(("compared with", "nothing yet"))
    if card.best_top5 is not None:
        lines.append(("its best", f"top-5 {rate_said(card.best_top5)}% ({card.best_protocol})"))
    if measured is not None:
        size = dimensions(measured.input_shape)
        lines += [
            ("counted depth", f"{measured.depth} layers with weights on the longest path"),
            ("counted parameters", count(measured.parameters)),
            ("counted MACs", f"{count(measured.macs)} for one image of {size}"),
        ]
    lines.append(("load it", f'cnnviz.load("{card.load_name}", "random")'))
    if card.remark:
        lines.append(("remark", card.remark))
    return lines
