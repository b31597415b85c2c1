"""The commands and the code of the readme and of the documentation run as printed.

A block behind ``<!-- needs: ... -->`` needs more. What is in `SERVED` the tests start on loopback. For what is in
`NOT_RUN` they only make sure that the options of commands are known.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chat_servers
from imagist.cli.main import command_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SERVED = ("a service", "a server", "an account of AWS")  # of imagist; of chat completions; the one of moto
NOT_RUN = ("published models", "data", "torch, training data, WordNet")  # downloads, and hours of training
LOOPBACK = "http://127.0.0.1:8000"  # where the documents say that a service is
OWN_TESTS = ("extending.md",)  # whose code another test runs
GUIDES = [file for file in sorted((ROOT / "docs").rglob("*.md")) if file.name not in OWN_TESTS]


def environment():
    """Of a process that imports the package as this one does."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def blocks(language, text=README, needs=("",)):
    """The blocks of a language whose needs are among these; an empty one is of those that need nothing."""
    found = re.findall(rf"^(?:<!-- needs: ([^>]*) -->\n)?```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for need, block in found if need in needs]


def commands(text=README, needs=("",), program="imagist"):
    joined = "\n".join(blocks("sh", text, needs)).replace("\\\n", " ")
    lines = [re.split(r"\s#", line)[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line.startswith(f"{program} ")]


def of_guides(found):
    """Each of what is found in the guides, named by its guide."""
    return [pytest.param(each, id=f"{file.stem}: {each[:60]!r}") for file in GUIDES for each in found(file)]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder with what the examples name: images, a table of their paths, labelled images."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name in ("cat.jpg", "dog.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / "images" / name)
    for label in ("cat", "dog"):
        (tmp_path / "labelled" / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
            pixels[..., ("cat", "dog").index(label)] //= 4
            Image.fromarray(pixels).save(tmp_path / "labelled" / label / f"{number}.png")
    for account, name in (("ann", "cat.jpg"), ("bob", "dog.jpg")):
        (tmp_path / "POSTS" / account).mkdir(parents=True)
        shutil.copy(tmp_path / "images" / name, tmp_path / "POSTS" / account)
    (tmp_path / "posts.csv").write_text("image,likes,username\nimages/cat.jpg,3,ann\nimages/dog.jpg,5,bob\n")
    (tmp_path / "mine.txt").write_text("at night\nin the style of a mosaic\n")
    (tmp_path / "mine.toml").write_text('mode = "fast"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_something_to_check():
    assert commands()
    assert blocks("python")


@pytest.mark.parametrize("line", [*commands(), *of_guides(lambda file: commands(file.read_text("utf-8")))])
def test_a_command_does_what_it_says(desk, line, capsys, monkeypatch):
    words = shlex.split(line)[1:]
    if words[0] == "serve":  # up to where it would serve until it is stopped
        pytest.importorskip("fastapi", reason="needs the extra serve")
        monkeypatch.setattr("imagist.serving.server.serve", lambda *_, **__: sys.stdout.write("serving"))
    if "models/mine" in words and words[0] != "fit":
        pytest.importorskip("sklearn", reason="needs the extra fit")
        assert main(["fit", "labelled", "--out", "models/mine", "--quiet"]) == 0
        capsys.readouterr()
    if "--update" in words:
        assert main([word for word in words if word != "--update"]) == 0
    if words[:2] == ["keys", "revoke"]:
        assert main(["keys", "add", *words[2:]]) == 0
    monkeypatch.setattr("imagist.matching.phrases.SHIPPED", desk / "mine.txt")  # few phrases: each is embedded once
    if words[:2] == ["profile", "classified.parquet"]:
        assert main(["classify", "posts.csv", "--out", "classified.parquet"]) == 0
    if any(word.endswith(".xlsx") for word in words):
        pytest.importorskip("openpyxl", reason="needs the extra xlsx")
    if words[0] == "fit":
        pytest.importorskip("sklearn", reason="needs the extra fit")
    if "--existing" in words:
        assert main(words[: words.index("--existing")]) == 0
    assert main(words) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    for option in ("--out", "--report", "--attention"):
        if option in words:
            assert Path(words[words.index(option) + 1]).exists()
    assert printed.out or "--out" in words or "--sidecar" in words


@pytest.mark.parametrize("line", of_guides(lambda file: commands(file.read_text("utf-8"), NOT_RUN)))
def test_a_command_that_needs_more_is_understood(line):
    name, *words = shlex.split(line)[1:]
    assert command_parser(name).parse_args(words)


def test_what_a_block_needs_is_known():
    needs = [set(re.findall(r"<!-- needs: ([^>]*) -->", file.read_text("utf-8"))) for file in GUIDES]
    assert set().union(*needs) == {*SERVED, *NOT_RUN}
    assert not re.search(r"<!-- needs:", README)


@pytest.mark.parametrize("line", of_guides(lambda file: commands(file.read_text("utf-8"), ["a server"])))
def test_a_command_that_asks_a_server_does_what_it_says(desk, line, capsys):
    with chat_servers.ChatServer() as server:
        words = shlex.split(re.sub(r"http://localhost:\d+/v1#\S+", server.model, line))[1:]
        assert main(words) == 0, capsys.readouterr().err
        assert len(server.questions) == 2


@pytest.fixture(scope="module")
def service():
    """The address of a service."""
    pytest.importorskip("fastapi", reason="needs the extra serve")
    command = [sys.executable, "-m", "imagist", "serve", "--port", "0", "--decoders", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as made:
        assert made.stderr is not None
        yield made.stderr.readline().split()[-1]
        made.terminate()


@pytest.mark.parametrize("line", of_guides(lambda file: commands(file.read_text("utf-8"), program="curl")))
def test_a_request_is_answered(desk, line, service):
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    command = shlex.split(line.replace(LOOPBACK, service))
    done = subprocess.run([*command, "--silent", "--show-error", "--fail"], capture_output=True, text=True, check=True)
    assert [each["error_kind"] for each in json.loads(done.stdout)["results"]] == [None, None]


@pytest.mark.parametrize("code", of_guides(lambda file: blocks("python", file.read_text("utf-8"), ["a service"])))
def test_code_that_asks_a_service_runs(desk, code, service):
    test_code_of_a_guide_runs(desk, code.replace(LOOPBACK, service))


@pytest.mark.parametrize(
    "code", of_guides(lambda file: blocks("python", file.read_text("utf-8"), ["an account of AWS"]))
)
def test_code_that_calls_amazon_is_understood(desk, code, monkeypatch):
    moto = pytest.importorskip("moto", reason="needs boto3 and moto, which no extra has")
    boto3 = pytest.importorskip("boto3", reason="needs boto3 and moto, which no extra has")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert main(["sagemaker", "package", "embedded", "--out", "package"]) == 0
    with moto.mock_aws():
        boto3.client("s3").create_bucket(Bucket="my-bucket")
        exec(compile(code, "service.md", "exec"), {})
        sagemaker = boto3.client("sagemaker")
        assert sagemaker.describe_endpoint(EndpointName="imagist")["EndpointConfigName"] == "imagist"
        job = sagemaker.describe_training_job(TrainingJobName="imagist-fit")
    assert job["HyperParameters"] == {"task": "fit"}
    assert {each["ChannelName"] for each in job["InputDataConfig"]} <= {"training", "config"}


@pytest.mark.parametrize("code", of_guides(lambda file: blocks("python", file.read_text("utf-8"))))
def test_code_of_a_guide_runs(desk, code):
    if "classified.parquet" in code:
        assert main(["classify", "posts.csv", "--out", "classified.parquet", "--quiet"]) == 0
    (desk / "program.py").write_text(code, "utf-8")
    done = subprocess.run([sys.executable, "program.py"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(desk, code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("link", sorted({*re.findall(r"\]\((?!https?:|#)([^)#]+)", README)}))
def test_a_link_leads_somewhere(link):
    assert (ROOT / link).exists()
