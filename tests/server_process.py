"""A server of the real command on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

PATIENCE = 240  # seconds, on a machine that is busy with other tests


class Server:
    """A running ``evoca serve``.

    Args:
        options: of the command.
        before: words before it.
    """

    def __init__(self, *options: str, before: list[str] | None = None) -> None:
        command = [sys.executable, "-m", "evoca", "serve", "--port", "0", "--threads", "1"]
        command += ["--timeout", str(PATIENCE)]
        self.process = subprocess.Popen(
            [*(before or []), *command, *options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.events: list[dict[str, object]] = []
        self.raw: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        listening = self.wait_for(lambda one: one["event"] == "listening")
        self.url = str(listening["url"])
        self.client = httpx2.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.raw.append(line)
                self.events.append(json.loads(line) if line.startswith("{") else {"event": line})
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, found: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """Wait for a line of the log, and return it."""
        with self._changed:
            while True:
                for one in self.events:
                    if found(one):
                        return one
                if not self._reader.is_alive() or not self._changed.wait(PATIENCE):
                    raise AssertionError("".join(self.raw))

    def requests(self) -> list[dict[str, object]]:
        """The lines of the log on requests."""
        return [one for one in self.events if one["event"] == "request"]

    def metric(self, name: str) -> float:
        """A figure of /metrics; 0 where it is not there yet."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return 0.0

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the processes that decode, so that images stay under way; go on at the end."""
        found = [int(n) for n in _all_children(Path(f"/proc/{self.process.pid}/task"))]
        assert found
        for number in found:
            os.kill(number, signal.SIGSTOP)
        try:
            yield
        finally:
            for number in found:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGCONT)

    def wait_until(self, name: str, value: float) -> None:
        """Wait until a figure of /metrics has a value; each look is a request."""
        ends = time.monotonic() + PATIENCE
        while self.metric(name) != value:
            assert time.monotonic() < ends, self.metric(name)

    def end(self) -> int:
        """Wait for the end, and return the exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def close(self) -> None:
        """End it, whatever it does."""
        self.client.close()
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.end()


def _all_children(tasks: Path) -> list[str]:
    """The processes that the threads of a process started."""
    return [n for task in tasks.iterdir() for n in (task / "children").read_text().split()]


def connected(server: Server) -> socket.socket:
    """Open a connection."""
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def later(call: Callable[..., Any], *given: Any) -> Callable[[], Any]:
    """Begin a call in a thread; return a function that waits for what it returns."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call(*given)), daemon=True)
    thread.start()

    def wait() -> Any:
        thread.join(PATIENCE)
        return found[0]

    return wait
