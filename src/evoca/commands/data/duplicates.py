"""``evoca data duplicates``: copies among manifests and folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoca.commands.data.common import (
    SHOWN,
    FormatOption,
    print_json,
    report_rejects,
)
from evoca.commands.exits import command, command_app
from evoca.commands.options import FigureFormat
from evoca.commands.progress import advancing
from evoca.commands.terminal import clean, say
from evoca.data.manifest.overwrite import check_table_name, keep_apart
from evoca.errors import needs_extra
from evoca.images import printable_name
from evoca.words import by_number

if TYPE_CHECKING:
    from evoca.data.duplicates.clusters import Cluster, DuplicateReport

__all__ = ["app", "duplicates"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca data duplicates folder/",
        "evoca data duplicates fi.csv oasis.csv --out groups.csv",
    ),
    after_interrupt="; run it again to go on",
)
def duplicates(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Search these manifests and folders of images."),
    ],
    threshold: Annotated[
        int | None,
        typer.Option(min=0, max=128, metavar="N", help="Let N of 128 bits differ; 20 if omitted."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write all images with their group: .parquet or .csv."
        ),
    ] = None,
    output: FormatOption = FigureFormat.TABLE,
) -> int:
    """Find exact and near copies, labels that contradict each other, and damaged files."""
    with needs_extra("data"):
        from evoca.data.duplicates.clusters import DEFAULT_THRESHOLD
        from evoca.data.duplicates.search import listed_images, read_images, search_copies, together
    if out is not None:
        check_table_name(out)
        for source in data:
            keep_apart(source, [out])
    manifests = [read_images(path) for path in data]
    manifest = together(manifests)
    listed = [image for one in manifests for image in listed_images(one)]
    bits = DEFAULT_THRESHOLD if threshold is None else threshold
    with advancing("images", len(manifest)) as advance:
        found = search_copies(manifest, threshold=bits, listed=listed, advance=advance)
    if output == "json":
        print_json(_as_json(found.report))
    else:
        _print(found.report)
    if out is not None:
        found.manifest.write(out)
        say(f"wrote {printable_name(out)}")
    failed = report_rejects(manifest.rejects)
    return int(failed or bool(found.report.unreadable))


def _print(report: DuplicateReport) -> None:
    copies = sum(len(cluster.members) - 1 for cluster in report.clusters)
    across = sum(len(cluster.sources) > 1 for cluster in report.clusters)
    print(f"{len(report.images):>9,} {by_number(len(report.images), 'image')}")
    print(
        f"{len(report.clusters):>9,} {by_number(len(report.clusters), 'cluster')} of copies, "
        f"{across:,} across data sets"
    )
    print(f"{copies:>9,} {by_number(copies, 'image')} more than there are pictures")
    print(
        f"{len(report.conflicts):>9,} {by_number(len(report.conflicts), 'cluster')} with labels "
        "that contradict each other"
    )
    print(f"{len(report.unreadable):>9,} unreadable {by_number(len(report.unreadable), 'image')}")
    for cluster in report.conflicts[:SHOWN]:
        print(f"conflict {cluster.group}: {' / '.join(cluster.labels)}")
        for member in cluster.members[:SHOWN]:
            print(clean(f"    {member.emotion or '-':<12} {member.source}: {member.image}"))
    for image, cause in report.unreadable[:SHOWN]:
        print(clean(f"unreadable {image.source}: {image.image}: {cause}"))


def _as_json(report: DuplicateReport) -> dict[str, Any]:
    return {
        "images": len(report.images),
        "clusters": [_cluster_as_json(cluster) for cluster in report.clusters],
        "conflicts": [cluster.group for cluster in report.conflicts],
        "unreadable": [
            {"image": image.image, "source": image.source, "error": cause}
            for image, cause in report.unreadable
        ],
    }


def _cluster_as_json(cluster: Cluster) -> dict[str, Any]:
    members = [
        {"image": m.image, "source": m.source, "emotion": m.emotion} for m in cluster.members
    ]
    return {
        "group": cluster.group,
        "exact": cluster.exact,
        "labels": cluster.labels,
        "images": members,
    }
