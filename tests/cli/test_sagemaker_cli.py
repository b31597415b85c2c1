"""``imagist sagemaker``: hyperparameters and channels become commands, and a fit runs for real."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagist.bundle import open_bundle
from imagist.cli.main import main
from imagist.cli.sagemaker import channels, command, hyperparameters, model_folder
from imagist.errors import UsageError


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("SM_HPS", "SM_HOSTS", "SM_CURRENT_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("input/config", "input/data/training", "model"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def write(root, **given):
    (root / "input/config/hyperparameters.json").write_text(json.dumps(given), "utf-8")


def test_hyperparameters_are_texts_at_times_in_json(root, monkeypatch):
    monkeypatch.setenv("SM_HPS", '{"seed": 3}')
    assert hyperparameters(root) == {"seed": "3"}
    write(root, task='"fit"', seed="7", config="a.toml", sagemaker_region='"eu"')
    assert hyperparameters(root) == {"task": "fit", "seed": "7", "config": "a.toml"}
    (root / "input/config/hyperparameters.json").write_text("[")
    with pytest.raises(UsageError, match="hyperparameters"):
        hyperparameters(root)


def test_channels_are_folders(root, monkeypatch):
    monkeypatch.setenv("SM_CHANNEL_CONFIG", "/elsewhere")
    assert channels(root) == {"training": root / "input/data/training", "config": Path("/elsewhere")}


def test_each_task_is_a_command(root, tmp_path):
    data = {"training": Path("/d/training"), "config": Path("/d/config")}
    given = {"seed": "3", "cross_entropy.epochs": "2", "config": "a.toml", "allow_leakage": "true", "quiet": "false"}
    made, words = command("fit", given, data, root, tmp_path)
    assert made == tmp_path / "model"
    assert words[:5] == ["fit", "/d/training", "--out", str(made), "--quiet"]
    assert words[5:] == [
        "--config",
        "/d/config/a.toml",
        "--allow-leakage",
        "--seed",
        "3",
        "--set",
        "cross_entropy.epochs=2",
    ]
    made, words = command("train-caption", {"config": "a.toml"}, data, root, tmp_path)
    assert made == tmp_path / "run" / "bundle"
    assert words[:5] == ["train", "caption", "/d/config/a.toml", "--data", "/d/training"]
    (root / "checkpoints").mkdir()
    made, words = command("study", {"config": "a.toml"}, data, root, tmp_path)
    assert words[-4:] == ["--folder", str(root / "checkpoints"), "--save", str(made)]


@pytest.mark.parametrize(("task", "given"), [("dance", {}), ("study", {}), ("train-caption", {})])
def test_what_cannot_be_done_is_reported(root, tmp_path, task, given):
    with pytest.raises(UsageError):
        command(task, given, {"training": tmp_path}, root, tmp_path)


def test_a_failure_is_written_to_where_it_is_looked_for(root, capsys):
    assert main(["sagemaker", "train", "--root", str(root)]) == 1
    assert "nothing" in (told := (root / "output/failure").read_text("utf-8")) or "no " in told
    assert "Traceback" not in told
    assert told.strip() in capsys.readouterr().err


def test_only_one_host_trains(root, monkeypatch):
    monkeypatch.setenv("SM_HOSTS", '["algo-1", "algo-2"]')
    monkeypatch.setenv("SM_CURRENT_HOST", "algo-2")
    assert main(["sagemaker", "train", "--root", str(root)]) == 0
    assert not [*(root / "model").iterdir()]


def test_a_model_is_fitted_packed_and_found(root, tmp_path, capsys):
    pytest.importorskip("sklearn", reason="needs the extra fit")
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / "input/data/training" / label).mkdir()
        for number in range(4):
            pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
            pixels[..., ("cat", "dog").index(label)] //= 4
            Image.fromarray(pixels).save(root / "input/data/training" / label / f"{number}.png")
    write(root, seed="1")
    assert main(["sagemaker", "train", "--root", str(root)]) == 0, (root / "output/failure").read_text()
    assert open_bundle(model_folder(root / "model")).has("text_classifier")
    assert main(["sagemaker", "package", str(root / "model"), "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.tar.gz", "Dockerfile"}
    capsys.readouterr()


def test_the_container_serves_what_was_unpacked(root, monkeypatch):
    pytest.importorskip("fastapi", reason="needs the extra serve")
    seen = {}
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "9090")
    monkeypatch.setattr("imagist.serving.server.serve", lambda *args, **_: seen.update(args=args))
    monkeypatch.setattr("imagist.serving.app.build_app", lambda models, own: seen.update(models=models, own=own))
    assert main(["sagemaker", "serve", "--root", str(root)]) == 2  # there is no model
    (bundle,) = (open_bundle("embedded"),)
    (root / "model").rmdir()
    (root / "model").symlink_to(bundle.path)
    assert main(["sagemaker", "serve", "--root", str(root)]) == 0
    assert seen["args"][1:] == ("0.0.0.0", 9090)
    assert [*seen["models"]] == ["model"]
    assert seen["own"].sagemaker
    assert "*" in seen["own"].hosts
