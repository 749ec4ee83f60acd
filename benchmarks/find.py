"""Questions to a table of a million predictions: evoca find beside pandas, on the same file.

    python benchmarks/find.py [--rows N] [--rounds N]

Each answer is a process of its own, start included, on as many cores as there are. The two take
turns. The status is 1 where they find different images.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from evoca.data.manifest.duckdb import connect, sql_string
from evoca.emotions import MIKELS8
from evoca.runtime.tables import table_columns

LABELS = [str(label) for label in MIKELS8]

QUESTIONS = {
    "awe > 0.5 and fear < 0.1": (
        ["awe > 0.5 and fear < 0.1"],
        "t[(t.p_awe > 0.5) & (t.p_fear < 0.1)]",
    ),
    "the 100 most divided": (
        ["--divided", "--limit", "100"],
        "t.assign(e=-(t[p] * np.log(t[p])).sum(axis=1)).nlargest(100, 'e')",
    ),
    "the 100 with most fear, of one emotion": (
        ["emotion = 'sadness'", "--most", "fear", "--limit", "100"],
        "t[t.emotion == 'sadness'].nlargest(100, 'p_fear')",
    ),
}
_PANDAS = """
import sys, numpy as np, pandas as pd
t = pd.read_parquet(sys.argv[1])
p = [c for c in t if c.startswith('p_')]
sys.stdout.write(''.join(f'{{x}}\\n' for x in {answer}['path']))
"""
_EVOCA = "from evoca.cli import main; main()"


def write_tags(file: Path, rows: int) -> None:
    """Write predictions drawn at random, with the columns of ``evoca predict``."""
    shares = np.random.default_rng(0).dirichlet(np.full(8, 0.4), rows)
    columns = {f"p_{label}": shares[:, k] for k, label in enumerate(LABELS)}
    columns["emotion"] = np.array(LABELS, dtype=object)[shares.argmax(axis=1)]
    made = {
        "path": "'photos/' || (i % 1000) || '/' || i || '.jpg'",
        "sha256": "sha256(i::VARCHAR)",
        "emotion": "emotion",
        "confidence": f"greatest({', '.join(f'p_{label}' for label in LABELS)})",
        "polarity_positive": "p_amusement + p_awe + p_contentment + p_excitement",
        "valence": "1 + 8 * p_awe",
        "arousal": "1 + 8 * p_fear",
        "prediction_set": "'[\"' || emotion || '\"]'",
        "prior": "'natural'",
        "model": "'drawn'",
    }
    cells = (
        f"{made.get(name, name if name in columns else 'NULL::VARCHAR')} AS {name}"
        for name in table_columns(LABELS)
    )
    database = connect()
    with database.arrays("drawn", {"i": np.arange(rows), **columns}):
        database.execute(
            f"COPY (SELECT {', '.join(cells)} FROM drawn) TO {sql_string(file)}"  # noqa: S608
        )


def measured(command: list[str]) -> tuple[float, list[str]]:
    """Return the seconds that a process takes, and its lines, sorted."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    out, _ = process.communicate()
    return time.perf_counter() - began, sorted(out.splitlines())


def main() -> int:
    """Ask both, and print the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    differ = 0
    with tempfile.TemporaryDirectory() as name:
        table = Path(name) / "tags.parquet"
        write_tags(table, arguments.rows)
        print(
            f"{arguments.rows:,} rows, {table.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores"
        )
        for question, (words, answer) in QUESTIONS.items():
            expression = words[:1] if not words[0].startswith("-") else []
            options = words[len(expression) :]
            own = [sys.executable, "-c", _EVOCA, "find", *expression, str(table), *options]
            other = [sys.executable, "-c", _PANDAS.format(answer=answer), str(table)]
            times: list[tuple[float, float]] = []
            for _ in range(arguments.rounds):
                found, wanted = measured(own), measured(other)
                differ += found[1] != wanted[1]
                times.append((found[0], wanted[0]))
            ratios = sorted(theirs / ours for ours, theirs in times)
            ours, theirs = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
            print(
                f"{question:<40} find {ours:5.2f} s  pandas {theirs:5.2f} s  "
                f"ratio {ratios[len(ratios) // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
