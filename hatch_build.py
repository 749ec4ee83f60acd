"""What the packages say of themselves: addresses, and a README whose links work elsewhere.

An index shows the README without the files beside it. Where ``repository`` of the hook in
``pyproject.toml``, or ``EVOCA_REPOSITORY`` in the environment, holds the repository's address, its
links and pictures lead there, to the tag of this version; without an address they stay as they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
_COMMENT = re.compile(r"^<!-- .* -->\n", re.MULTILINE)


class CustomMetadataHook(MetadataHookInterface):
    """Sets ``readme`` and ``urls``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set what is dynamic."""
        root = Path(self.root)
        text = _COMMENT.sub("", (root / "README.md").read_text(encoding="utf-8"))
        address = os.environ.get("EVOCA_REPOSITORY") or self.config.get("repository") or ""
        address = address.rstrip("/").removesuffix(".git")
        if address:
            source = (root / "src" / "evoca" / "__init__.py").read_text(encoding="utf-8")
            version = re.search(r'__version__ = "(.+)"', source)[1]
            text = absolute(text, address, f"v{version}")
            metadata["urls"] = {
                "Repository": address,
                "Documentation": f"{address}/tree/v{version}/docs",
                "Changelog": f"{address}/blob/v{version}/CHANGELOG.md",
                "Issues": f"{address}/issues",
            }
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def absolute(text: str, address: str, revision: str) -> str:
    """Return a page whose links lead into a repository at a revision."""

    def link(match: re.Match[str]) -> str:
        kind = "raw" if match[1] else "blob"
        return f"{match[1]}[{match[2]}]({address}/{kind}/{revision}/{match[3]})"

    return _LINK.sub(link, text)
