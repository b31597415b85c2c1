"""An endpoint against a small server on loopback: questions, answers, faults, retries, concurrency."""

from __future__ import annotations

import base64
import contextlib
import io
import math
import os
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from chat_servers import MODEL, ChatServer, picture
from imagist import engine
from imagist.captioning import chat_server
from imagist.captioning.backends import endpoint
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.errors import EndpointFailed, UsageError
from imagist.images.stream import run
from imagist.records import Caption, Failure, Photo

GREEDY = Decoding(beam=1, max_length=20)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(chat_server, "FIRST_WAIT_S", 0.001)


@pytest.fixture
def serve():
    """Opens a server: ``serve(fault, ...)``."""
    opened = []

    def server(*args, **settings):
        opened.append(ChatServer(*args, **settings).__enter__())
        return opened[-1]

    yield server
    for each in opened:
        each.__exit__()


def opened(server, decoding=GREEDY, **settings):
    return endpoint.load(server.model, CaptionOptions(decoding), **settings)


def noise(number, side=9):
    rng = np.random.default_rng(3)
    return [Photo(rng.integers(0, 256, (side, side, 3)).astype(np.uint8), f"noise {n}") for n in range(number)]


def always(fault):
    return lambda image, tries: fault


def once(fault):
    return lambda image, tries: None if tries else fault


def test_a_question_holds_the_prompt_and_the_image_as_jpeg(serve):
    server = serve()
    (caption,) = opened(server, prompt="What is this?", max_tokens=7).caption(noise(1, side=1200))
    (question,) = server.questions
    assert question["model"] == MODEL
    assert (question["max_tokens"], question["temperature"], question["logprobs"]) == (7, 0, True)
    assert {"seed", "top_p", "n"}.isdisjoint(question)
    assert question["messages"][0]["content"][1] == {"type": "text", "text": "What is this?"}
    kind, _, content = picture(question).partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (768, 768)
    assert caption.text == " ".join(caption.tokens)


def test_several_hypotheses_are_drawn_with_a_seed_of_the_image(serve):
    server = serve()
    captioner = opened(server, Decoding(beam=3, nbest=3, top_p=0.8, temperature=0.7, seed=2))
    captions = captioner.caption(noise(2))
    one, other = server.questions
    assert (one["n"], one["top_p"], one["temperature"]) == (3, 0.8, 0.7)
    assert one["seed"] != other["seed"]
    assert 0 <= one["seed"] < 2**31
    assert all(len(caption.nbest) == 3 for caption in captions)


@pytest.mark.parametrize("fault", ["busy", "broken", "cut", "no_json", "a_list"])
def test_a_fault_that_passes_is_tried_again(serve, fault):
    server, good = serve(once(fault)), serve()
    photos = noise(4)
    found = opened(server).caption(photos)
    assert [caption.text for caption in found] == [caption.text for caption in opened(good).caption(photos)]
    assert len(server.questions) == 8


@pytest.mark.parametrize(
    ("fault", "message", "tries"),
    [
        ("busy", "HTTP 429 Too Many Requests: too many requests, 3 times", 3),
        ("broken", r"HTTP 500 Internal Server Error: Internal \[31m Server Error, 3 times", 3),
        ("cut", "peer closed connection.*3 times", 3),
        ("no_json", "is not JSON, 3 times", 3),
        ("a_list", "no JSON object", 3),
        ("refused", "HTTP 400 Bad Request: this model has no eyes$", 1),
        ("busy_for_a_day", "HTTP 429 Too Many Requests: quota exceeded$", 1),
        ("no_text", "holds no text", 1),
        ("no_choice", "holds no text", 1),
        ("refusing", "the model refuses: I cannot help$", 1),
        ("blank", "wrote nothing", 1),
    ],
)
def test_a_fault_that_stays_is_an_error_of_the_image(serve, fault, message, tries):
    server = serve(always(fault))
    captioner = opened(server, retries=2)
    with pytest.raises(EndpointFailed, match="noise 0") as caught:
        captioner.caption(noise(1))
    assert caught.value.item == "noise 0"
    assert re.search(message, caught.value.message)
    assert len(server.questions) == tries


def test_an_answer_that_comes_byte_by_byte_is_given_up_in_time(serve):
    server = serve(always("slow"))
    with pytest.raises(EndpointFailed, match=r"timed out \(0.2 s\)"):
        opened(server, timeout_s=0.2, retries=0).caption(noise(1))


def test_retry_after_is_waited_for(serve, monkeypatch):
    waits = []
    monkeypatch.setattr(chat_server, "time", SimpleNamespace(sleep=waits.append, monotonic=time.monotonic))
    monkeypatch.setattr(chat_server, "FIRST_WAIT_S", 2.0)
    with pytest.raises(EndpointFailed):
        opened(serve(always("broken")), retries=5, longest_wait_s=9.0).caption(noise(1))
    assert waits == [2.0, 4.0, 8.0, 9.0, 9.0]
    waits.clear()
    with pytest.raises(EndpointFailed):
        opened(serve(always("busy")), retries=2).caption(noise(1))
    assert waits == [0.0, 0.0]


def test_200_images_with_a_fifth_of_faults_are_200_rows(serve, tmp_path):
    """A fifth of the images fails at first, half of these for good; all others have the captions of a good server."""
    passing, lasting = ["busy", "broken", "cut", "slow", "no_json"], ["broken", "refused", "no_json", "blank", "cut"]

    def fault(image, tries):
        kind = image % 10
        if kind == 0:
            return lasting[image // 10 % len(lasting)]
        return passing[image // 10 % len(passing)] if kind == 1 and tries == 0 else None

    server, good, photos = serve(fault, wait_s=0.002), serve(), noise(200)
    captioner = opened(server, concurrency=5, retries=2, timeout_s=0.5)
    outcomes = [one for batch in run(photos, captioner.caption, batch_size=32, concurrency=2) for one in batch]
    assert [outcome.source for outcome in outcomes] == photos
    expected = opened(good).caption(photos)
    failed = [outcome for outcome in outcomes if isinstance(outcome.result, Failure)]
    assert 8 <= len(failed) <= 35
    assert all(isinstance(each.result.error, EndpointFailed) for each in failed)
    assert all(each.result.error.item == each.source.source for each in failed)
    for outcome, caption in zip(outcomes, expected, strict=True):
        if isinstance(outcome.result, Caption):
            assert outcome.result.text == caption.text
    assert 2 <= server.peak <= 5
    assert max(server.tries.values()) <= 2  # no image of a failed batch was asked for anew
    assert sum(tries for tries in server.tries.values()) <= 2 * 40


def test_images_of_a_failed_batch_are_not_asked_for_again(serve):
    server = serve(lambda image, tries: "refused" if image % 2 else None)
    captioner, photos = opened(server), noise(12)
    with pytest.raises(EndpointFailed):
        captioner.caption(photos)
    for photo in photos:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(captioner, "_one", None)
            with contextlib.suppress(EndpointFailed):
                captioner.caption([photo])
    assert len(server.questions) == 12


def test_a_cache_keeps_what_could_be_had(serve, tmp_path):
    server = serve(lambda image, tries: "refused" if image % 3 == 0 and tries == 0 else None)
    photos = noise(12)
    options = CaptionOptions(GREEDY)
    with open_captioner(server.model, options, kind="endpoint", cache=tmp_path / "cache.sqlite") as captioner:
        with pytest.raises(EndpointFailed):
            captioner.caption(photos)
        asked = len(server.questions)
        assert asked == 12
        outcomes = [one for photo in photos for (one,) in run([photo], captioner.caption)]
        assert len(server.questions) == asked  # nothing is asked for twice
        assert 0 < sum(isinstance(one.result, Failure) for one in outcomes) < 12
        assert len(captioner.caption(photos)) == 12
        assert asked < len(server.questions) < 2 * asked


@pytest.mark.parametrize(
    ("fault", "message"), [("unauthorised", "refuses the key.*Incorrect"), ("unknown", "no such model.*does not exist")]
)
def test_what_fails_for_every_image_stops_the_run(serve, fault, message):
    with pytest.raises(UsageError, match=message):
        [*run(noise(4), opened(serve(always(fault))).caption)]


def test_no_server_is_said_at_once():
    captioner = endpoint.load("http://127.0.0.1:9/v1#m", CaptionOptions(GREEDY))
    with pytest.raises(UsageError, match="no server answers"):
        captioner.caption(noise(2))


def test_a_server_that_goes_away_fails_its_images(serve):
    server = serve()
    captioner = opened(server, retries=1)
    captioner.caption(noise(1))
    server.__exit__()
    captioner._server._clients.pop(os.getpid()).close()  # its connections would be cut
    with pytest.raises(EndpointFailed, match="2 times"):
        captioner.caption(noise(1))


def test_the_key_comes_from_the_environment_and_goes_nowhere_else(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "s3cret")
    captioner = opened(serve(key="s3cret"), key_variable="MY_KEY")
    assert captioner.caption(noise(1))
    captioner.save(tmp_path / "captioner")
    assert "s3cret" not in captioner.id + (tmp_path / "captioner" / "card.toml").read_text("utf-8")
    assert open_captioner(tmp_path / "captioner").caption(noise(1))


def test_the_only_model_of_a_server_needs_no_name(serve):
    assert endpoint.load(serve().address, CaptionOptions(GREEDY)).id.startswith(f"{MODEL}@http")
    with pytest.raises(UsageError, match=r"2 models: a, b.*ADDRESS#MODEL"):
        endpoint.load(serve(models=("a", "b")).address, CaptionOptions(GREEDY))


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://x/v1", "http://", "http://x/v1?key=3"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="no address"):
        endpoint.load(f"{address}#m", CaptionOptions(GREEDY))


def test_a_password_in_the_address_is_refused_and_not_shown():
    with pytest.raises(UsageError, match="environment") as caught:
        endpoint.load("http://me:s3cret@host/v1#m", CaptionOptions(GREEDY))
    assert "s3cret" not in str(caught.value)


def test_a_missing_path_is_that_of_version_1(serve):
    server = serve()
    assert (
        endpoint.load(f"{server.address.removesuffix('/v1')}/#{MODEL}", CaptionOptions(GREEDY)).id == opened(server).id
    )


def test_thoughts_are_no_part_of_a_caption(serve):
    photos = noise(3)
    found, expected = (opened(serve(always(how))).caption(photos) for how in ("thinking", "well"))
    assert [caption.text for caption in found] == [caption.text for caption in expected]


def test_an_answer_may_come_in_parts(serve):
    found, expected = (opened(serve(always(how))).caption(noise(3)) for how in ("in_parts", "well"))
    assert [caption.text for caption in found] == [caption.text for caption in expected]


def test_without_log_probabilities_they_are_unknown(serve):
    server = serve()
    for captioner in (opened(server, logprobs=False), opened(serve(always("without_logprobs")))):
        assert all(math.isnan(caption.logprob) for caption in captioner.caption(noise(2)))
    assert "logprobs" not in server.questions[0]


@pytest.mark.parametrize("setting", [{"mbr": True}, {"no_repeat_ngram_size": 2}])
def test_settings_that_a_server_does_not_have_are_refused(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        endpoint.load("http://localhost/v1#m", CaptionOptions(Decoding(**setting)))


def test_settings_are_saved_and_can_be_changed(serve, tmp_path):
    captioner = opened(serve(), prompt="What?", side=64, concurrency=2)
    captioner.save(tmp_path / "captioner")
    assert open_captioner(tmp_path / "captioner").id == captioner.id
    changed = open_captioner(tmp_path / "captioner", CaptionOptions(GREEDY, settings={"side": "32"}))
    assert changed.id == captioner.id.replace("side=64", "side=32")


def test_several_threads_share_the_requests(serve):
    server = serve(wait_s=0.01)
    captioner = opened(server, concurrency=3)
    threads = [threading.Thread(target=captioner.caption, args=(noise(8),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 <= server.peak <= 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_connections_and_threads_of_its_own(serve):
    import multiprocessing

    captioner = opened(serve())
    (expected,) = captioner.caption(noise(1))
    fork = multiprocessing.get_context("fork")
    queue = fork.SimpleQueue()
    child = fork.Process(target=lambda: queue.put(captioner.caption(noise(1))[0].text))
    child.start()
    assert queue.get() == expected.text
    child.join()


def test_engine_rows_say_what_failed(serve, tmp_path):
    for number, photo in enumerate(noise(3)):
        Image.fromarray(photo.pixels).save(tmp_path / f"{number}.png")
    captioner = opened(serve(always("refused")))
    spec = engine.RunSpec(sources=(str(tmp_path),), out=tmp_path / "out.csv")
    engine.run(spec, engine.captioning(captioner))
    assert (tmp_path / "out.csv").read_text("utf-8").count("endpoint_failed") == 3
