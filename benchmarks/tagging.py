"""Tagging speed beside other ways to run the same network on the same files.

Every way is a process of its own that takes its turn in each round; what is compared are images
a second, as ratios to the transformers pipeline at its best batch size. Networks of other
libraries have the architecture and input size of Evoca's model, with random weights. `evoca tag`
counts everything from its start to the written table; a second row, "each further", is the slope
between a short and the long run, which is what a million images take.

    python benchmarks/tagging.py FOLDER [--images 600] [--rounds 3] [--only evoca-tag,pipeline-1]
        [--model BUNDLE --int8-model BUNDLE --network tf_efficientnet_lite0 --side 224]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evoca.images import find_images

MODEL, INT8_MODEL = "default", "default-int8"
NETWORK, SIDE = "tf_efficientnet_lite2", 320
CORES = os.cpu_count() or 1


def pipeline(files: list[str], batch_size: int) -> None:
    """The transformers pipeline for image classification, with a network of timm."""
    import torch
    from transformers import (
        TimmWrapperConfig,
        TimmWrapperForImageClassification,
        TimmWrapperImageProcessor,
    )
    from transformers import pipeline as of

    torch.set_num_threads(CORES)
    config = TimmWrapperConfig(architecture=NETWORK, num_labels=8)
    processor = TimmWrapperImageProcessor(
        pretrained_cfg={
            "input_size": [3, SIDE, SIDE],
            "interpolation": "bicubic",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "crop_pct": 1.0,
        }
    )
    classify = of(
        "image-classification",
        model=TimmWrapperForImageClassification(config).eval(),
        image_processor=processor,
        device="cpu",
    )
    with timed(files):
        for _ in classify(files, batch_size=batch_size, top_k=8):
            pass


class timed:  # noqa: N801 - used as a function
    """Print what happened inside: images, seconds of the clock and of the processors."""

    def __init__(self, files: Iterable[str]) -> None:
        self._images = len(list(files))

    def __enter__(self) -> None:
        self._began, self._cpu = time.perf_counter(), processor_seconds()

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._began
        found = {"images": self._images, "seconds": seconds}
        print(json.dumps({**found, "cpu": processor_seconds() - self._cpu}), flush=True)


def processor_seconds() -> float:
    """Return the processor time of this process and of its ended children."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds))


def data_loader(files: list[str], batch_size: int) -> None:
    """A loop of PyTorch's DataLoader over a network of timm."""
    import timm
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    torch.set_num_threads(CORES)
    model = timm.create_model(NETWORK, num_classes=8).eval()
    transform = timm.data.create_transform(
        (3, SIDE, SIDE), interpolation="bicubic", crop_pct=1.0, is_training=False
    )

    class Photographs(Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, i: int) -> torch.Tensor:
            with Image.open(files[i]) as opened:
                found: torch.Tensor = transform(opened.convert("RGB"))
            return found

    loader = DataLoader(Photographs(), batch_size, num_workers=CORES)
    with timed(files), torch.inference_mode():
        for batch in loader:
            model(batch).softmax(dim=1)


def onnx_loop(files: list[str]) -> None:
    """A plain loop: Pillow decodes and resizes, ONNX Runtime computes, one image at a time."""
    import numpy as np
    from PIL import Image

    from evoca.privacy import onnxruntime
    from evoca.runtime.bundle import read_bundle

    session = onnxruntime().InferenceSession(
        read_bundle(MODEL).onnx_bytes(), providers=["CPUExecutionProvider"]
    )
    with timed(files):
        for file in files:
            with Image.open(file) as opened:
                pixels = opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            session.run(["logits"], {"image": np.asarray(pixels)[None]})


def openvino_loop(files: list[str], precision: str) -> None:
    """A plain loop: Pillow decodes and resizes, OpenVINO computes, one image at a time."""
    import numpy as np
    import openvino
    from PIL import Image

    from evoca.runtime.bundle import find_bundle

    compiled = openvino.Core().compile_model(
        str(find_bundle(MODEL) / "model.onnx"), "CPU", {"INFERENCE_PRECISION_HINT": precision}
    )
    with timed(files):
        for file in files:
            with Image.open(file) as opened:
                pixels = opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            compiled([np.asarray(pixels)[None]])


def network_alone(
    files: list[str], model: str = "", engine_name: str = "onnxruntime", precision: str = ""
) -> None:
    """The bundled network alone, one thread a run, as many runs as cores: the bound."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from evoca.runtime.bundle import read_bundle
    from evoca.runtime.engines import open_engine

    bundle = read_bundle(model or MODEL)
    engine = open_engine(engine_name, bundle, 1, precision or None, runs=CORES)
    batch = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    with timed(files), ThreadPoolExecutor(CORES) as threads:
        list(threads.map(lambda _: engine.run(batch), files))


def decoding_alone(files: list[str]) -> None:
    """Decoding, resizing and screening alone, in one thread."""
    import evoca
    from evoca.images.sources import load_image

    preprocessing = evoca.load(MODEL).card.preprocessing
    with timed(files):
        for file in files:
            load_image(file, preprocessing)


def evoca_stream(files: list[str]) -> None:
    """``Predictor.stream``, with its defaults."""
    import evoca

    model = evoca.load(MODEL)
    with timed(files):
        for _ in model.stream(files):
            pass


def evoca_tag(files: list[str], **settings: object) -> None:
    """``evoca tag``: everything from listing the images to writing the table."""
    from evoca.tagger import TagSettings, tag

    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "list.txt"
        names.write_text("\n".join(map(os.path.abspath, files)))
        with timed(files):
            chosen = TagSettings(**{"model": MODEL, **settings})  # type: ignore[arg-type]
            tag([str(names)], Path(folder) / "tags.csv", chosen)


WAYS: dict[str, Callable[[list[str]], None]] = {
    "pipeline-1": lambda files: pipeline(files, 1),
    "pipeline-4": lambda files: pipeline(files, 4),
    "pipeline-16": lambda files: pipeline(files, 16),
    "timm-loader-16": lambda files: data_loader(files, 16),
    "onnxruntime-loop": onnx_loop,
    "openvino-loop-f32": lambda files: openvino_loop(files, "f32"),
    "openvino-loop-bf16": lambda files: openvino_loop(files, "bf16"),
    "network-alone": network_alone,
    "network-alone-bf16": lambda files: network_alone(files, "", "openvino", "bf16"),
    "network-alone-int8": lambda files: network_alone(files, INT8_MODEL, "openvino"),
    "decoding-alone": decoding_alone,
    "evoca-stream": evoca_stream,
    "evoca-tag": lambda files: evoca_tag(files, engine="onnxruntime", batch_size=1),
    "evoca-tag-bf16": lambda files: evoca_tag(
        files, engine="openvino", precision="bf16", batch_size=1
    ),
    "evoca-tag-int8": lambda files: evoca_tag(
        files, model=INT8_MODEL, engine="openvino", batch_size=1
    ),
    "evoca-tag-auto": evoca_tag,
}


FURTHER = ", each further"
SHORT = 60
"""Images of the short run."""


def measured(name: str, images: int | None = None) -> dict[str, float]:
    """Run one way in a process of its own, and return what it took and its peak memory."""
    command = [sys.executable, __file__, *sys.argv[1:], "--way", name]
    command += [] if images is None else ["--images", str(images)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = [0.0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            peak[0] = max(peak[0], memory_of(run.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    out, err = run.communicate()
    over.set()
    watcher.join()
    if run.returncode:
        raise SystemExit(f"{name}: {err.strip().splitlines()[-1]}")
    return {**json.loads(out.splitlines()[-1]), "memory": peak[0]}


def memory_of(pid: int) -> float:
    """Return the memory of a process and its children in MB, shared pages counted in part."""
    total = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += (task / "children").read_text().split()
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1e3
        total += sum(memory_of(int(child)) for child in set(children))
    except OSError:  # it has just ended
        pass
    return total


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--int8-model", default=INT8_MODEL)
    parser.add_argument("--network", default=NETWORK)
    parser.add_argument("--side", type=int, default=SIDE)
    given = parser.parse_args()
    globals().update(
        MODEL=given.model, INT8_MODEL=given.int8_model, NETWORK=given.network, SIDE=given.side
    )
    if given.way:
        found = [str(path) for path in find_images(given.folder)]
        if given.images > len(found):  # the same image twice is computed once
            raise SystemExit(f"--images {given.images}: the folder has {len(found)}")
        WAYS[given.way](found[: given.images])
        return
    names = given.only.split(",") if given.only else list(WAYS)
    rounds = [one_round(names) for _ in range(given.rounds)]
    show(list(rounds[0]), rounds, given.images)


def one_round(names: list[str]) -> dict[str, dict[str, float]]:
    """Measure each way once; of tagging what each further image takes, too."""
    found = {}
    for name in names:
        found[name] = measured(name)
        if name.startswith("evoca-tag"):
            short = measured(name, SHORT)
            slope = {key: found[name][key] - short[key] for key in ("images", "seconds", "cpu")}
            found[name + FURTHER] = {**slope, "memory": found[name]["memory"]}
    return found


def show(names: list[str], rounds: list[dict[str, dict[str, float]]], images: int) -> None:
    """Print images a second, ratios to the best pipeline, processor time and memory."""
    rate = {name: [one[name]["images"] / one[name]["seconds"] for one in rounds] for name in names}
    pipelines = [name for name in names if name.startswith("pipeline")] or names[:1]
    base = max(pipelines, key=lambda name: statistics.median(rate[name]))
    table = Table(title=f"{images} images, {CORES} cores, {len(rounds)} rounds, median")
    for column in ("way", "images/s", f"against {base}", "CPU s per 1,000", "peak MB"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name in names:
        ratios = [own / other for own, other in zip(rate[name], rate[base], strict=True)]
        cpu = statistics.median(1e3 * one[name]["cpu"] / one[name]["images"] for one in rounds)
        memory = statistics.median(one[name]["memory"] for one in rounds)
        table.add_row(
            name,
            f"{statistics.median(rate[name]):.1f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            f"{cpu:.1f}",
            f"{memory:.0f}",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
