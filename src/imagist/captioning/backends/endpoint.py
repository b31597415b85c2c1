"""`endpoint`: a vision-language model behind a server of chat completions: vLLM, llama.cpp, Ollama, a hosted API.

Images travel as JPEG in the request, made smaller where they are large. Several requests are under way at once.
"""

from __future__ import annotations

import base64
import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from weakref import WeakKeyDictionary

import numpy as np
from PIL import Image
from pydantic import Field, PositiveFloat, PositiveInt

from imagist.bundle import CARD, open_part, write_part
from imagist.captioning.chat_server import Answer, ChatServer, Patience
from imagist.captioning.decoding import Decoding, seeds_of
from imagist.captioning.options import CaptionOptions
from imagist.errors import EndpointFailed, UsageError
from imagist.images.encoder import Encoder
from imagist.records import Caption, Hypothesis, Photo

KIND = "endpoint"
PROMPT = "Describe this image in one short sentence."
KEY_VARIABLE = "IMAGIST_ENDPOINT_KEY"

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)


@dataclass(frozen=True)
class EndpointSettings:
    """Settings of an endpoint.

    Attributes:
        prompt: What the model is asked about each image.
        concurrency: Most requests under way at the same time, over all batches.
        timeout_s: Longest time of a request, in seconds.
        retries: Tries after the first one.
        longest_wait_s: Longest wait before another try, in seconds; a server that asks for more is given up.
        key_variable: The environment variable that holds the key; none is sent where it is not set.
        side: Longest side of the images sent, in pixels; larger ones are made smaller.
        quality: Of the JPEG, 1 to 95.
        logprobs: Whether to ask for log-probabilities; some servers refuse that. Without them they are unknown.
    """

    prompt: str = PROMPT
    concurrency: int = 8
    timeout_s: float = 60.0
    retries: int = 4
    longest_wait_s: float = 30.0
    key_variable: str = KEY_VARIABLE
    side: int = 768
    quality: int = 90
    logprobs: bool = True


class EndpointCaptioner:
    """Implements `imagist.protocols.Captioner` over a server.

    One hypothesis is asked for at temperature 0. Several are drawn at the temperature of the decoding, and ranked by
    log-probability / words ** length_penalty, where the server tells log-probabilities.

    A batch in which images fail raises the first error. What it has of the others is kept for as long as the photos
    live, and given to the next call that asks for them: a caller that asks for the images of a failed batch one by one
    sends no request twice.

    Args:
        server: Is asked.
        model: The model's name there.
        decoding: How many hypotheses, how long, and how to draw.
        settings: All else.

    Raises:
        UsageError: A setting that no endpoint has.
    """

    concurrent = True

    def __init__(self, server: ChatServer, model: str, decoding: Decoding, settings: EndpointSettings) -> None:
        for name in ("mbr", "no_repeat_ngram_size"):
            if getattr(decoding, name):
                raise UsageError("an endpoint does not have this setting", item=name, remedy="leave it out")
        self._server, self._model = server, model
        self._decoding, self._settings = decoding, settings
        shown = f"{decoding},prompt={settings.prompt!r},side={settings.side},quality={settings.quality}"
        self.id = f"{model}@{server.address}/{KIND}({shown}{',logprobs' if settings.logprobs else ''})"
        self._lock = Lock()
        self._pools: dict[int, ThreadPoolExecutor] = {}
        self._kept: WeakKeyDictionary[Photo, Caption | EndpointFailed] = WeakKeyDictionary()

    def save(self, folder: Path) -> None:
        """Writes a card that names the server, the model and the settings; never a key."""
        model = f"{self._server.address}#{self._model}"
        write_part(folder, KIND, {"model": model, "settings": asdict(self._settings), **self._decoding.on_card()})

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order.

        Raises:
            EndpointFailed: The server did not deliver for a photo, which the error names.
            UsageError: No server answers, or it refuses the key or the model.
        """
        with self._lock:
            found = {photo: kept for photo in photos if (kept := self._kept.pop(photo, None)) is not None}
        new = [photo for photo in dict.fromkeys(photos) if photo not in found]
        found |= dict(zip(new, self._asked(new), strict=True))
        failed = [each for each in found.values() if isinstance(each, EndpointFailed)]
        if failed:
            with self._lock:
                self._kept.update(found if len(found) > 1 else {})
            raise failed[0]
        return [caption for photo in photos if isinstance(caption := found[photo], Caption)]

    def _asked(self, photos: Sequence[Photo]) -> list[Caption | EndpointFailed]:
        pool = self._pool()
        futures = [pool.submit(self._one, photo, seed) for photo, seed in zip(photos, seeds_of(photos), strict=True)]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _pool(self) -> ThreadPoolExecutor:
        """The threads of this process, which all batches share; a forked one makes its own."""
        with self._lock:
            if (process := os.getpid()) not in self._pools:
                self._pools[process] = ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="endpoint")
            return self._pools[process]

    def _one(self, photo: Photo, seed: int) -> Caption | EndpointFailed:
        try:
            return self._caption(self._server.complete(self._question(photo, seed)))
        except EndpointFailed as error:
            return EndpointFailed(error.message, item=photo.source, remedy=error.remedy)

    def _question(self, photo: Photo, seed: int) -> dict[str, object]:
        decoding, settings = self._decoding, self._settings
        address = f"data:image/jpeg;base64,{base64.b64encode(_jpeg(photo, settings.side, settings.quality)).decode()}"
        content = [{"type": "image_url", "image_url": {"url": address}}, {"type": "text", "text": settings.prompt}]
        asked: dict[str, object] = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": decoding.max_length,
            "temperature": 0.0,
        }
        if decoding.nbest > 1 or decoding.top_p is not None:
            draw = int(np.random.SeedSequence((decoding.seed, seed)).generate_state(1)[0] >> 1)
            asked |= {"n": decoding.nbest, "temperature": decoding.temperature, "seed": draw}
            asked["top_p"] = decoding.top_p or 1.0
        return asked | ({"logprobs": True} if settings.logprobs else {})

    def _caption(self, answers: Sequence[Answer]) -> Caption:
        different: dict[str, float] = {}
        for answer in answers:
            text = " ".join(_THOUGHT.sub("", answer.text).split())
            different.setdefault(text, answer.logprob)
        different.pop("", None)
        if not different:
            raise EndpointFailed("the server wrote nothing for this image")
        nbest = [Hypothesis(text, logprob) for text, logprob in different.items()]
        if not any(math.isnan(one.logprob) for one in nbest):
            nbest.sort(key=lambda one: -one.logprob / len(one.text.split()) ** self._decoding.length_penalty)
        best = nbest[0]
        return Caption(best.text, best.logprob, tuple(best.text.split()), tuple(nbest[: self._decoding.nbest]))


def _jpeg(photo: Photo, side: int, quality: int) -> bytes:
    """The photo as JPEG, of at most ``side`` pixels on its longest side."""
    image, target = Image.fromarray(photo.pixels), io.BytesIO()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(target, "JPEG", quality=quality)
    return target.getvalue()


def load(
    model: str,
    options: CaptionOptions,
    encoder: Encoder | None = None,
    *,
    prompt: str | None = None,
    max_tokens: PositiveInt | None = None,
    concurrency: PositiveInt | None = None,
    timeout_s: PositiveFloat | None = None,
    retries: Annotated[int, Field(ge=0)] | None = None,
    longest_wait_s: PositiveFloat | None = None,
    key_variable: str | None = None,
    side: Annotated[int, Field(ge=16, le=4096)] | None = None,
    quality: Annotated[int, Field(ge=1, le=95)] | None = None,
    logprobs: bool | None = None,
) -> EndpointCaptioner:
    """Opens an endpoint; the registry calls this. Nothing is sent but, without a model's name, the question for it.

    Args:
        model: The address of the API, ``#`` and the model's name there, such as
            ``http://localhost:8000/v1#Qwen/Qwen2.5-VL-3B-Instruct``; without a name the only model of the server. The
            folder of a saved captioner stands for the model and the settings on its card.
        options: What a user asked for; the language is that of the prompt.
        encoder: Not used.
        prompt: See `EndpointSettings` for this and what follows. None is the card's, or the default there.
        max_tokens: Most tokens of a caption; None is ``options.decoding.max_length``.
        concurrency: Of requests.
        timeout_s: Of a request.
        retries: Tries after the first one.
        longest_wait_s: Before another try.
        key_variable: Names the environment variable with the key.
        side: Of the images sent.
        quality: Of the JPEG.
        logprobs: Whether to ask for log-probabilities.

    Raises:
        UsageError: A setting that no endpoint has, no address, or a server that does not answer or has several models.
    """
    if options.language not in (None, "en"):
        raise UsageError(
            "an endpoint writes in the language of its prompt, which is English (en) by default",
            item=str(options.language),
            remedy="leave it out, or say en; for another language, write the prompt in it",
        )
    asked = {
        "prompt": prompt, "concurrency": concurrency, "timeout_s": timeout_s, "retries": retries, "side": side,
        "longest_wait_s": longest_wait_s, "key_variable": key_variable, "quality": quality, "logprobs": logprobs,
    }  # fmt: skip
    decoding = options.decoding if max_tokens is None else replace(options.decoding, max_length=max_tokens)
    return _opened(model, decoding, {name: value for name, value in asked.items() if value is not None})


def _opened(model: str, decoding: Decoding, asked: Mapping[str, Any]) -> EndpointCaptioner:
    own: dict[str, Any] = {}
    if (Path(model) / CARD).is_file():
        card = open_part(model, "captioner").card
        model, own = str(card["model"]), dict(card["settings"])
    settings = replace(EndpointSettings(), **{**own, **asked})
    address, _, name = model.partition("#")
    patience = Patience(settings.timeout_s, settings.retries, settings.longest_wait_s)
    server = ChatServer(address, os.environ.get(settings.key_variable) or None, patience)
    return EndpointCaptioner(server, name or _only_model(server), decoding, settings)


def _only_model(server: ChatServer) -> str:
    try:
        models = server.models()
    except EndpointFailed as error:
        raise UsageError(f"the model has no name: {error.message}", remedy="name it, as in ADDRESS#MODEL") from error
    if len(models) != 1:
        listed = ", ".join(models[:10]) + (", ..." if len(models) > 10 else "")
        raise UsageError(
            f"the server has {len(models)} models" + (f": {listed}" if models else ""),
            item=server.address,
            remedy="name one, as in ADDRESS#MODEL",
        )
    return models[0]
