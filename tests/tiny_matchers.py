"""Matchers with random weights and a handful of words, saved as published and as trained ones are."""

from __future__ import annotations

import json

import numpy as np

from imagist.bundle import SHIPPED, copy_part, open_bundle, open_folder, write_bundle, write_part
from imagist.matching.wordpiece import WordPieces

PIECES = ["[PAD]", "[UNK]", "a", "photo", "picture", "of", "the", "cat", "dog", "car", "bus", "white", "man", "in"]
PIECES += ["red", "street", "##s", "##ing", ".", ",", *"bcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghij")]
CHANNELS, CLASSES, WIDTH, MAX_TOKENS = 1280, 1000, 16, 12
OPEN_CLIP_CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
}
ENCODER = open_folder(SHIPPED / "embedded" / "encoder").version


def embedded(folder, seed=0, *, classes=False, encoder=ENCODER, files=None, **card):
    """The part of an embedded matcher: the means of cells, classes and pieces, each through a random matrix."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(seed)

    def weights(name, *shape):
        return numpy_helper.from_array((rng.normal(size=shape) / np.sqrt(shape[-2])).astype(np.float32), name)

    def model(nodes, inputs, initializers):
        taken = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
        given = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", WIDTH])]
        graph = helper.make_graph(nodes, "tiny", taken, given, initializers)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made)
        return made.SerializeToString()

    node = helper.make_node
    image = [
        node("ReduceMean", ["grid"], ["pooled"], axes=[1], keepdims=0),
        node("MatMul", ["pooled", "W"], ["seen" if classes else "embedding"]),
    ]
    inputs, given = [("grid", TensorProto.FLOAT, ["N", "L", CHANNELS])], [weights("W", CHANNELS, WIDTH)]
    if classes:
        image += [node("MatMul", ["classes", "K"], ["named"]), node("Add", ["seen", "named"], ["embedding"])]
        inputs.append(("classes", TensorProto.FLOAT, ["N", CLASSES]))
        given.append(weights("K", CLASSES, WIDTH))
    axes = {
        name: numpy_helper.from_array(np.array([axis], np.int64), name) for name, axis in (("last", -1), ("one", 1))
    }
    text = [
        node("Gather", ["E", "ids"], ["states"]),
        node("Unsqueeze", ["mask", "last"], ["wide"]),
        node("Mul", ["states", "wide"], ["kept"]),
        node("ReduceSum", ["kept", "one"], ["sum"], keepdims=0),
        node("ReduceSum", ["mask", "one"], ["count"], keepdims=1),
        node("Div", ["sum", "count"], ["embedding"]),
    ]
    places = [("ids", TensorProto.INT64, ["N", "T"]), ("mask", TensorProto.FLOAT, ["N", "T"])]
    written = {
        "image__onnx": model(image, inputs, given),
        "text__onnx": model(text, places, [weights("E", len(PIECES), WIDTH), *axes.values()]),
        "vocabulary__txt": "".join(f"{piece}\n" for piece in PIECES).encode(),
    }
    settings = {"encoder": encoder, "max_tokens": MAX_TOKENS, "scale": 20.0}
    write_part(folder, "embedded", settings | card, **written | (files or {}))
    return folder


def model(folder, seed=0):
    """The embedded model with such a matcher in place of its own."""
    shipped = open_bundle("embedded")
    matcher = embedded(folder.with_name(f"{folder.name}-matcher"), seed, space=shipped.part("captioner").card["space"])
    parts = {name: copy_part(open_folder(shipped.path / name)) for name in shipped.card["parts"] if name != "matcher"}
    return write_bundle(folder, {"name": "tiny"}, {**parts, "matcher": copy_part(open_folder(matcher))}).path


def count(text):
    """The pieces of a text of the embedded matcher."""
    return len(WordPieces(PIECES).ids(text))


def _text_config(size, **more):
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return {**shape, "vocab_size": size, "max_position_embeddings": 16, **more}


def clip(folder, kind="clip", seed=0):
    """A checkpoint of transformers: ``clip``, ``siglip``, ``siglip2``, ``altclip`` or ``chinese_clip``."""
    import torch
    import transformers

    import tiny_checkpoints as tiny

    if kind == "clip":
        vocabulary = {token: number for number, token in enumerate(["<|startoftext|>", "<|endoftext|>"])}
        for letter in "abcdefghijklmnopqrstuvwxyz.,!?":
            for token in (letter, f"{letter}</w>"):
                vocabulary[token] = len(vocabulary)
        vocabulary |= {"at</w>": len(vocabulary), "cat</w>": len(vocabulary) + 1}
        tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=[("a", "t</w>"), ("c", "at</w>")])
        text = _text_config(len(vocabulary) + 1, bos_token_id=0, eos_token_id=1, pad_token_id=1)
    elif kind == "siglip":
        tokenizer = tiny.t5_tokenizer()
        text = _text_config(len(tokenizer), bos_token_id=1, eos_token_id=1, pad_token_id=0)
    elif kind == "siglip2":
        special, single = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁"], "abcdefghijklmnopqrstuvwxyz"
        tokens = [*special, *single, *(f"<0x{byte:02X}>" for byte in range(256))]
        tokenizer = transformers.Siglip2Tokenizer({token: number for number, token in enumerate(tokens)}, [])
        text = _text_config(len(tokens), bos_token_id=2, eos_token_id=1, pad_token_id=0)
    elif kind == "altclip":
        tokenizer = tiny.bert_tokenizer()
        text = _text_config(len(tokenizer), pad_token_id=tokenizer.pad_token_id, project_dim=32)
    else:
        tokenizer = tiny.bert_tokenizer()
        text = _text_config(len(tokenizer))
    tokenizer.model_max_length = 1000
    classes = {
        "clip": ("CLIPConfig", "CLIPModel", "CLIPImageProcessor"),
        "siglip": ("SiglipConfig", "SiglipModel", "SiglipImageProcessor"),
        "siglip2": ("Siglip2Config", "Siglip2Model", "Siglip2ImageProcessor"),
        "altclip": ("AltCLIPConfig", "AltCLIPModel", "CLIPImageProcessor"),
        "chinese_clip": ("ChineseCLIPConfig", "ChineseCLIPModel", "ChineseCLIPImageProcessor"),
    }
    configuration, network, processor = (getattr(transformers, name) for name in classes[kind])
    vision = {**tiny.VISION, "num_patches": 16} if kind == "siglip2" else tiny.VISION
    config = configuration(text_config=text, vision_config=vision, projection_dim=24)
    size = {"height": tiny.SIDE, "width": tiny.SIDE}
    if kind == "siglip2":  # images keep their proportions, as patches
        images = processor(patch_size=8, max_num_patches=16)
    else:
        images = processor(size=size if kind == "siglip" else {"shortest_edge": tiny.SIDE}, crop_size=size)
    torch.manual_seed(seed)
    return tiny._saved(folder, tiny._random(network, config, seed), tokenizer, images)


def open_clip(folder, seed=0, *, context_length=12):
    """A folder of open_clip, with its own tokenizer; texts that differ are far apart."""
    import open_clip as library
    import torch
    from safetensors.torch import save_file

    config = {**OPEN_CLIP_CONFIG, "text_cfg": {**OPEN_CLIP_CONFIG["text_cfg"], "context_length": context_length}}
    torch.manual_seed(seed)
    network = library.CLIP(**config)
    torch.nn.init.normal_(network.token_embedding.weight)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: each.contiguous() for name, each in network.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}), "utf-8")
    return folder
