from __future__ import annotations

import pytest

from imagist import bundle
from imagist.cli.main import main


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A shipped model of one part and a text card."""
    folder = tmp_path / "tiny"
    encoder = {"encoder": lambda path: bundle.write_part(path, "onnx", encoder__onnx=b"x" * 1_500_000)}
    bundle.write_bundle(folder, {"name": "tiny", "description": "for tests"}, encoder)
    (folder / "MODEL_CARD.md").write_text("# Tiny\n\nIs bad at everything.\n")
    monkeypatch.setattr(bundle.models, "SHIPPED", tmp_path)
    return folder


def test_list_has_one_line_a_model(shipped, capsys):
    assert main(["models", "list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split("  ")[:2] == ["tiny", "1.5 MB"]
    assert line.endswith("for tests")


def test_show_prints_facts_and_the_card(shipped, capsys):
    assert main(["models", "show", "tiny"]) == 0
    out = capsys.readouterr().out
    assert f"folder   {shipped}\n" in out
    assert "size     1.5 MB\n" in out
    assert "Is bad at everything." in out


def test_show_takes_a_folder_and_does_without_a_text_card(shipped, capsys):
    (shipped / "MODEL_CARD.md").unlink()
    assert main(["models", "show", str(shipped)]) == 0
    assert capsys.readouterr().out.endswith("\nfor tests\n")


def test_an_unknown_model_lists_the_known(shipped, capsys):
    assert main(["models", "show", "nix"]) == 2
    assert "shipped: tiny" in capsys.readouterr().err


def test_an_action_is_needed(capsys):
    assert main(["models"]) == 2
    assert "list" in capsys.readouterr().err
