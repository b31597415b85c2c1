from __future__ import annotations

import csv
import json

import pytest

from imagist.cli.main import COMMANDS, main
from imagist.metrics.captions import caption_scores
from imagist.metrics.evaluation import NAMES

IMAGES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
TRUTH = [
    ["A dog runs on the grass.", "One dog is running."],
    ["Two men at sea.", "Men in a boat."],
    ["A cat sleeps.", "The cat is asleep on a chair."],
    ["A child plays with a ball."],
]
GOOD = ["a dog runs on the grass", "two men in a boat", "a cat is asleep", "a child with a ball"]
POOR = ["a man", "two dogs in a boat", "a cat", "a dog runs on the grass"]


@pytest.fixture
def evaluate(monkeypatch, capsys):
    """The command; gives its exit code, stdout and stderr."""
    monkeypatch.setitem(COMMANDS, "evaluate", ("imagist.cli.evaluate", "measure captions"))

    def call(*argv):
        code = main(["evaluate", *map(str, argv)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def files(tmp_path):
    """Predictions of two captioners, references, and captions of training."""

    def predictions(name, captions):
        rows = [
            ("source", "caption", "error_kind"),
            *((f"photos/{i}", c, "") for i, c in zip(IMAGES, captions, strict=True)),
        ]
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(rows)

    predictions("good.csv", GOOD)
    predictions("poor.csv", POOR)
    rows = [
        {"image": i, "captions": c, "split": "dev" if i < "d" else "test"} for i, c in zip(IMAGES, TRUTH, strict=True)
    ]
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "train.csv").write_text("image,caption,split\nx.jpg,A dog runs on the grass .,train\ny.jpg,A cat,dev\n")
    return tmp_path


def test_a_subset_is_measured_where_it_is_asked_for(evaluate, files):
    rows = [("source", "caption", "error_kind", "error_message"), ("photos/a.jpg", GOOD[0], "", "")]
    rows += [
        ("photos/b.jpg", "", "corrupt_image", "x"),
        ("photos/d.jpg", GOOD[3], "", ""),
        ("photos/z.jpg", "z", "", ""),
    ]
    with (files / "some.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    argv = ["captions", files / "some.csv", files / "truth.jsonl", "--no-java", "--resamples", "9"]
    code, _, err = evaluate(*argv)
    assert code == 2
    assert "--subset" in err
    out = files / "r.json"
    code, _, err = evaluate(*argv, "--subset", "--out", out)
    assert code == 0
    assert "imagist: 2 of 4 images are measured, those with both caption and references\n" in err
    assert json.loads(out.read_text())["images"] == 2
    code, _, err = evaluate(*argv, "--subset", "--compare", files / "poor.csv")
    assert code == 0
    assert "2 of 4 images" in err
    (files / "some.csv").write_text("source,caption\nz.jpg,a\n")
    code, _, err = evaluate(*argv, "--subset")
    assert (code, "no image has a caption and references" in err) == (2, True)


def test_a_table_by_default(evaluate, files):
    code, out, err = evaluate("captions", files / "good.csv", files / "truth.jsonl", "--no-java")
    assert (code, err) == (0, "")
    lines = {line.split("  ")[0].strip(): line for line in out.splitlines()}
    cider = 100 * caption_scores(GOOD, TRUTH)["cider"]
    assert f"{cider:.1f} [" in lines["CIDEr"]
    assert f"{cider:.1f} [" in lines["CIDEr-D"]
    assert "4 images" in out
    assert "METEOR, SPICE: --no-java" in out
    assert "--train" in out


def test_comparing_prints_both_and_the_difference(evaluate, files):
    argv = ["captions", files / "good.csv", files / "truth.jsonl", "--compare", files / "poor.csv", "--no-java"]
    code, out, _ = evaluate(*argv)
    assert code == 0
    good, poor = (100 * caption_scores(captions, TRUTH)["cider"] for captions in (GOOD, POOR))
    (line,) = [line for line in out.splitlines() if line.strip().startswith("CIDEr-D")]
    assert f"{good:.1f} [" in line
    assert f"{poor:.1f} [" in line
    assert f"{good - poor:+.1f} [" in line
    assert "good.csv" in out
    assert "poor.csv" in out


def test_json_holds_raw_figures_and_how_they_were_made(evaluate, files):
    out = files / "out.json"
    argv = ["captions", files / "good.csv", files / "truth.jsonl", "--compare", files / "poor.csv", "--no-java"]
    code, printed, err = evaluate(*argv, "--train", files / "train.csv", "--resamples", 200, "--seed", 3, "--out", out)
    assert (code, printed) == (0, "")
    assert f"wrote {out}" in err
    found = json.loads(out.read_text())
    assert (found["images"], found["resamples"], found["seed"]) == (4, 200, 3)
    scores = caption_scores(GOOD, TRUTH)
    assert {key: found["figures"][key]["value"] for key in scores} == pytest.approx(scores)
    assert found["figures"]["copied"]["value"] == 0.25
    assert found["compared_figures"]["copied"]["value"] == 0.5
    assert found["differences"]["copied"]["value"] == -0.25
    assert set(found["differences"]["cider"]) == {"name", "value", "low", "high", "p_value"}
    assert set(found["unavailable"]) == {"meteor", "spice"}


def test_the_split_of_training_is_its_own(evaluate, files):
    argv = ["captions", files / "poor.csv", files / "truth.jsonl", "--no-java", "--train", files / "train.csv"]
    code, _, _ = evaluate(*argv, "--train-split", "train", "--out", files / "out.json")
    assert code == 0
    assert json.loads((files / "out.json").read_text())["figures"]["copied"]["value"] == 0.25


def test_csv_and_markdown(evaluate, files):
    argv = ["captions", files / "good.csv", files / "truth.jsonl", "--no-java", "--compare", files / "poor.csv"]
    assert evaluate(*argv, "--out", files / "out.csv")[0] == 0
    with (files / "out.csv").open(newline="") as file:
        rows = {row["figure"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(NAMES)
    apart = float(rows["cider"]["value"]) - float(rows["cider"]["other"])
    assert float(rows["cider"]["difference"]) == pytest.approx(apart)
    assert float(rows["cider"]["low"]) <= float(rows["cider"]["value"]) <= float(rows["cider"]["high"])
    assert rows["spice"]["value"] == ""
    assert rows["spice"]["unavailable"] == "--no-java"
    assert evaluate(*argv, "--out", files / "out.md")[0] == 0
    lines = (files / "out.md").read_text().splitlines()
    assert lines[0] == "| figure | good.csv | poor.csv | difference | p |"
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    assert evaluate(*argv[:-2], "--out", files / "alone.md")[0] == 0
    assert (files / "alone.md").read_text().startswith("| figure | value [95% interval] |\n|---|---:|\n| BLEU-1 | ")


def test_files_of_one_name_are_distinguished_by_their_folders(evaluate, files):
    (files / "other").mkdir()
    (files / "other" / "good.csv").write_text((files / "poor.csv").read_text())
    argv = ["captions", files / "good.csv", files / "truth.jsonl", "--no-java"]
    evaluate(*argv, "--compare", files / "other" / "good.csv", "--out", files / "out.md")
    heading = (files / "out.md").read_text().splitlines()[0]
    assert str(files / "good.csv") in heading
    assert str(files / "other" / "good.csv") in heading


def test_a_split_of_the_references_is_matched_with_its_predictions(evaluate, files):
    text = "".join((files / "good.csv").read_text().splitlines(keepends=True)[:4])
    (files / "dev.csv").write_text(text)
    argv = ["captions", files / "dev.csv", files / "truth.jsonl", "--split", "dev", "--no-java"]
    code, out, _ = evaluate(*argv)
    assert code == 0
    assert "3 images" in out


def test_so_many_references_and_no_more(evaluate, files):
    argv = ["captions", files / "good.csv", files / "truth.jsonl", "--no-java", "--first", 1]
    assert evaluate(*argv, "--out", files / "out.json")[0] == 0
    found = json.loads((files / "out.json").read_text())["figures"]
    expected = caption_scores(GOOD, [item[:1] for item in TRUTH])
    assert {key: found[key]["value"] for key in expected} == pytest.approx(expected)


def test_another_language_has_its_own_references(evaluate, files):
    rows = [("image", "caption", "de"), *zip(IMAGES, GOOD, ["ein hund", "zwei männer", "", "ein kind"], strict=True)]
    with (files / "german.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    said = [{"image_id": image, "caption": "ein Hund"} for image in IMAGES]
    (files / "said.json").write_text(json.dumps(said))
    argv = ["captions", files / "said.json", files / "german.csv", "--language", "de"]
    code, _, _ = evaluate(*argv, "--out", files / "out.json")
    assert code == 0
    found = json.loads((files / "out.json").read_text())
    assert found["images"] == 3
    assert found["figures"]["rouge_l"]["value"] > 0.3
    assert "English" in found["unavailable"]["meteor"]


def test_every_mismatch_is_reported_at_once(evaluate, files):
    (files / "some.csv").write_text("source,caption\na.jpg,x\na.jpg,y\nz.jpg,w\n")
    code, out, err = evaluate("captions", files / "some.csv", files / "truth.jsonl", "--no-java")
    assert (code, out) == (2, "")
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "z.jpg"):
        assert name in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--out", "figures.xls"], ".json .csv .md"),
        (["--out", "nowhere/figures.json"], "does not exist"),
        (["--out", "good.csv"], "is an input, too"),
        (["--train-split", "train"], "--train"),
        (["--compare", "none.csv"], "no such file"),
        (["--resamples", "0"], "integer of 1 or more"),
        (["--language", "de"], "de"),
        (["--split", "train"], "no split 'train'"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(evaluate, files, monkeypatch, argv, message):
    monkeypatch.chdir(files)
    code, out, err = evaluate("captions", "good.csv", "truth.jsonl", "--no-java", *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_missing_java_is_reported_and_the_rest_is_measured(evaluate, files, monkeypatch):
    monkeypatch.setenv("PATH", "")
    argv = ["captions", files / "good.csv", files / "truth.jsonl"]
    code, out, _ = evaluate(*argv)
    assert code == 0
    assert "No METEOR: METEOR is a Java program, and java is not on the path" in out
    code, out, err = evaluate(*argv, "--out", files / "out.json")
    assert (code, out) == (0, "")
    assert "no METEOR" in err
    assert "no SPICE" in err


def test_an_action_is_needed(evaluate):
    code, _, err = evaluate()
    assert code == 2
    assert "captions" in err
