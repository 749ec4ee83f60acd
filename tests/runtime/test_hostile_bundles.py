"""Bundles from strangers: nothing read that is not theirs, no crash, refused in one line.

They run in processes of their own, because the fault of an engine would end the tests.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx (extra train), which writes the bundles")

from onnx import helper, numpy_helper

from evoca.runtime.engines import graph
from hostile_bundles import (
    LABELS,
    SIDE,
    branch,
    constant,
    endless,
    external,
    map_of,
    nested,
    slow_to_load,
    sparse,
    weights,
    write_bundle,
    write_files,
)
from samples import photo

OUTSIDE = ([24], [-1], [2**40], [-(2**62)], [[3, 0]], [[0, 8]], [[-1, 0]], [[2**40, 2**40]])
UNSHOWN = ((1, 8, 0, 0), (1, 8, 0, 3), (1, 1, 3, 0), (1, 8, 9, 9), (1, 1, 1, 4000))
IN_MEMORY = ("*/_ORT_MEM_ADDR_/*", "*/_ORT_NATIVE_ENDIAN_MEM_ADDR_/*")
EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]


ASK = """
import json, sys, evoca
for bundle in sys.argv[3:]:
    try:
        evoca.load(bundle, engine=sys.argv[2]).predict(sys.argv[1]).to_image(sys.argv[1])
        said = "predicted"
    except evoca.BundleError as error:
        said = str(error)
    print(json.dumps([bundle, said]), flush=True)
"""


def asked(bundles, picture, engine="onnxruntime"):
    """What a process says of each bundle; those after a crash are missing."""
    photo().save(picture)
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(picture), engine, *map(str, bundles)],
        cwd=picture.parent,
        capture_output=True,
        text=True,
        timeout=240,
    )
    said = dict(map(json.loads, done.stdout.splitlines()))
    assert list(said) == list(map(str, bundles)), (done.returncode, done.stderr)
    assert done.returncode == 0
    return list(said.values())


def refused(bundles, picture, engine="onnxruntime"):
    """Return why each is refused, in a line."""
    said = asked(bundles, picture, engine)
    for bundle, line in zip(bundles, said, strict=True):
        assert line.startswith(str(bundle)), (bundle, line)
        assert "\n" not in line
    return said


def places(tensor_named):
    """The places of a graph where a tensor may stand, as parts of a bundle."""
    return {
        "initializer": {"initializers": [tensor_named("weights")]},
        "constant": {"initializers": [], "nodes": [constant(tensor_named("weights"))]},
        "branch": {"initializers": [], "nodes": branch(tensor_named("inside"))},
    }


@pytest.fixture(params=["onnxruntime", "openvino"])
def engine(request):
    """The engines that read a graph; the second needs the extra of its name."""
    pytest.importorskip(request.param, reason=f"needs the extra {request.param}")
    return request.param


def test_weights_in_other_files_are_not_read(tmp_path, engine):
    secret = np.full((3, LABELS), 1234.5, np.float32).tobytes()
    (tmp_path / "secret.bin").write_bytes(secret)
    locations = {
        "beside": "secret.bin",
        "above": "../secret.bin",
        "absolute": str(tmp_path / "secret.bin"),
        "link": "link.bin",
        "empty": "",
        "device": "/dev/zero",
    }
    bundles = []
    for where, location in locations.items():
        for place, parts in places(lambda name, at=location: external(at, name=name)).items():
            bundle = write_bundle(tmp_path / f"{where}-{place}", **parts)
            (bundle / "secret.bin").write_bytes(secret)
            (bundle / "link.bin").symlink_to(tmp_path / "secret.bin")
            bundles.append(bundle)
    refused(bundles, tmp_path / "photo.png", engine)


def test_no_address_in_memory_is_read(tmp_path, engine):
    bundles = [
        write_bundle(tmp_path / f"{number}-{address}-{place}", **parts)
        for number, marker in enumerate(IN_MEMORY)
        for address in (0, 0x1000, 2**40, 2**63 - 1)
        for place, parts in places(
            lambda name, at=marker, offset=address: external(at, offset=offset, name=name)
        ).items()
    ]
    refused(bundles, tmp_path / "photo.png", engine)


def test_a_sparse_index_outside_its_tensor_is_refused(tmp_path, engine):
    bundles = []
    for number, indices in enumerate(OUTSIDE):
        tensor = sparse(indices)
        node = helper.make_node("Constant", [], ["weights"], sparse_value=tensor)
        for place, parts in (("sparse", [tensor]), ("nodes", [node])):
            folder = tmp_path / f"{number}-{place}"
            bundles.append(write_bundle(folder, initializers=[], **{place: parts}))
    refused(bundles, tmp_path / "photo.png", engine)


def test_what_is_refused_differs_from_what_predicts_in_that_alone(tmp_path, engine):
    shown = map_of((1, LABELS, SIDE, SIDE))
    bundles = [
        write_bundle(tmp_path / "plain"),
        write_bundle(tmp_path / "sparse", initializers=[], sparse=[sparse([0, 9])]),
        write_bundle(tmp_path / "map", nodes=shown, evidence="evidence"),
        write_bundle(tmp_path / "cold", temperature=1e-6),
    ]
    said = asked(bundles, tmp_path / "photo.png", engine)
    if engine == "openvino":  # which has no sparse weights, and says so
        assert said.pop(1).endswith(
            "OpenVINO cannot load model.onnx: weights node not found in graph cache"
        )
    assert set(said) == {"predicted"}


def test_operators_of_others_are_refused(tmp_path):
    (tmp_path / "engine.bin").write_bytes(b"x")
    cached = {"embed_mode": 0, "ep_cache_context": str(tmp_path / "engine.bin")}
    nodes = [
        helper.make_node("Anything", ["image"], ["weights"], domain="evil"),
        helper.make_node("EPContext", ["image"], ["weights"], domain="com.microsoft", **cached),
    ]
    bundles = [
        write_bundle(tmp_path / f"bundle{number}", initializers=[], nodes=[node])
        for number, node in enumerate(nodes)
    ]
    refused(bundles, tmp_path / "photo.png")


def test_graphs_inside_each_other_are_refused(tmp_path):
    bundles = [write_files(tmp_path / str(depth), nested(depth)) for depth in (40, 100, 10_000)]
    refused(bundles, tmp_path / "photo.png")


def test_numbers_that_are_none_are_refused(tmp_path, engine):
    bundles = [
        write_bundle(
            tmp_path / str(value),
            initializers=[numpy_helper.from_array(np.full_like(weights(), value), "weights")],
        )
        for value in (np.nan, np.inf)
    ]
    assert all("not finite" in line for line in refused(bundles, tmp_path / "photo.png", engine))


def test_a_temperature_that_divides_to_infinity_is_refused(tmp_path):
    bundles = [write_bundle(tmp_path / str(t), temperature=t) for t in (5e-324, 1e-300, 1e-9)]
    said = refused(bundles, tmp_path / "photo.png")
    assert all("invalid at temperature" in line for line in said)


def test_evidence_that_no_picture_can_show_is_refused(tmp_path, engine):
    bundles = [
        write_bundle(tmp_path / "-".join(map(str, shape)), nodes=map_of(shape), evidence="evidence")
        for shape in UNSHOWN
    ]
    said = refused(bundles, tmp_path / "photo.png", engine)
    assert all("evidence came out as" in line for line in said)


def interrupted(command):
    """Press Ctrl-C once the graph runs; return the status and what was said."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        # It runs once start-up is over: then the process uses nothing but the processor.
        enough = 3 * os.sysconf("SC_CLK_TCK")
        while process.poll() is None and sum(_cpu_ticks(process.pid)) < enough:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors


@pytest.mark.parametrize("nodes", [endless, slow_to_load])
def test_a_graph_that_loops_can_be_interrupted(tmp_path, nodes, engine):
    reference = tuple(map(int, version("onnxruntime").split(".")[:2]))
    if nodes is slow_to_load and reference < (1, 31):
        pytest.skip("ONNX Runtime before 1.31 lets no other thread run while it loads a graph")
    bundle = write_bundle(tmp_path / "bundle", initializers=[], nodes=nodes())
    photo().save(tmp_path / "photo.png")
    command = [*EVOCA, "predict", str(tmp_path / "photo.png"), "--model", str(bundle)]
    command += ["--engine", engine]
    assert interrupted(command) == (130, "evoca: interrupted\n")


def test_predictions_in_threads_of_a_graph_that_loops_can_be_interrupted(tmp_path):
    bundle = write_bundle(tmp_path / "bundle", initializers=[], nodes=endless())
    (tmp_path / "photos").mkdir()
    for number in range(4):
        photo().save(tmp_path / "photos" / f"{number}.png")
    command = [*EVOCA, "predict", str(tmp_path / "photos"), "--model", str(bundle)]
    status, said = interrupted(command)
    assert (status, said.splitlines()[-1]) == (130, "evoca: interrupted")


def test_a_robustness_test_of_a_graph_that_loops_can_be_interrupted(tmp_path):
    """It predicts in threads, which no signal reaches."""
    pytest.importorskip("cv2", reason="needs evoca[vision]")
    bundle = write_bundle(tmp_path / "bundle", initializers=[], nodes=endless())
    (tmp_path / "photos").mkdir()
    for number in range(4):
        photo().save(tmp_path / "photos" / f"{number}.png")
    command = [*EVOCA, "probe", str(bundle), "--data", str(tmp_path / "photos")]
    status, said = interrupted(command)
    assert (status, said.splitlines()[-1]) == (130, "evoca: interrupted")


def test_the_engine_may_come_back_while_the_process_ends(tmp_path):
    """As where it takes longer than an interrupt waits for it."""
    if tuple(map(int, version("onnxruntime").split(".")[:2])) < (1, 31):
        pytest.skip("ONNX Runtime before 1.31 lets no other thread run while it loads a graph")
    nodes = slow_to_load(products=60)
    bundle = write_bundle(tmp_path / "bundle", initializers=[], nodes=nodes)
    photo().save(tmp_path / "photo.png")
    command = f"""if True:
        import sys, time
        from evoca import cli
        from evoca.runtime.engines import graph

        class SlowToEnd:  # taken down with the module, while no other thread may enter Python
            def __del__(self):
                time.sleep(120)

        slow = SlowToEnd()
        graph._STOP_SECONDS = 0.1
        sys.argv = ["evoca", "predict", {str(tmp_path / "photo.png")!r}, "--model", {str(bundle)!r}]
        cli.main()
    """
    assert interrupted([sys.executable, "-c", command]) == (130, "evoca: interrupted\n")


def test_an_interrupt_waits_for_a_thread_that_has_not_begun(monkeypatch):
    """As on a busy machine; to end while it enters the engine would be a crash."""
    done = []

    class Late(threading.Thread):
        def start(self):
            threading.Timer(0.3, super().start).start()
            raise KeyboardInterrupt

    monkeypatch.setattr(graph, "threading", SimpleNamespace(**vars(threading) | {"Thread": Late}))
    with pytest.raises(KeyboardInterrupt):
        graph.stoppable(lambda: done.append("worked"), lambda: done.append("asked to stop"))
    assert done == ["asked to stop", "worked"]


def _cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])
