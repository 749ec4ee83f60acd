"""``evoca data``: its commands, one file each."""

from __future__ import annotations

import typer

from evoca.commands.lazy import group_app

__all__ = ["COMMANDS", "app"]

COMMANDS = {
    "readers": (
        "evoca.commands.data.readers",
        "List and explain the layouts of data sets that can be read.",
    ),
    "build": (
        "evoca.commands.data.build",
        "Build a manifest from a data set as it is distributed.",
    ),
    "stats": (
        "evoca.commands.data.stats",
        "Print counts, imbalance, agreement of viewers, entropy and sizes.",
    ),
    "check": (
        "evoca.commands.data.check",
        "Report leaks across splits, contradictions, bad rows, missing and unreadable images.",
    ),
    "split": (
        "evoca.commands.data.split",
        "Divide images into train, val and test, or into folds.",
    ),
    "votes": (
        "evoca.commands.data.votes",
        "Print what each vote rule keeps, by emotion; label by one with --rule and --out.",
    ),
    "download": (
        "evoca.commands.data.download",
        "Fetch the images of a link list; run it again to go on where it stopped.",
    ),
    "duplicates": (
        "evoca.commands.data.duplicates",
        "Find exact and near copies, labels that contradict each other, and damaged files.",
    ),
    "collect": (
        "evoca.commands.data.collect",
        "Collect a data set: candidates by keyword, reviewed in the browser, to a manifest.",
    ),
}
"""Name to the module and the first line of its help."""

app = group_app(
    COMMANDS,
    help="Build, inspect, check and divide sets of labelled images.",
    examples=(
        "evoca data build fi fi/ --out fi.csv",
        "evoca data check fi.csv",
    ),
)


@app.callback()
def _common(context: typer.Context) -> None:
    pass
