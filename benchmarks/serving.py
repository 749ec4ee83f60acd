"""The server beside ``evoca tag`` on the same files; its memory over time; damaged images.

Tagging and serving take turns in each round. Both run on the same cores with the same engine and
batch size. The clients of the server run on those cores too: the processor time that they take
is counted, and taken out of the time that the server had. The rate of tagging is the slope
between a short and a long run, so that neither start counts.

    python benchmarks/serving.py speed FOLDER [--images 600] [--rounds 3] [--clients 16]
    python benchmarks/serving.py memory FOLDER [--seconds 600] [--clients 16]
    python benchmarks/serving.py mutated FOLDER [--images 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from evoca.images import find_images

CORES = os.cpu_count() or 1
SHORT = 32
QUEUE = 128
COMMON = ["--engine", "onnxruntime", "--threads", str(CORES), "--batch-size", "1"]


@dataclass
class Loaded:
    """What clients saw.

    Attributes:
        statuses: of HTTP to their number.
        seconds: of each request.
        cpu: processor seconds of the clients.
        wall: seconds from the first request to the last answer.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0
    wall: float = 0.0


class Connection:
    """Sends requests one after the other; reads as little of an answer as it can."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: bytes, kind: str = "image/jpeg") -> str:
        """Send an image or a form, and return the status."""
        head = (
            f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body)
        answer = self._socket.recv(65536)
        head_end = answer.find(b"\r\n\r\n") + 4
        lower = answer[:head_end].lower()
        length = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(answer) < head_end + length:
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionError("the server closed the connection")
            answer += part
        if b"connection: close" in lower:
            self._socket.close()
            self._open()
        return answer[9:12].decode()


def client(port: int, clients: int, seconds: float, files: list[str]) -> None:
    """Send files from several threads, for some seconds or each file once; print what was seen."""
    bodies = [Path(file).read_bytes() for file in files]
    seen, lock = Loaded(), threading.Lock()
    ends = time.monotonic() + seconds if seconds else None
    left = iter(range(10**9 if seconds else len(bodies)))

    def work() -> None:
        connection = Connection(port)
        while ends is None or time.monotonic() < ends:
            with lock:
                number = next(left, None)
            if number is None:
                return
            began = time.perf_counter()
            status = connection.post(bodies[number % len(bodies)])
            took = time.perf_counter() - began
            with lock:
                seen.statuses[status] += 1
                seen.seconds.append(took)
            if status in ("429", "503"):
                time.sleep(0.05)  # a real client waits longer: Retry-After

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {"statuses": seen.statuses, "seconds": seen.seconds, "cpu": cpu}
    print(json.dumps({**found, "wall": time.perf_counter() - began}))


def loaded(port: int, clients: int, files: list[str], seconds: float = 0.0) -> Loaded:
    """Return what clients of a process of their own see."""
    command = [sys.executable, __file__, "client", "-", "--port", str(port)]
    command += ["--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(
        command, input="\n".join(files), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return Loaded(Counter(found["statuses"]), found["seconds"], found["cpu"], found["wall"])


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the server; end it, and require that it ends well."""
    command = [sys.executable, "-m", "evoca", "serve", "--port", "0", *COMMON, *options]
    command += ["--queue", str(QUEUE), "--per-client", str(QUEUE)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    if first["event"] != "listening":
        raise SystemExit(f"the server does not start: {first}")
    port = int(first["url"].rpartition(":")[2])
    threading.Thread(target=lambda: list(process.stderr or ()), daemon=True).start()
    try:
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait() != 0:
            raise SystemExit(f"the server ended with {process.returncode}")


def tag_seconds(files: list[str]) -> tuple[float, float]:
    """Return how long ``evoca tag`` takes, and its processor seconds."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "listed.csv"
        listed.write_text("image\n" + "".join(f"{file}\n" for file in files))
        command = [sys.executable, "-m", "evoca", "tag", str(listed), "--quiet", *COMMON]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([*command, "--out", str(Path(folder) / "tags.csv")], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return time.perf_counter() - began, cpu


def serve_cpu(pid: int) -> float:
    """Return the processor seconds of a server and of the processes that decode for it."""
    ticks = 0
    for one in (pid, *children_of(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def speed(files: list[str], rounds: int, clients: int) -> None:
    """Compare the rates of tagging and serving, and show the times of requests.

    Beside the rates stand processor seconds per 1,000 images, which other work on the machine
    changes less.
    """
    ratios, costs = [], []
    table = Table(
        "round", "tag", "serve", "ratio", "CPU s tag", "CPU s serve", "p50", "p99", "not 200"
    )
    with serving() as (process, port):
        loaded(port, clients, files[:SHORT])
        for number in range(rounds):
            long, short = tag_seconds(files), tag_seconds(files[:SHORT])
            more = len(files) - SHORT
            tag, tag_cpu = more / (long[0] - short[0]), (long[1] - short[1]) / more
            before = serve_cpu(process.pid)
            seen = loaded(port, clients, files)
            served = seen.statuses["200"]
            own_cpu = (serve_cpu(process.pid) - before) / served
            # The clients had the share cpu / cores of the machine.
            serve = served / (seen.wall - seen.cpu / CORES)
            ratios.append(serve / tag)
            costs.append(tag_cpu / own_cpu)
            p50, p99 = percentiles(seen)
            table.add_row(
                *(str(number + 1), f"{tag:.1f}/s", f"{serve:.1f}/s", f"{ratios[-1]:.3f}"),
                *(f"{1000 * tag_cpu:.1f}", f"{1000 * own_cpu:.1f}"),
                *(
                    f"{1000 * p50:.0f} ms",
                    f"{1000 * p99:.0f} ms",
                    str(seen.statuses.total() - served),
                ),
            )
    Console(width=100).print(table)
    for what, found in (("rate", ratios), ("by processor seconds", costs)):
        middle = statistics.median(found)
        print(f"serve / tag, {what}: {middle:.3f} ({min(found):.3f} to {max(found):.3f})")
    print(f"{clients} clients, {len(files)} files, queue {QUEUE}")


def percentiles(seen: Loaded) -> tuple[float, float]:
    """Return the median and the 99th percentile of the seconds of requests."""
    ordered = sorted(seen.seconds)
    return statistics.median(ordered), ordered[int(0.99 * (len(ordered) - 1))]


def resident(pid: int) -> tuple[int, int]:
    """Return the resident bytes of a process, and those of the processes it started."""
    return _resident(pid), sum(map(_resident, children_of(pid)))


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(number) for task in tasks for number in (task / "children").read_text().split()]


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):  # it was ended
        return 0
    return pages * resource.getpagesize()


def watched(pid: int, work: Callable[[], Any]) -> tuple[Any, list[tuple[int, int]]]:
    """Return what some work returns, and the memory of a process each second meanwhile."""
    samples, done = [resident(pid)], threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            samples.append(resident(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        return work(), samples
    finally:
        done.set()
        thread.join()


def show_memory(samples: list[tuple[int, int]]) -> None:
    """Show the memory in tenths of the time."""
    table = Table("seconds", "server", "decoders")
    step = max(1, len(samples) // 10)
    for start in range(0, len(samples), step):
        part = samples[start : start + step]
        own, others = (max(values) / 2**20 for values in zip(*part, strict=True))
        table.add_row(str(start), f"{own:.0f} MiB", f"{others:.0f} MiB")
    Console().print(table)


def memory(files: list[str], seconds: float, clients: int) -> None:
    """Show the memory of a server under load."""
    with serving() as (process, port):
        seen, samples = watched(process.pid, lambda: loaded(port, clients, files, seconds))
    show_memory(samples)
    p50, p99 = percentiles(seen)
    print(f"{dict(seen.statuses)}; p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms")


FORMATS = {
    "JPEG": {"quality": 85},
    "PNG": {},
    "GIF": {},
    "WEBP": {"quality": 80},
    "AVIF": {"quality": 70, "speed": 10},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "JPEG2000": {},
    "PPM": {},
}


def seeds(files: list[str]) -> list[bytes]:
    """Return small pictures in every format that is read."""
    found = []
    for file in files[:4]:
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
            picture.thumbnail((240, 240))
        for kind, options in FORMATS.items():
            target = BytesIO()
            picture.save(target, kind, **options)
            found.append(target.getvalue())
    return found


def mutant(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Return a damaged copy: bytes changed, a part cut, doubled or taken from another picture."""
    found = bytearray(data)
    kind = draw.randrange(6)
    if kind in (0, 1):  # a few bytes, in the header for every second one
        reach = min(len(found), 200) if kind else len(found)
        for _ in range(draw.choice([1, 2, 8, 64])):
            found[draw.randrange(reach)] = draw.choice(
                [0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)]
            )
    elif kind == 2:
        del found[draw.randrange(1, len(found)) :]
    elif kind == 3:
        start = draw.randrange(len(found))
        del found[start : start + draw.choice([1, 4, 100, 5000])]
    elif kind == 4:
        start = draw.randrange(len(found))
        found[start:start] = found[start : start + draw.choice([4, 100, 5000])]
    else:
        found = found[: draw.randrange(len(found))] + other[draw.randrange(len(other)) :]
    return bytes(found) or b"\0"


def form(images: list[bytes]) -> bytes:
    """Return images as a form with the boundary ``evoca-mutants``."""
    head = b'--evoca-mutants\r\nContent-Disposition: form-data; name="files"; filename="m"\r\n\r\n'
    return b"".join(head + image + b"\r\n" for image in images) + b"--evoca-mutants--\r\n"


def mutated(files: list[str], images: int, seed: int) -> None:
    """Send damaged images; the server must answer each request, and go on."""
    draw, originals = random.Random(seed), seeds(files)  # noqa: S311 - no secret
    statuses: Counter[str] = Counter()
    with serving() as (process, port):

        def send() -> None:
            connection = Connection(port)
            for start in range(0, images, 16):
                count = min(16, images - start)
                body = form(
                    [
                        mutant(draw.choice(originals), draw.choice(originals), draw)
                        for _ in range(count)
                    ]
                )
                kind = "multipart/form-data; boundary=evoca-mutants"
                statuses[connection.post(body, kind)] += 1

        _, samples = watched(process.pid, send)
        again = Connection(port).post(originals[0])
    show_memory(samples)
    print(f"{images:,} damaged images: {dict(statuses)}; a whole one afterwards: {again}")


def main() -> None:
    """Run one of the benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory", "mutated", "client"])
    parser.add_argument("folder")
    parser.add_argument("--images", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    if given.what == "client":
        client(given.port, given.clients, given.seconds, sys.stdin.read().splitlines())
        return
    files = [str(path.absolute()) for path in find_images(Path(given.folder))]
    if given.what == "speed":
        speed(files[: given.images or 600], given.rounds, given.clients)
    elif given.what == "memory":
        memory(files[: given.images or 600], given.seconds, given.clients)
    else:
        mutated(files, given.images or 10_000, given.seed)


if __name__ == "__main__":
    main()
