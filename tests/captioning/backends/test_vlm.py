"""Vision-language models beyond what all captioners do: their chat template, their prompt, their padding."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import tiny_checkpoints
from imagist.captioning.backends import vlm
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.errors import BundleError, UsageError
from imagist.records import Photo

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of PaliGemma's processor
]

GREEDY = Decoding(beam=1, max_length=9)
TEMPLATED = [name for name in tiny_checkpoints.CHATS if name != "paligemma"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a checkpoint, written when first asked for."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = str(getattr(tiny_checkpoints, name)(tmp_path_factory.mktemp("tiny") / name))
        return made[name]

    return of


@pytest.fixture(scope="module")
def some():
    """Images whose numbers of tokens differ."""
    rng = np.random.default_rng(3)
    shapes = [(40, 50), (1, 1), (3, 90), (120, 70), (64, 64), (33, 200)]
    return [Photo(rng.integers(0, 256, (*shape, 3)).astype(np.uint8), f"noise {shape}") for shape in shapes]


def as_transformers_does(model, photo, prompt, suppressed):
    """The answer of a plain conversation about one photo."""
    processor = transformers.AutoProcessor.from_pretrained(model)
    network = transformers.AutoModelForImageTextToText.from_pretrained(model).eval()
    content = [{"type": "image", "image": Image.fromarray(photo.pixels)}, {"type": "text", "text": prompt}]
    settings = {"tokenize": True, "add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}
    inputs = processor.apply_chat_template([{"role": "user", "content": content}], **settings)
    search = {"do_sample": False, "max_new_tokens": 9, "min_new_tokens": 1, "suppress_tokens": suppressed}
    tokens = network.generate(**inputs, **search)[0, inputs["input_ids"].shape[1] :]
    return " ".join(processor.decode(tokens, skip_special_tokens=True).split())


@pytest.mark.parametrize("name", TEMPLATED)
def test_a_caption_is_the_answer_to_the_question_of_the_template(folder, some, name):
    captioner = vlm.load(folder(name), CaptionOptions(GREEDY), prompt="two cat on the grass")
    suppressed = captioner._generator._settings["suppress_tokens"]
    for photo, caption in zip(some[:3], captioner.caption(some)[:3], strict=True):
        assert caption.text == as_transformers_does(folder(name), photo, "two cat on the grass", suppressed)


@pytest.mark.parametrize("name", tiny_checkpoints.CHATS)
def test_a_batch_says_what_single_photos_say(folder, some, name):
    captioner = vlm.load(folder(name), CaptionOptions(Decoding(3, 3, 9)))
    together = captioner.caption(some)
    for photo, caption in zip(some, together, strict=True):
        (alone,) = captioner.caption([photo])
        assert [each.text for each in alone.nbest] == [each.text for each in caption.nbest]
        assert alone.logprob == pytest.approx(caption.logprob, abs=1e-3)
        assert not {"user", "[SEP]"} & {*caption.tokens[:1]}  # of the question
    assert len({caption.text for caption in together}) > 1


def test_conversations_of_a_batch_are_padded_on_the_left(folder, some):
    captioner = vlm.load(folder("qwen2_vl"), CaptionOptions(GREEDY))
    masks = captioner._read(some)["attention_mask"]
    assert len({*masks.sum(1).tolist()}) > 1
    assert (masks[:, -1] == 1).all()
    assert (masks.diff(dim=1) >= 0).all()


def test_the_prompt_makes_a_difference_and_is_in_the_id(folder, some):
    made = [vlm.load(folder("llava"), CaptionOptions(GREEDY), prompt=prompt) for prompt in (None, "a cat", "a red dog")]
    assert len({captioner.id for captioner in made}) == 3
    assert f"prompt={vlm.PROMPT!r}" in made[0].id
    assert len({tuple(caption.text for caption in captioner.caption(some)) for captioner in made}) > 1


def test_most_tokens_can_be_set(folder, some):
    captioner = vlm.load(folder("llava"), CaptionOptions(GREEDY), max_tokens=2)
    assert "max_length=2," in captioner.id
    assert captioner.id == vlm.load(folder("llava"), CaptionOptions(Decoding(beam=1, max_length=2))).id


def test_prompt_and_length_are_saved_with_it(folder, some, tmp_path):
    captioner = vlm.load(folder("llava"), CaptionOptions(GREEDY), prompt="a cat", max_tokens=5)
    captioner.save(tmp_path / "captioner")
    opened = open_captioner(tmp_path / "captioner")
    assert opened.id == captioner.id
    assert opened.caption(some[:1])[0].nbest == captioner.caption(some[:1])[0].nbest


def test_settings_come_as_text_from_a_command_line(folder):
    settings = {"prompt": "a dog", "max_tokens": "7"}
    opened = open_captioner(folder("llava"), CaptionOptions(GREEDY, settings=settings), kind="vlm")
    assert opened.id == vlm.load(folder("llava"), CaptionOptions(GREEDY), prompt="a dog", max_tokens=7).id
    for name, value, remedy in (("max_tokens", "0", "max_tokens"), ("max_tokens", "x", "max"), ("size", 3, "prompt")):
        with pytest.raises(UsageError, match=remedy):
            open_captioner(folder("llava"), CaptionOptions(settings={name: value}), kind="vlm")


def test_without_being_told_it_writes_whole_sentences_greedily(folder):
    assert "beam=1,nbest=1,max_length=64," in open_captioner(folder("llava"), kind="vlm").id


def test_paligemma_is_asked_in_plain_text(folder, some):
    captioner = vlm.load(folder("paligemma"), CaptionOptions(GREEDY))
    written = captioner._checkpoint.tokenizer.decode(captioner._read(some[:1])["input_ids"][0])
    assert "caption" in written or "[UNK]" in written  # the tiny one does not know the word
    assert all(caption.text for caption in captioner.caption(some))


def test_tokens_of_other_tasks_are_not_written(folder, some):
    captioner = vlm.load(folder("paligemma"), CaptionOptions(Decoding(3, 3, 9)))
    assert not any("<loc" in h.text or "<seg" in h.text for c in captioner.caption(some) for h in c.nbest)


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    model = tiny_checkpoints.llava(tmp_path / "llava")
    (model / "chat_template.jinja").unlink()
    with pytest.raises(BundleError, match="no chat template"):
        vlm.load(str(model), CaptionOptions())


def test_another_template_is_another_id(tmp_path):
    model = tiny_checkpoints.llava(tmp_path / "llava")
    before = vlm.load(str(model), CaptionOptions()).id
    template = model / "chat_template.jinja"
    template.write_text(template.read_text("utf-8").replace("user", "a"), "utf-8")
    assert vlm.load(str(model), CaptionOptions()).id != before
