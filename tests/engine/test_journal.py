from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagist.engine import journal as journal_module
from imagist.engine.journal import Journal, journal_of
from imagist.engine.writer import write
from imagist.errors import OutputError, UsageError
from imagist.records import Row
from imagist.records.flat import CAPTION_FIELDS, PREDICTION_FIELDS, columns, shortest

CAPTIONED = columns(CAPTION_FIELDS)

SETTINGS = {"pipeline": "p/1", "sources": ["photos"]}
ROWS = [
    Row(f"{n}.jpg", columns={"n": n, "day": dt.date(2026, 1, 1 + n), "nan": float("nan"), "b": b"x"}) for n in range(6)
]


def finished(rows):
    return [(dict.fromkeys(CAPTIONED) | {"source": row.source, "caption": "ä"}, row.columns) for row in rows]


def work(out, *, resume, batch=2, rows=ROWS, settings=SETTINGS):
    """A run in small batches; the sources that it had to do."""
    journal = Journal(out, settings, resume=resume)
    try:
        todo = list(journal.skip_done(rows))
        for start in range(0, len(todo), batch):
            journal.append(finished(todo[start : start + batch]))
        write(out, journal, CAPTIONED)
        journal.remove()
    finally:
        journal.close()
    return [row.source for row in todo]


@pytest.fixture
def stopped(tmp_path):
    """The output of a run that was stopped after four rows."""
    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    journal.append(finished(ROWS[:4]))
    journal.close()
    return tmp_path / "x.csv"


def test_it_gives_back_what_was_appended_as_often_as_it_is_asked(tmp_path):
    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    journal.append(finished(ROWS[:2]))
    journal.append(finished(ROWS[2:3]))
    for _ in range(2):
        (chunk,) = list(journal)
        assert [own["source"] for own, _ in chunk] == ["0.jpg", "1.jpg", "2.jpg"]
        assert chunk[1][1]["day"] == dt.date(2026, 1, 2)
        assert chunk[1][1]["b"] == b"x"
    assert journal.done == 3
    journal.close()


def test_chunks_are_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "CHUNK", 1)
    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    for start in range(0, len(ROWS), 2):
        journal.append(finished(ROWS[start : start + 2]))
    assert [len(chunk) for chunk in journal] == [2] * (len(ROWS) // 2)
    journal.close()


def test_a_resumed_run_does_what_is_left_and_leaves_no_journal(stopped):
    assert work(stopped, resume=True) == ["4.jpg", "5.jpg"]
    assert [p.name for p in stopped.parent.iterdir()] == ["x.csv"]


def test_a_finished_journal_needs_only_the_writing(tmp_path):
    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    journal.append(finished(ROWS))
    journal.close()
    assert work(tmp_path / "x.csv", resume=True) == []
    assert len((tmp_path / "x.csv").read_text("utf-8").splitlines()) == 1 + len(ROWS)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_wherever_a_kill_cuts_the_journal_the_result_is_the_same(tmp_path, suffix, data):
    whole, out = tmp_path / f"whole.{suffix}", tmp_path / f"x.{suffix}"
    work(whole, resume=False)
    journal = Journal(out, SETTINGS, resume=False)
    ends = []
    for start in range(0, len(ROWS), 2):
        journal.append(finished(ROWS[start : start + 2]))
        ends.append(journal.path.stat().st_size)
    journal.close()
    content = journal.path.read_bytes()
    kept = data.draw(st.integers(0, len(content)))
    journal.path.write_bytes(content[:kept])
    done = len(ROWS) - len(work(out, resume=True, batch=data.draw(st.integers(1, 4))))
    assert done == sum(2 for end in ends if end <= kept)
    assert out.read_bytes() == whole.read_bytes()


def test_zeros_that_a_power_cut_leaves_are_dropped(stopped):
    with journal_of(stopped).open("ab") as file:
        file.write(bytes(100))
    assert work(stopped, resume=True) == ["4.jpg", "5.jpg"]


def test_without_resume_an_unfinished_run_is_kept(stopped):
    with pytest.raises(UsageError, match=r"4 rows done.*--resume"):
        work(stopped, resume=False)
    assert work(stopped, resume=True) == ["4.jpg", "5.jpg"]


def test_a_journal_without_rows_is_in_nobodys_way(tmp_path):
    Journal(tmp_path / "x.csv", SETTINGS, resume=False).close()
    assert len(work(tmp_path / "x.csv", resume=False, settings={"pipeline": "other"})) == len(ROWS)


def test_resuming_nothing_begins(tmp_path):
    assert len(work(tmp_path / "x.csv", resume=True)) == len(ROWS)


def test_other_settings_are_refused_and_named(stopped):
    with pytest.raises(UsageError, match="pipeline was 'p/1' and is now 'p/2'") as caught:
        work(stopped, resume=True, settings=SETTINGS | {"pipeline": "p/2"})
    assert "sources" not in str(caught.value)
    assert work(stopped, resume=True) == ["4.jpg", "5.jpg"]


def test_of_a_part_only_the_setting_that_changed_is_named(tmp_path):
    was, now = ("words-1a2b(beam=3,nbest=1,encoder=lite-9f)", "words-1a2b(beam=5,nbest=1,encoder=lite-9f)")
    journal = Journal(tmp_path / "x.csv", {"captioner": was}, resume=False)
    journal.append(finished(ROWS[:1]))
    journal.close()
    with pytest.raises(UsageError) as caught:
        Journal(tmp_path / "x.csv", {"captioner": now}, resume=True)
    assert caught.value.message == "the unfinished run had other settings: captioner beam was '3' and is now '5'"
    with pytest.raises(UsageError, match=r"captioner was 'words-1a2b\(.*' and is now 'others-7'"):
        Journal(tmp_path / "x.csv", {"captioner": "others-7"}, resume=True)


def test_rows_of_many_labels_take_few_bytes_in_batches_of_any_size(tmp_path):
    """Names of columns and labels recur: not even the first row of a run that goes on repeats them."""
    rng = np.random.default_rng(0)
    labels = [f"category {n}" for n in range(15)]

    def row(n):
        scores = {label: shortest(value) for label, value in zip(labels, rng.dirichlet(np.ones(15)), strict=True)}
        own = dict.fromkeys(columns(PREDICTION_FIELDS)) | {"source": f"images/{n:06}.jpg", "probabilities": scores}
        return own, {}

    for resume in (False, True):
        journal = Journal(tmp_path / "x.csv", SETTINGS, resume=resume)
        before = journal.path.stat().st_size
        for n in range(40):
            journal.append([row(n)])
        assert (journal.path.stat().st_size - before) / 40 < 200
        assert len(json.dumps(row(0))) > 650
        journal.close()


def test_settings_that_came_or_went_are_named(stopped):
    with pytest.raises(UsageError, match="column was None and is now 'url'"):
        work(stopped, resume=True, settings=SETTINGS | {"column": "url"})


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([ROWS[0], ROWS[2], *ROWS[2:]], r"row 2 was 1\.jpg and is now 2\.jpg"),
        (ROWS[:2], r"ended before row 3, which was 2\.jpg"),
        ([ROWS[0], Row("1.jpg", columns={"n": 7}), *ROWS[2:]], r"row 2, 1\.jpg, carries other columns"),
    ],
)
def test_other_inputs_are_refused_and_named(stopped, rows, fault):
    with pytest.raises(UsageError, match=fault):
        work(stopped, resume=True, rows=rows)


def test_file_names_that_are_not_utf8_are_recognised_again(tmp_path):
    rows = [Row("caf\udce9.jpg", columns={"\udce9": "\udce9"}), Row("b.jpg")]
    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    journal.append(finished(rows[:1]))
    journal.close()
    assert work(tmp_path / "x.csv", resume=True, rows=rows) == ["b.jpg"]


def test_a_file_that_is_no_journal_is_left_alone(tmp_path):
    other = tmp_path / "x.csv.partial"
    other.write_text("somebody's download")
    with pytest.raises(OutputError, match="not the journal of a run"):
        Journal(tmp_path / "x.csv", SETTINGS, resume=True)
    assert other.read_text() == "somebody's download"


def test_a_full_disk_is_reported(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    monkeypatch.setattr(journal_module.os, "fsync", full)
    monkeypatch.setattr(journal, "_synced", float("-inf"))
    with pytest.raises(OutputError, match="No space left on device"):
        journal.append(finished(ROWS[:1]))
    journal.close()


def test_a_folder_that_is_gone_is_reported(tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        Journal(tmp_path / "nowhere" / "x.csv", SETTINGS, resume=False)


@pytest.mark.skipif(sys.platform == "win32", reason="no flock")
def test_two_runs_never_write_one_journal(tmp_path):
    journal = Journal(tmp_path / "x.csv", SETTINGS, resume=False)
    journal.append(finished(ROWS[:1]))
    content = journal.path.read_bytes()
    other = "import sys; from pathlib import Path; from imagist.engine.journal import Journal\n"
    other += f"Journal(Path(sys.argv[1]), {SETTINGS}, resume=True)"
    ended = subprocess.run(
        [sys.executable, "-c", other, tmp_path / "x.csv"], capture_output=True, text=True, check=False
    )
    assert "another run is writing it" in ended.stderr
    assert journal.path.read_bytes() == content
    journal.close()
