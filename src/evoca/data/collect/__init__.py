"""Collect a data set: candidates by keyword, reviewed by people, to a manifest.

The way Rapolu et al. (2023) made their own set, with what they leave to the reader: the
keywords are a table, the votes are stored by annotator, and the label follows a rule.
Needs the extra ``data``.
"""

from evoca.data.collect.candidates import (
    Candidate,
    Found,
    candidates_from_folder,
    candidates_from_links,
    candidates_from_manifest,
)
from evoca.data.collect.export import Exported, export_review
from evoca.data.collect.keywords import Keyword, keywords_in, load_keywords
from evoca.data.collect.server import ReviewServer
from evoca.data.collect.store import ReviewStore, Verdict, Vote

__all__ = [
    "Candidate",
    "Exported",
    "Found",
    "Keyword",
    "ReviewServer",
    "ReviewStore",
    "Verdict",
    "Vote",
    "candidates_from_folder",
    "candidates_from_links",
    "candidates_from_manifest",
    "export_review",
    "keywords_in",
    "load_keywords",
]
