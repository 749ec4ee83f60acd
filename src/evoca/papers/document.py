"""A paper as a document: its protocols, its systems and every figure it published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from evoca.documents import Block, Bullets, Heading, Paragraph, Table
from evoca.papers.differences import protocol_of
from evoca.papers.published_figures import Target
from evoca.papers.schema import Data, EmotionFigures, Paper, Published, PublishedSystem
from evoca.papers.schema import Table as PublishedTable
from evoca.words import counted

__all__ = ["all_papers", "paper_document", "table_block"]

_INTRODUCTION = (
    "What the papers published, as far as it can be compared: figures with the place they "
    "were printed, the images they were measured on, how each system was trained, and what "
    "the text leaves open. Where a text "
    "contradicts itself both readings stand. Systems are named as their recipes.",
    "Made from src/evoca/papers by make papers; do not edit by hand. evoca reproduce puts "
    "the runs so far beside these figures. Of the papers that were read, only agarwal2019 "
    "carries its year in its text; the others are dated from elsewhere.",
)


def all_papers(papers: Iterable[Paper]) -> Iterator[Block]:
    """Yield the whole of ``docs/papers.md``."""
    yield Heading("Published figures", level=1)
    for text in _INTRODUCTION:
        yield Paragraph(text)
    for paper in papers:
        yield from paper_document(paper)


def paper_document(paper: Paper) -> Iterator[Block]:
    """Yield everything taken from one paper."""
    yield Heading(f"{paper.key}: {paper.title}")
    yield Paragraph(_citation(paper))
    for data in paper.data:
        yield from _data(data)
    for system in paper.systems:
        yield from _system(paper, system)
    for title, items in (("Wished for", paper.wishes), ("Not to be repeated", paper.faults)):
        if items:
            yield Paragraph(f"{title}: {'; '.join(items)}.")


def _citation(paper: Paper) -> str:
    who = "; ".join(paper.authors)
    parts = [who, str(paper.year) if paper.year else "", paper.venue or ""]
    if paper.source:
        parts.append(f"Not read itself: {paper.source}")
    return ". ".join(part for part in parts if part) + "."


def _data(data: Data) -> Iterator[Block]:
    size = []
    if data.images is not None:
        size.append(counted(data.images, "image"))
    if data.links is not None:
        size.append(f"of {data.links:,} offered")
    yield Heading(f"Data: {data.name}", level=3)
    yield Bullets(
        (
            data.rule,
            "; ".join([" ".join(size), protocol_of(data)] if size else [protocol_of(data)]),
            *(f"{emotion} {share:.1%} of the images" for emotion, share in data.shares.items()),
            *(f"open: {text}" for text in data.open),
        )
    )
    if data.counts:
        emotions = list(dict.fromkeys(e for counts in data.counts.values() for e in counts))
        rows = tuple(
            (part, *(f"{counts.get(emotion, 0):,}" for emotion in emotions))
            for part, counts in _mapping(data).items()
        )
        yield Table(("images", *emotions), rows, numeric=len(emotions))


def _mapping(data: Data) -> Mapping[str, Mapping[str, int]]:
    return {str(part): {str(e): n for e, n in c.items()} for part, c in data.counts.items()}


def _system(paper: Paper, system: PublishedSystem) -> Iterator[Block]:
    yield Heading(system.name, level=3)
    only = " Published only: nothing to train here." if system.status != "recipe" else ""
    yield Paragraph(system.summary + only)
    facts = [system.training] if system.training else []
    facts += [_facts(system)] if _facts(system) else []
    facts += [f"open: {text}" for text in system.open]
    facts += [f"found: {text}" for text in system.findings]
    if facts:
        yield Bullets(tuple(facts))
    if system.figures:
        rows = tuple(_figure(paper, figure) for figure in system.figures)
        yield Table(("figure", "value", "on", "where", "note"), rows)
    if system.per_emotion is not None:
        yield from _per_emotion(system.per_emotion)
    for table in system.tables:
        yield from table_block(table)


def _facts(system: PublishedSystem) -> str:
    facts = []
    if system.backbones:
        facts.append(f"backbone {' and '.join(system.backbones)}")
    if system.pretrained is not None:
        facts.append("from ImageNet" if system.pretrained else "from random weights")
    if system.input_size:
        facts.append(f"{system.input_size} x {system.input_size} pixels")
    if system.epochs:
        facts.append(f"{counted(system.epochs, 'epoch')}")
    return ", ".join(facts)


def _figure(paper: Paper, figure: Published) -> tuple[str, ...]:
    target = Target(
        figure.metric,
        figure.value,
        figure.data,
        figure.where,
        setting=(*figure.setting.items(),),
        reading=figure.reading,
    )
    data = paper.data_of(figure.data)
    on = ", ".join(part for part in (data.name if data else None, figure.part) if part)
    if not on and figure.metric != "minutes_per_epoch":
        on = "not said"
    where = f"{figure.printed_by}, {figure.where}" if figure.printed_by else figure.where
    return target.name, target.show(figure.value), on, where, figure.note or ""


def _per_emotion(published: EmotionFigures) -> Iterator[Block]:
    names = [n for n in ("precision", "recall", "f1") if any(n in v for v in _figures(published))]
    rows = tuple(
        (emotion, *(f"{100 * figures[name]:.1f}%" for name in names))
        for emotion, figures in zip(published.values, _figures(published), strict=True)
    )
    yield Paragraph(f"By emotion, on {published.part} ({published.where}):")
    yield Table(("emotion", *names), rows, numeric=len(names))


def _figures(published: EmotionFigures) -> list[dict[str, float]]:
    return [{str(name): value for name, value in v.items()} for v in published.values.values()]


def table_block(table: PublishedTable) -> Iterator[Block]:
    """Yield a published table with its title, place and note."""
    note = f"; {table.note}" if table.note else ""
    yield Paragraph(f"{table.title} ({table.where}{note}):")
    rows = tuple(
        tuple(
            _cell(cell, table.unit, column in table.settings)
            for column, cell in zip(table.columns, row, strict=True)
        )
        for row in table.rows
    )
    yield Table(table.columns, rows, numeric=len(table.columns) - len(table.settings))


def _cell(cell: str | float | None, unit: str, setting: bool) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if setting or unit == "images":
        return f"{cell:g}"
    return f"{100 * cell:.1f}%"
