"""The options of ``imagist serve`` and ``imagist keys``."""

from __future__ import annotations

import sys

import pytest

from imagist.cli.main import command_parser, main
from imagist.cli.serve import named_model

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")


@pytest.fixture
def serving(fake, monkeypatch):
    """Runs the command up to where it would serve; returns its exit code and what it would serve."""
    seen = {}

    def build_app(models, settings):
        seen.update(models=models, settings=settings)
        return "app"

    monkeypatch.setattr("imagist.serving.app.build_app", build_app)
    monkeypatch.setattr("imagist.serving.models._fitting", lambda _: ())
    monkeypatch.setattr(
        "imagist.serving.server.serve", lambda *args, **options: seen.update(args=args, options=options)
    )

    def run(*words):
        return fake(["serve", *words]), seen

    return run


def test_it_is_safe_by_default(serving):
    code, seen = serving()
    assert code == 0
    assert seen["args"] == ("app", "127.0.0.1", 8000)
    settings = seen["settings"]
    assert (settings.urls, settings.keys, settings.origins) == (False, None, ())
    assert "*" not in settings.hosts
    assert [*seen["models"]] == ["embedded"]


def test_phrases_and_views_are_those_asked_for(serving, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr("imagist.pipeline.load", lambda *_, **options: given.append(options))
    monkeypatch.setattr("imagist.serving.models.served", lambda *parts: parts)
    (tmp_path / "own.txt").write_text("at night\nfrom above\n")
    _, seen = serving("--table", str(tmp_path / "own.txt"), "--views", "crops")
    *_, tables = seen["models"]["embedded"]
    assert tables.of("flavors") == ("at night", "from above")
    assert given[0]["views"] == "crops"


def test_options_become_settings(serving, tmp_path):
    keys = tmp_path / "keys.json"
    _, seen = serving(
        "--host", "0.0.0.0", "--port", "0", "--host-name", "Images.Example", "--origin", "https://example.org",
        "--max-body", "1M", "--max-images", "3", "--batch-size", "1", "--urls", "--keys", str(keys), "--no-page",
        "--images-a-minute", "5", "--model", "one=embedded", "--model", "embedded",
    )  # fmt: skip
    settings = seen["settings"]
    assert seen["args"][1:] == ("0.0.0.0", 0)
    assert {"images.example", "0.0.0.0", "localhost"} <= {*settings.hosts}
    assert (settings.max_body, settings.max_images, settings.batch_size) == (1 << 20, 3, 1)
    assert (settings.urls, settings.keys, settings.page, settings.images_a_minute) == (True, keys, False, 5)
    assert settings.origins == ("https://example.org",)
    assert [*seen["models"]] == ["one", "embedded"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "embedded", "--model", "embedded"], "two models of that name"),
        (["--max-images", "600"], "max_images"),
        (["--decoders", "-1"], "decoders"),
        (["--certificate", "a.pem"], "belong together"),
        (["--table", "nowhere"], "no such phrase table"),
    ],
)
def test_wrong_options_are_one_line(serving, capsys, words, told):
    assert serving(*words)[0] == 2
    assert told in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_line(fake, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        from imagist.errors import OutputError
        from imagist.serving.server import serve

        with pytest.raises(OutputError, match="cannot listen"):
            serve(None, "127.0.0.1", taken.getsockname()[1])


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "imagist.serving.app", raising=False)
    assert main(["serve"]) == 2
    assert "pip install 'imagist[serve]'" in capsys.readouterr().err


def test_keys_are_made_listed_and_revoked(tmp_path, capsys):
    file = str(tmp_path / "keys.json")
    assert main(["keys", "add", "ann", "--keys", file]) == 0
    made = capsys.readouterr().out.strip()
    assert made.startswith("imagist_")
    assert main(["keys", "list", "--keys", file]) == 0
    assert "ann" in (listed := capsys.readouterr().out)
    assert made not in listed
    assert main(["keys", "revoke", "ann", "--keys", file]) == 0
    assert main(["keys", "revoke", "ann", "--keys", file]) == 2
    main(["keys", "list", "--keys", file])
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "found"), [("a=b/c", ("a", "b/c")), ("models/mine", ("mine", "models/mine"))])
def test_a_model_is_called_as_its_folder_or_as_asked(text, found):
    assert named_model(text) == found


def test_the_help_names_every_option(capsys):
    assert "--host-name" in command_parser("serve").format_help()
