"""What docs/deploy.md and the Dockerfile say holds of this version."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import evoca
from evoca.cli import app
from evoca.privacy import onnxruntime
from evoca.runtime.bundle import read_bundle
from evoca.serving import ServeSettings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DEFAULT = ServeSettings()


def block(kind):
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


def parsed(words):
    """The options of ``evoca serve``, as the command line reads them."""
    assert words[0] == "serve"
    command = get_command(app).get_command(None, "serve")
    return command.make_context("serve", list(words[1:])).params


def container():
    deployment, service, policy = yaml.safe_load_all(block("yaml"))
    return deployment["spec"]["template"]["spec"], service, policy


def test_the_dockerfile_has_no_fault_that_hadolint_knows():
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("needs the extra dev")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_dockerfile_copies_what_is_there_and_what_docker_may_see():
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert all((ROOT / name).exists() for name in names)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == names


def test_the_image_runs_as_nobody_with_a_command_that_there_is():
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    pod, *_ = container()
    context = pod["securityContext"]
    assert users == [(str(context["runAsUser"]), str(context["runAsGroup"]))]
    (words,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert parsed(yaml.safe_load(words))["host"] == "0.0.0.0"
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert re.fullmatch(r"python:3\.\d+-slim-\w+", image)


def test_the_health_check_of_the_image_asks_the_server(server):
    (words,) = re.findall(r"^    CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    _, option, script = yaml.safe_load(words)
    script = script.replace("http://127.0.0.1:8000", server.url)
    subprocess.run([sys.executable, option, script], check=True)
    gone = script.replace("/healthz", "/gone")
    assert subprocess.run([sys.executable, option, gone], capture_output=True).returncode == 1


def test_the_unit_is_one_that_systemd_takes(tmp_path):
    unit = block("ini")
    (start,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    words = shlex.split(start)
    assert words[0] == "/opt/evoca/bin/evoca"
    assert parsed(words[1:])["proxy"] == ["127.0.0.1"]
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(stop) > DEFAULT.drain_seconds
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze, to read the unit")
    file = tmp_path / "evoca.service"
    file.write_text(unit.replace("/opt/evoca/bin/evoca", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
    if "Failed to initialize manager" in done.stderr:
        pytest.skip("systemd-analyze does not run here")
    assert [line for line in done.stderr.splitlines() if "evoca.service" in line] == []


def test_the_proxy_waits_longer_than_the_server_and_takes_as_much():
    nginx = block("nginx")
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", nginx)
    (size,) = re.findall(r"client_max_body_size (\d+)m;", nginx)
    assert int(seconds) > DEFAULT.request_seconds
    assert int(size) * 2**20 == DEFAULT.max_request_bytes
    assert f"server 127.0.0.1:{DEFAULT.port};" in nginx


def test_the_pod_is_locked_down_probed_and_ended_in_time(server):
    pod, service, policy = container()
    (one,) = pod["containers"]
    given = parsed(one["args"])
    assert given["threads"] == int(one["resources"]["limits"]["cpu"])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert one["securityContext"]["readOnlyRootFilesystem"] is True
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        answer = server.client.get(one[name]["httpGet"]["path"], headers={"Host": "10.1.2.3:8000"})
        assert answer.status_code == 200
    (port,) = one["ports"]
    assert port["containerPort"] == given["port"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy["spec"]
    before = one["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + given["drain"] < pod["terminationGracePeriodSeconds"]
    assert one["image"] == f"evoca:{evoca.__version__}"
    (mount,) = one["volumeMounts"]
    assert str(given["api_keys"]).startswith(mount["mountPath"])


def ports(text):
    found = re.findall(r'name: "(\w+)" data_type: (\w+) dims: \[ ([\d, ]+) \]', text)
    return {name: (kind, [int(n) for n in dims.split(",")]) for name, kind, dims in found}


def test_triton_is_given_the_names_shapes_and_types_of_the_graph():
    session = onnxruntime().InferenceSession(
        read_bundle().onnx_bytes(), providers=["CPUExecutionProvider"]
    )
    kinds = {"tensor(uint8)": "TYPE_UINT8", "tensor(float)": "TYPE_FP32"}
    text = block("protobuf")
    given, returned = text.split("output [")
    for nodes, stated in ((session.get_inputs(), given), (session.get_outputs(), returned)):
        assert all(isinstance(node.shape[0], str) for node in nodes)  # the batch, which is left out
        expected = {node.name: (kinds[node.type], node.shape[1:]) for node in nodes}
        assert ports(stated) == expected
    assert text.count("{") == text.count("}")
