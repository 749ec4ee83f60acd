"""``evoca export``. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evoca.errors import MissingExtraError
from evoca.terminal import console_for

__all__ = ["export", "lab_packages"]


@contextmanager
def lab_packages() -> Iterator[None]:
    """Turn a missing package of the lab into one line that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evoca"):
            raise
        raise MissingExtraError("this command", "train", _package(error.name)) from error


def _package(module: str | None) -> str:
    """Return what to call a missing module: its distribution's name where that differs."""
    return {"yaml": "pyyaml", "sklearn": "scikit-learn"}.get(module or "", module or "torch")


def export(run: Path, out: Path) -> None:
    """Export a run and say where the bundle is."""
    with lab_packages():
        from evoca.lab.export import export_bundle
    bundle = export_bundle(run, out)
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    console_for().print(f"{bundle.path}: {bundle.card.name}, {size / 1e6:.1f} MB", soft_wrap=True)
