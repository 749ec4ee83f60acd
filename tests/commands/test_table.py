"""The table of commands says what the commands say."""

from importlib import import_module

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from evoca import cli
from evoca.commands.data import app as data

TABLES = [(cli, ()), (data, ("data",))]
ROWS = [(path, *row) for table, path in TABLES for row in table.COMMANDS.items()]


@pytest.mark.parametrize(("path", "name", "row"), ROWS, ids=lambda part: str(part)[:20])
def test_the_help_of_a_group_is_that_of_its_commands(path, name, row):
    module, about = row
    command = get_command(import_module(module).app)
    assert about == command.help.partition("\n\n")[0].replace("\n", " ")
    done = CliRunner().invoke(cli.app, [*path, name, "--help"])
    assert done.exit_code == 0
    assert f"evoca {' '.join([*path, name])}" in done.output.replace("root", "evoca")


def test_help_imports_no_command():
    import subprocess
    import sys

    script = (
        "import sys; from evoca.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(m for m in sys.modules if m in {'numpy', 'rich.table', 'PIL.Image'}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr
