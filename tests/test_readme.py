"""The commands and the code of the readme and of the documentation run as printed.

A block behind ``<!-- needs: ... -->`` needs more, which tests make: servers on loopback and small archives here, small
models under the names of published ones in `test_documented_models`, small data in `test_documented_training`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import chat_servers
import object_servers
from documents import GUIDES, README, ROOT, blocks, commands, commands_that_need, environment, lay_desk, of_guides
from imagist.cli.main import command_parser, main
from imagist.images import filesystems

SERVED = ("a service", "a server", "an account of AWS")  # of imagist; of chat completions; the one of moto
LAID = ("labelled results", "archives", "a cluster and an object store")  # this module makes them
OPTIONAL = ("published models", "images of the studies", "training data", "training data, WordNet")  # needs torch
LOOPBACK = "http://127.0.0.1:8000"  # where the documents say that a service is


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder with what the examples name: images, a table of their paths, labelled images."""
    monkeypatch.chdir(lay_desk(tmp_path))
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


@pytest.mark.parametrize("line", commands_that_need(*LAID, *OPTIONAL))
def test_a_command_is_understood_without_what_it_needs(line):
    name, *words = shlex.split(line)[1:]
    assert command_parser(name).parse_args(words)


def test_what_a_block_needs_is_known():
    needs = [set(re.findall(r"<!-- needs: ([^>]*) -->", file.read_text("utf-8"))) for file in GUIDES]
    assert set().union(*needs) == {*SERVED, *LAID, *OPTIONAL}
    assert not re.search(r"<!-- needs:", README)


@pytest.mark.parametrize("line", commands_that_need("a server"))
def test_a_command_that_asks_a_server_does_what_it_says(desk, line, capsys):
    with chat_servers.ChatServer() as server:
        words = shlex.split(re.sub(r"http://localhost:\d+/v1#\S+", server.model, line))[1:]
        assert main(words) == 0, capsys.readouterr().err
        assert len(server.questions) == 2


@pytest.mark.parametrize("line", commands_that_need("labelled results"))
def test_results_of_labelled_images_are_compared(desk, line, capsys):
    pytest.importorskip("matplotlib", reason="needs the extra study")
    rows = [f"labelled/{label}/{number}.png,{label}\n" for label in ("cat", "dog") for number in range(4)]
    Path("labelled.csv").write_text("image,label\n" + "".join(rows))
    assert main(["classify", "labelled.csv", "--labels", "cat, dog", "--out", "classified.parquet", "--quiet"]) == 0
    small = ["--posts", "2,4"]  # in place of up to 100 posts of each of 400 accounts
    assert main([*shlex.split(line)[1:], *small]) == 0, capsys.readouterr().err
    assert Path("comparison/report.html").exists()


def stop(folder):
    """Leaves of a finished run what one that was killed leaves: not all parts."""
    manifest = folder / "_manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | {"complete": False, "parts": []}))
    max(folder.glob("*.parquet")).unlink()


def test_archives_are_classified_again_and_again(desk, capsys):
    Path("archive").mkdir()
    for number in range(2):
        with tarfile.open(f"archive/{number}.tar", "w") as shard:
            for file in Path("images").iterdir():
                shard.add(file, f"{number}-{file.name}")
    lines = commands((ROOT / "docs" / "scaling.md").read_text("utf-8"), ["archives"])
    for line in lines:  # each goes on from the folder that those before it wrote
        if "--resume" in line:
            stop(Path("results"))
        assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    assert [path.stem for path in Path("results").glob("_*")] == ["_manifest"]
    assert len(Path("look.csv").read_text("utf-8").splitlines()) == 5
    assert "cost" in capsys.readouterr().out


@pytest.mark.ray
@pytest.mark.stores
@pytest.mark.parametrize("line", commands_that_need("a cluster and an object store"))
def test_a_cluster_reads_and_writes_an_object_store(desk, line, capsys, monkeypatch):
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    filesystems._filesystem.cache_clear()
    with tarfile.open("0.tar", "w") as shard:
        for file in Path("images").iterdir():
            shard.add(file, file.name)
    with object_servers.amazon(monkeypatch, "bucket"):
        store, folder = filesystems.filesystem_of("s3://bucket")
        with store.open_output_stream(f"{folder}/shards/0.tar", compression=None) as stored:
            stored.write(Path("0.tar").read_bytes())
        ray.init("local", num_cpus=1, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False)
        try:  # the cluster that this process is connected with
            assert main(shlex.split(line)[1:]) == 0, capsys.readouterr().err
        finally:
            ray.shutdown()
        assert store.get_file_info(f"{folder}/results/_manifest.json").is_file


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
