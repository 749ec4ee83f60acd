"""Cold start and peak memory of `evoca predict one.jpg`, as whole processes.

The commands take turns, so that a machine that slows down slows all of them down.

    python benchmarks/startup.py [--runs 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import evoca.privacy  # noqa: F401  (the commands inherit its settings)

ROOT = Path(__file__).resolve().parent.parent
PHOTO = ROOT / "examples" / "rocket.jpg"
EVOCA = Path(sys.executable).parent / "evoca"

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import of the seven dependencies": [
        sys.executable,
        "-c",
        "import numpy, onnxruntime, PIL.Image, pydantic, rich, typer, yaml",
    ],
    "evoca --help": [str(EVOCA), "--help"],
    "evoca predict one.jpg": [str(EVOCA), "predict", str(PHOTO)],
    "evoca predict one.jpg --format json": [str(EVOCA), "predict", str(PHOTO), "--format", "json"],
}


def run_once(command: list[str]) -> tuple[float, float]:
    """Run a command to its end; return wall seconds and peak resident MB."""
    start = time.perf_counter()
    pid = os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)}: exit status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    for command in COMMANDS.values():
        run_once(command)  # fills the file cache and writes the bytecode
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            seen[name].append(run_once(command))
    bare = [seconds for seconds, _ in seen["import of the seven dependencies"]]
    table = Table(title=f"cold start, {runs} runs in turns, median (smallest to largest)")
    for column in ("command", "seconds", "against the imports alone", "peak MB"):
        table.add_column(column, justify="left" if column == "command" else "right")
    for name, values in seen.items():
        seconds = [value for value, _ in values]
        ratios = [mine / base for mine, base in zip(seconds, bare, strict=True)]
        table.add_row(
            name,
            _spread(seconds, ".3f"),
            _spread(ratios, ".2f"),
            f"{max(memory for _, memory in values):.0f}",
        )
    Console().print(table)


def _spread(values: list[float], form: str) -> str:
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}} to {max(values):{form}})"


if __name__ == "__main__":
    main()
