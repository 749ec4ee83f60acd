"""``evoca export``. Needs the extra ``train``."""

from __future__ import annotations

from pathlib import Path

from evoca.errors import needs_extra
from evoca.terminal import console_for

__all__ = ["export"]


def export(run: Path, out: Path) -> None:
    """Export a run and say where the bundle is."""
    with needs_extra("train"):
        from evoca.lab.export import export_bundle
    bundle = export_bundle(run, out)
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    console_for().print(f"{bundle.path}: {bundle.card.name}, {size / 1e6:.1f} MB", soft_wrap=True)
