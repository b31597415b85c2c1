"""What all pretrained captioners do: batches, n-best, draws, prompts, settings in the id."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from imagist.captioning.decoding import Decoding
from imagist.errors import ModelFailed, UsageError
from imagist.protocols import Captioner
from imagist.records import Photo
from tiny_checkpoints import CAPTIONERS

pytestmark = pytest.mark.torch

SEARCHES = {
    "greedy": Decoding(1, 1, 12),
    "beam": Decoding(4, 3, 12),
    "nucleus": Decoding(beam=3, nbest=2, max_length=12, top_p=0.9, temperature=1.3, seed=5),
}


@pytest.fixture(params=CAPTIONERS)
def name(request):
    return request.param


@pytest.fixture(params=SEARCHES)
def captioner(make, name, request):
    return make(name, SEARCHES[request.param])


def assert_same(one, other):
    assert (one.text, one.tokens) == (other.text, other.tokens)
    assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
    assert [h.text for h in one.nbest] == [h.text for h in other.nbest]


def test_a_batch_gives_the_captions_of_single_photos(captioner, some):
    together = captioner.caption(some)
    for photo, caption in zip(some, together, strict=True):
        assert_same(caption, captioner.caption([photo])[0])
    assert len({caption.text for caption in together}) > 3


def test_order_and_company_do_not_matter(captioner, some):
    together, order = captioner.caption(some), np.random.default_rng(0).permutation(len(some))
    again = captioner.caption([some[i] for i in order] + [some[order[0]]])
    for i, caption in zip([*order, order[0]], again, strict=True):
        assert_same(together[i], caption)


def test_captions_and_n_best_keep_the_contract(captioner, some):
    assert isinstance(captioner, Captioner)
    assert captioner.caption([]) == []
    for caption in captioner.caption(some):
        assert caption.text == " ".join(caption.tokens) != ""
        assert (caption.nbest[0].text, caption.nbest[0].logprob) == (caption.text, caption.logprob)
        assert 1 <= len(caption.nbest) <= captioner.decoding.nbest
        assert len({h.text for h in caption.nbest}) == len(caption.nbest)
        assert all(h.logprob <= 0 for h in caption.nbest)
        assert caption.attention is None
        assert not any(special in caption.text for special in ("[", "<", "\n"))


def test_it_repeats_itself_exactly_also_when_opened_again(captioner, make, name, some):
    anew = make(name, captioner.decoding)
    assert anew.id == captioner.id
    for one, other, third in zip(captioner.caption(some), captioner.caption(some), anew.caption(some), strict=True):
        assert one.nbest == other.nbest == third.nbest


def test_another_seed_draws_other_captions(make, name, some):
    texts = {
        tuple(c.text for c in make(name, Decoding(beam=1, max_length=10, top_p=1.0, seed=seed)).caption(some))
        for seed in range(3)
    }
    assert len(texts) == 3


def test_a_nucleus_of_one_token_is_greedy(make, name, some):
    drawn = make(name, Decoding(beam=1, max_length=10, top_p=1e-9)).caption(some)
    for one, other in zip(drawn, make(name, Decoding(beam=1, max_length=10)).caption(some), strict=True):
        assert_same(one, other)


def test_no_longer_than_asked_for(make, name, some, monkeypatch):
    captioner, lengths = make(name, Decoding(beam=2, nbest=2, max_length=3)), []
    decode = captioner._checkpoint.tokenizer.decode
    monkeypatch.setattr(
        captioner._checkpoint.tokenizer, "decode", lambda ids, **how: lengths.append(len(ids)) or decode(ids, **how)
    )
    captioner.caption(some)
    assert max(lengths) == 3


@pytest.mark.parametrize("top_p", [None, 0.9])
def test_mbr_reranks_all_hypotheses(make, name, some, top_p):
    settings = {"beam": 6, "max_length": 8, "top_p": top_p}
    captioner = make(name, Decoding(nbest=6, **settings))
    reranked = make(name, Decoding(nbest=2, mbr=True, **settings)).caption(some)
    assert [c.text for c in reranked] != [c.text for c in captioner.caption(some)]
    for before, after in zip(captioner.caption(some), reranked, strict=True):
        assert {*after.nbest} <= {*before.nbest}
        assert (after.text, after.logprob) == (after.nbest[0].text, after.nbest[0].logprob)
        assert len(after.nbest) == min(2, len(before.nbest))


def test_blank_captions_are_an_error_of_the_image(make, some, monkeypatch):
    captioner = make("blip2-opt", Decoding(beam=2))
    monkeypatch.setattr(captioner._checkpoint.tokenizer, "decode", lambda *_, **__: " ")
    with pytest.raises(ModelFailed, match="nothing") as caught:
        captioner.caption(some[:1])
    assert caught.value.item == some[0].source


def test_a_blank_hypothesis_is_left_out(make, some, monkeypatch):
    captioner = make("git", Decoding(beam=3, nbest=3))
    texts = iter([" ", "a  dog", "a dog"])
    monkeypatch.setattr(captioner._checkpoint.tokenizer, "decode", lambda *_, **__: next(texts))
    (caption,) = captioner.caption(some[:1])
    assert [hypothesis.text for hypothesis in caption.nbest] == ["a dog"]


def test_nothing_is_logged(make, name, some, capfd):
    captioner = make(name, Decoding(beam=1, max_length=4))
    captioner._checkpoint.model.generation_config.max_length = 17  # beside which max_new_tokens gives a warning
    captioner.caption(some[:1])
    captioner._checkpoint.model.generation_config.max_length = None
    assert capfd.readouterr() == ("", "")


def test_the_id_names_the_weights_and_every_setting(make, name, folders):
    made = [
        make(name),
        make(name, Decoding(beam=2)),
        make(name, Decoding(top_p=0.5)),
        make(name, Decoding(no_repeat_ngram_size=2)),
        make(name, prompt="a picture of"),
        make(name, suffix="#standalone"),
        make(name, suffix="#clip-interrogator"),
        make(name, suffix="#clip-interrogator-0.5"),
        make(name, Decoding(beam=8, max_length=28, length_penalty=1.0), prompt="a picture of"),  # stops early
    ]
    assert len({captioner.id for captioner in made}) == len(made)
    assert all(captioner.id.startswith(f"{folders(name).name}-") for captioner in made)
    assert f"/{name.partition('-')[0]}(" in made[0].id


def test_other_weights_in_a_folder_of_the_same_name_are_another_id(tmp_path):
    import tiny_checkpoints
    from imagist.captioning.backends.git import load as load_captioner
    from imagist.captioning.options import CaptionOptions

    ids = [
        load_captioner(str(tiny_checkpoints.git(tmp_path / str(seed) / "git", seed)), CaptionOptions()).id
        for seed in (0, 1)
    ]
    assert ids[0] != ids[1]


def test_a_prompt_replaces_that_of_a_preset(make, name):
    assert "prompt='two cat'" in make(name, suffix="#standalone", prompt="two cat").id
    assert "prompt" not in make(name, suffix="#standalone", prompt="").id


def test_threads_are_given_back(make, some):
    torch.set_num_threads(2)
    make("blip").caption(some[:1])
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("name", ["blip", "git", "blip2-opt"])
def test_more_tokens_than_the_model_has_positions_for_are_refused(make, name):
    with pytest.raises(UsageError, match="at most") as caught:
        make(name, Decoding(max_length=100))
    most = int(str(caught.value).rpartition(" ")[2].rstrip(")"))
    assert make(name, Decoding(max_length=most)).caption([Photo(np.zeros((9, 9, 3), np.uint8))])


def test_t5_has_no_bound(make):
    assert make("blip2-t5", Decoding(max_length=100)).caption([Photo(np.zeros((9, 9, 3), np.uint8))])


@pytest.mark.parametrize("name", ["blip2-opt", "blip2-t5"])
def test_half_precision_writes_much_the_same(folders, make, name, some):
    from imagist.bundle.checkpoints import load
    from imagist.captioning.backends.blip2 import _start
    from imagist.captioning.options import CaptionOptions
    from imagist.captioning.pretrained.captioner import PretrainedCaptioner

    halved = load(str(folders(name)), "blip-2", "Blip2ForConditionalGeneration", dtype="bfloat16")
    options = CaptionOptions(decoding=Decoding(beam=1, max_length=1))
    captioner = PretrainedCaptioner("blip2", halved, _start, options)
    assert captioner.id.endswith(",bfloat16)")
    exact = make(name, options.decoding).caption(some)
    differences = [abs(a.logprob - b.logprob) for a, b in zip(captioner.caption(some), exact, strict=True)]
    assert np.median(differences) < 0.1
