"""`open_clip`: models of the library open_clip: OpenAI's CLIP, LAION's, DataComp's, SigLIP, CoCa and others.

Shapes: N photos; P texts; D width of the embeddings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from PIL import Image

from imagist.arrays import Array, unit
from imagist.bundle import fingerprint
from imagist.errors import BundleError, BundleNotFound, MissingExtra
from imagist.matching.background import Background
from imagist.matching.zero_shot import ZeroShot
from imagist.protocols import PartOptions
from imagist.records import Photo

try:
    import torch
    from torch import Tensor
    from torch.nn.functional import linear

    from imagist.bundle.checkpoints import device_of, quiet, without_waiting
    from imagist.matching.causal_text import CausalText, Layer, Map
    from imagist.matching.published import PublishedMatcher, read_matcher

    library: Any = import_module("open_clip")
except ImportError as _error:
    raise MissingExtra(
        "models of open_clip need a library that is not installed",
        item=_error.name,
        remedy="pip install 'imagist[torch,openclip]'",
    ) from _error

KIND = "open_clip"
_TOKENS = {"cpu": 256}  # of one run of the text network
_MANY = 2048  # the same on a device with more cores


class OpenClipMatcher(PublishedMatcher):
    """Implements `imagist.protocols.Matcher`.

    Args:
        network: A model of open_clip in eval mode, on its device.
        transform: From a PIL image to the network's pixels, float ``[3, S, S]``.
        tokenizer: Of the model.
        model: How the model was asked for, for the card.
        options: Device, threads, and how long texts are read.
        zero_shot: Settings for categories by name.
        background: Mean and covariance of its embeddings, if they are known.

    Raises:
        BundleError: The tokenizer does not tell how many tokens a text has.
        SettingError: No such way to read long texts.
    """

    kind = KIND

    def __init__(
        self,
        network: Any,
        transform: Any,
        tokenizer: Any,
        *,
        model: str,
        options: PartOptions,
        zero_shot: ZeroShot | None = None,
        background: Background | None = None,
    ) -> None:
        super().__init__(model, options, zero_shot, background)
        self.scale = float(network.logit_scale.detach().exp())
        self._network, self._transform, self._tokenizer = network, transform, tokenizer
        self._device = next(network.parameters()).device
        self.max_tokens = int(tokenizer.context_length or network.context_length)
        if not (hasattr(tokenizer, "tokenizer") or hasattr(tokenizer, "encode")):
            raise BundleError("its tokenizer does not tell how many tokens a text has", item=model)

    @cached_property
    def id(self) -> str:
        """Changes with the weights and the activation."""
        weights = (weight.float().cpu().numpy() for weight in self._network.state_dict().values())
        quick = any(type(each).__name__ == "QuickGELU" for each in self._network.modules())
        return f"{Path(self.model).name}-{fingerprint(*weights)}{'-quickgelu' if quick else ''}/{KIND}"

    def token_count(self, text: str) -> int:
        """The number of tokens of a text, those that it begins and ends with included."""
        tokenizer = self._tokenizer
        if hasattr(tokenizer, "tokenizer"):  # one of transformers, within
            return len(tokenizer.tokenizer(tokenizer.clean_fn(text))["input_ids"])
        return len(tokenizer.encode(text)) + 2  # the first and the last token of every text

    def _see(self, photos: Sequence[Photo]) -> Array:
        pixels = torch.stack([self._transform(Image.fromarray(photo.pixels)) for photo in photos])
        return _unit(self._class_token(pixels.to(self._device)))

    def _read(self, texts: list[str]) -> Array:
        return _unit(self._network.encode_text(self._tokenizer(texts).to(self._device)))

    def _read_all(self, texts: Sequence[str]) -> Array:
        if self._causal is None:
            return super()._read_all(texts)
        tokens = self._tokenizer(list(texts))
        return _unit(self._causal(tokens, tokens.argmax(1)))  # the last token of a text has the highest number

    @cached_property
    def _class_token(self) -> Map:
        return _class_token(self._network.visual) or self._network.encode_image

    @cached_property
    def _causal(self) -> CausalText | None:
        return _causal(self._network)


def _class_token(network: Any) -> Map | None:
    """The image network of CLIP with a last layer for the class token alone; None for any other."""
    usual = type(network).__name__ == "VisionTransformer" and network.pool_type == "tok" and network.attn_pool is None
    if not usual or network.proj is None or not network.transformer.batch_first:
        return None
    blocks: Sequence[Any] = network.transformer.resblocks
    if not all(map(_is_usual, blocks)):
        return None
    last = _layer(blocks[-1])

    def embed(pixels: Tensor) -> Tensor:
        x = network._embeds(pixels)
        for block in blocks[:-1]:
            x = block(x)
        inner = last.before_attention(x)
        x = last.step(x[:, :1], inner[:, :1], *last.keys_and_values(inner))
        found: Tensor = network.ln_post(x[:, 0]) @ network.proj
        return found

    return embed


def _causal(network: Any) -> CausalText | None:
    """The text network of CLIP as OpenAI designed it; None for any other."""
    blocks = getattr(getattr(network, "transformer", None), "resblocks", ())
    usual = type(network).__name__ == "CLIP" and getattr(network, "text_pool_type", None) == "argmax"
    if not usual or network.attn_mask is None or not all(_is_usual(block) for block in blocks):
        return None
    projection = network.text_projection

    def finish(x: Tensor) -> Tensor:
        ended: Tensor = network.ln_final(x)
        if projection is None:
            return ended
        found: Tensor = projection(ended) if isinstance(projection, torch.nn.Linear) else ended @ projection
        return found

    dtype = network.transformer.get_cast_dtype()
    return CausalText(
        lambda tokens: network.token_embedding(tokens).to(dtype),
        network.positional_embedding.to(dtype),
        [_layer(block) for block in blocks],
        finish,
        _TOKENS.get(network.positional_embedding.device.type, _MANY),
    )


def _is_usual(block: Any) -> bool:
    attention = getattr(block, "attn", None)
    return (
        type(block).__name__ == "ResidualAttentionBlock"
        and not hasattr(block, "ln_1_kv")
        and type(attention) is torch.nn.MultiheadAttention
        and attention.in_proj_weight is not None
        and attention.bias_k is None
        and not attention.add_zero_attn
    )


def _layer(block: Any) -> Layer:
    attention = block.attn
    width = attention.embed_dim
    query, key_and_value = (
        partial(linear, weight=attention.in_proj_weight[rows], bias=attention.in_proj_bias[rows])
        for rows in (slice(width), slice(width, None))
    )
    return Layer(
        attention.num_heads,
        block.ln_1,
        query,
        key_and_value,
        lambda x: block.ls_1(attention.out_proj(x)),
        lambda x: block.ls_2(block.mlp(block.ln_2(x))),
    )


def _unit(features: Any) -> Array:
    return unit(features.float().cpu().numpy())


@contextmanager
def _silent() -> Iterator[None]:
    """Turns off the log, to which open_clip writes what it raises as well."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def load(model: str, options: PartOptions) -> OpenClipMatcher:
    """Opens a matcher; the registry calls this.

    Args:
        model: An architecture and its weights such as ``ViT-B-32/laion2b_s34b_b79k``, ``hf-hub:ORGANISATION/NAME``, a
            folder with ``open_clip_config.json`` and safetensors weights, or the folder of a saved matcher, or a model
            that has one.
        options: Device, threads, and how long texts are read.

    Raises:
        BundleNotFound: There is no such model, or it cannot be downloaded.
        BundleError: The folder has no safetensors weights, or they do not fit.
        UsageError: There is no such device.
    """
    name, zero_shot, background = read_matcher(model)
    device = device_of(options.device)
    folder = Path(name)
    if folder.is_dir() and not [*folder.glob("*.safetensors")]:
        raise BundleError(
            "the folder holds no safetensors weights, and no others are read",
            item=name,
            remedy="save the model with open_clip as safetensors",
        )
    known, tag = name, None
    if folder.is_dir():
        known = f"local-dir:{folder}"
    elif not name.startswith("hf-hub:"):
        known, _, tag = name.partition("/")
    try:
        with nullcontext() if folder.is_dir() else without_waiting(), quiet(), _silent():
            trained = library.get_pretrained_cfg(known, tag) if tag else {}
            network, transform = library.create_model_from_pretrained(
                known, tag, device=device, weights_only=True,
                force_quick_gelu=trained.get("quick_gelu", False),  # else weights of OpenAI run with another activation
            )  # fmt: skip
            tokenizer = library.get_tokenizer(known)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        wrong = BundleError if folder.is_dir() else BundleNotFound
        raise wrong(
            f"open_clip cannot open it: {(str(error).strip() or type(error).__name__).splitlines()[0][:300]}",
            item=name,
            remedy="a name such as ViT-B-32/laion2b_s34b_b79k or hf-hub:ORGANISATION/NAME, or a folder",
        ) from error
    return OpenClipMatcher(
        network.eval(),
        transform,
        tokenizer,
        model=name,
        options=options,
        zero_shot=zero_shot,
        background=background,
    )
