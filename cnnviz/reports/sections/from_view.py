"""The section of a view that has no builder of its own: its picture, caption and summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.stages import STAGES
from cnnviz.passes.targets import Target
from cnnviz.reports.content import Picture, Section
from cnnviz.reports.context import Context
from cnnviz.results.result import Result
from cnnviz.views import View


def build(view: View, context: Context) -> Section:
    """Let a view look at what the report is about, and show what it found."""
    result = _result(view, context)
    key = view.name
    subject = context.subject.slug if context.subject else ""
    name = "-".join(part for part in (subject, view.command) if part)
    return Section(
        key=key,
        title=context.title,
        anchor=context.anchor(key),
        lead=(result.summary(),),
        pictures=(Picture.of(result, name, context.title),),
        notes=result.provenance.notes,
        subject=subject,
        doubts=tuple(one for one in result.remarks() if one not in result.provenance.notes),
    )


def _result(view: View, context: Context) -> Result:
    function: Callable[..., Result] = view.function()
    if view.needs == "nothing":
        return function()
    if view.needs == "capture":
        return function(_capture(view, context))
    if view.needs == "photo":
        photo: Any = context.image.photo
        return function(photo)
    given: dict[str, Any] = {}
    if view.images == "photos":
        given["images"] = context.image.capture.batch
        if view.target:
            given["target"] = _target(context.image.capture)
    elif view.images == "data":
        given["data"] = list(context.photos)
    return function(context.model, **given)


def _capture(view: View, context: Context) -> Capture:
    """Return the report's own capture where it holds what the view needs, or else another."""
    held = context.image.capture
    if view.layers in ("", STAGES) and (not view.gradients or held.gradients):
        return held
    target = _target(held) if view.target else None
    return capture(
        context.model, held.batch, layers=view.layers, target=target, gradients=view.gradients
    )


def _target(held: Capture) -> Target:
    """Return what the report explains of the image: its likeliest class, or what was asked for."""
    (resolved,) = held.resolved_targets
    return resolved.score if resolved.class_index is None else resolved.class_index
