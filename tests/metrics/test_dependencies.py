"""Evaluation works in a base install."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import evoca.metrics


def test_no_module_of_evaluation_imports_what_a_base_install_lacks():
    modules = [m.name for m in pkgutil.walk_packages(evoca.metrics.__path__, "evoca.metrics.")]
    assert "evoca.metrics.significance" in modules
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"torch", "sklearn", "scipy"} & set(loaded)
