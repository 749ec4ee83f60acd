"""Print ``docs/papers.md``: ``python -m evoca.papers > docs/papers.md``."""

from evoca.documents import to_markdown
from evoca.papers.document import all_papers
from evoca.papers.load import load_papers

print(to_markdown(all_papers(load_papers().values())), end="")
