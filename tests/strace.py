"""What a command asks of the system: networks and files, native libraries included."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

CALLS = "connect,sendto,sendmsg,sendmmsg,bind,open,openat,creat,mkdir,mkdirat,mknodat"
CALLS += ",rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,truncate"
_LINE = re.compile(r"^\d+ +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<value>-?\d+)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_FOLDER = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, $")
NETWORK = ("connect", "sendto", "sendmsg", "sendmmsg", "bind")
FAMILIES = ("AF_INET", "AF_NETLINK", "AF_PACKET")
LOOPBACK = ('"127.0.0.1"', '"::1"')


class Trace(NamedTuple):
    """A finished command.

    Attributes:
        done: its status and what it printed.
        network: the calls that look names up, ask a network or listen to it, as strace shows
            them. A socket that only asks for a port of the machine itself is none: urllib3
            finds out so, when it is imported, whether there is IPv6.
        written: the paths that it made, opened for writing, renamed or removed.
    """

    done: subprocess.CompletedProcess[bytes]
    network: list[str]
    written: set[Path]


def need_strace() -> None:
    """Skip the test where no system calls can be traced."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace, to see what native libraries do")
    probe = subprocess.run([strace, "-f", "-o", os.devnull, "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("strace may not trace here: " + probe.stderr.decode().strip()[:200])


def clean_environment(home: Path, temporary: Path) -> dict[str, str]:
    """The environment of a new user: nothing says CI, and no setting is made."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }


def trace(arguments: list[str], folder: Path, environment: dict[str, str], log: Path) -> Trace:
    """Run ``evoca`` in a folder and return what it did.

    Args:
        arguments: after ``evoca``.
        folder: where it runs.
        environment: all of it.
        log: a file for the system calls, overwritten.
    """
    command = [sys.executable, "-c", "from evoca.cli import main; main()", *arguments]
    done = subprocess.run(
        [*tracing(log), *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        timeout=240,
    )
    return Trace(done, *calls_in(log, folder))


def tracing(log: Path) -> list[str]:
    """The words before a command that have its system calls written to a file."""
    # Unfinished calls would be cut in two lines; strings long enough for any path.
    options = ["-f", "-qq", "-y", "-s", "4096", "--seccomp-bpf", "-e", f"trace={CALLS}"]
    return ["strace", *options, "-e", "signal=none", "-o", str(log)]


def calls_in(log: Path, folder: Path) -> tuple[list[str], set[Path]]:
    """The calls that ask a network, and the paths written, of a command that ran in a folder."""
    network: list[str] = []
    written: set[Path] = set()
    for line in _whole_lines(log):
        call = line.split(maxsplit=1)[1].partition("(")[0]
        if call in NETWORK:
            to_itself = call == "bind" and any(address in line for address in LOOPBACK)
            if any(family in line for family in FAMILIES) and not to_itself:
                network.append(line)
            continue
        written |= _written(line, folder)
    return network, written


def _whole_lines(log: Path) -> list[str]:
    """Join the calls that strace cut in two because another thread's came between."""
    waiting: dict[str, str] = {}
    lines = []
    for line in log.read_text(errors="replace").splitlines():
        thread, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>"):
            waiting[thread] = line.removesuffix(" <unfinished ...>")
        elif "resumed>" in rest and thread in waiting:
            lines.append(waiting.pop(thread) + rest.partition("resumed>")[2])
        else:
            lines.append(line)
    return lines


def _written(line: str, folder: Path) -> set[Path]:
    match = _LINE.match(line)
    if match is None or int(match["value"]) < 0:
        return set()
    call, arguments = match["call"], match["arguments"]
    if call in {"open", "openat"} and not re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", arguments):
        return set()
    found = set()
    for string in _STRING.finditer(arguments):
        base = _FOLDER.search(arguments[: string.start()])
        start = Path(base[1]) if base else folder
        found.add(Path(os.path.normpath(start / string[1])))
    return found
