"""Size of the base install on disk: a fresh virtual environment, bytecode and bundle included.

Needs a package index to install from.

    python benchmarks/footprint.py
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent


def size_of(path: Path) -> int:
    """Return the bytes that a file or a folder holds."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main() -> None:
    """Install, compile, measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        packages = next((environment / "lib").glob("python*/site-packages"))
        python = environment / "bin" / "python"
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if uv is None:
            raise SystemExit("this benchmark needs uv on the path")
        subprocess.run([uv, "pip", "install", "-q", "--python", python, ROOT], check=True)
        compileall.compile_dir(str(packages), quiet=2)
        rows = sorted(((size_of(path), path.name) for path in packages.iterdir()), reverse=True)
    total = sum(size for size, _ in rows)
    table = Table(title="base install on disk")
    table.add_column("package")
    table.add_column("MB", justify="right")
    for size, name in rows[:12]:
        table.add_row(name, f"{size / 1e6:.1f}")
    table.add_row("the rest", f"{sum(size for size, _ in rows[12:]) / 1e6:.1f}")
    table.add_row("total", f"{total / 1e6:.1f}", style="bold")
    Console().print(table)


if __name__ == "__main__":
    main()
