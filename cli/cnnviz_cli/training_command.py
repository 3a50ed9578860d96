"""`cnnviz training-report`: a page on a training run, also while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cnnviz.reports.destination import check_destination
from cnnviz_cli import output_options
from cnnviz_cli.junit_option import Junit, checked_place, write
from cnnviz_cli.report_options import Force, Out, Pdf, SingleFile, tell
from cnnviz_cli.terminal import end_on_failure, progress_bar

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The file that GradientMonitor writes to.", show_default=False
    ),
]


Interactive = Annotated[
    bool,
    typer.Option(
        "--interactive",
        help="Let the page tell step, layer and value under the pointer, for curves and heatmaps.",
    ),
]


FailOn = Annotated[
    str | None,
    typer.Option(
        "--fail-on",
        metavar="FAULTS",
        help="Exit with 1 where the run has one of these, with commas between them: unfinished, "
        "where it did not end or an error ended it, or a kind of event, such as "
        "not-finite,diverging,dying. With 3 where one could not be measured and none was found.",
        show_default=False,
    ),
]


def training_report(
    run: Run,
    fail_on: FailOn = None,
    out: Out = Path("cnnviz-training"),
    pdf: Pdf = False,
    single_file: SingleFile = False,
    force: Force = False,
    junit: Junit = None,
    as_json: output_options.AsJson = False,
    interactive: Interactive = False,
    quiet: output_options.Quiet = False,
) -> None:
    """Make a report on a training run that GradientMonitor records, even while it is running.

    The last line of stdout is the path of the page to open.
    """
    place = check_destination(out, force=force)
    tests = checked_place(junit, place, asked=fail_on is not None)
    with progress_bar(quiet) as progress:
        progress(0, 1, "reading the run")
        from cnnviz.gradients.monitor.run import read_run
        from cnnviz.gradients.monitor.run_checks import asked_of_a_run, check_run
        from cnnviz.reports.training import training_report as make
        from cnnviz.results.json_values import plain

        asked = asked_of_a_run(fail_on)
        found = read_run(run)
        checked = check_run(found, asked)
        made = make(found, interactive=interactive, progress=progress)
        manifest = made.save(out, pdf=pdf, single_file=single_file, force=force)
        if tests is not None:
            write(tests, "training-report", checked)
    facts = {
        "finished": found.finished,
        "error": found.error,
        "events": found.events,
        "unmeasured": found.unmeasured,
        "checks": checked.checks,
    }
    said = [*map(str, found.events), found.summary()]
    tell(manifest, made.notes, said, as_json=as_json, facts=plain(facts))
    end_on_failure(checked)
