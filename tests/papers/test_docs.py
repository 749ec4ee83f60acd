"""docs/papers.md is what the data says."""

from pathlib import Path

from evoca.documents import to_markdown
from evoca.papers import load_papers
from evoca.papers.document import all_papers

DOCS = Path(__file__).resolve().parents[2] / "docs" / "papers.md"


def test_the_page_is_current():
    made = to_markdown(all_papers(load_papers().values()))
    assert DOCS.read_text(encoding="utf-8") == made, "run make papers"
