"""Checkpoints of the published classes, with random weights and a handful of words, saved as published ones are.

Their logits are spread out, so that hypotheses differ and many sentences end before they must.
"""

from __future__ import annotations

import contextlib
import io
import json

import torch
import transformers

from imagist.captioning.vocabulary import symbols

CAPTIONERS = ("blip", "git", "blip2-opt", "blip2-t5")
CHATS = ("idefics3", "llava", "paligemma", "qwen2_vl")
WORDS = [
    "a",
    "picture",
    "of",
    "dog",
    "cat",
    "man",
    "woman",
    "child",
    "ball",
    "street",
    "grass",
    "water",
    "runs",
    "sits",
]
WORDS += ["holds", "rides", "jumps", "on", "in", "with", "the", "red", "blue", "green", "small", "two", "three"]
PIECES = ["##s", "##ing", "##ed", ".", ","]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIDE = 32
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SMALL, "image_size": SIDE, "patch_size": 8}


def bert_tokenizer():
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *WORDS, *PIECES])}
    return transformers.BertTokenizer(vocab=vocabulary)


def opt_tokenizer():
    """Letters, words with the space (Ġ) before them, and the newline (Ċ) that ends a caption."""
    letters = sorted({letter for word in WORDS for letter in word})
    vocabulary = {token: i for i, token in enumerate(["Ġ", "<pad>", "</s>", "Ċ", *letters])}
    merges = []
    for word in (f"Ġ{word}" for word in WORDS):
        for end in range(2, len(word) + 1):
            if word[:end] not in vocabulary:
                vocabulary[word[:end]] = len(vocabulary)
                merges.append((word[: end - 1], word[end - 1]))
    return transformers.GPT2Tokenizer(
        vocab=vocabulary, merges=merges, bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="<pad>"
    )


def t5_tokenizer():
    pieces = [(f"▁{word}", -2.0) for word in WORDS] + [("s", -3.0), ("ing", -3.0), (".", -3.0)]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return transformers.T5Tokenizer(vocab=[*special, *pieces], extra_ids=0)


def blip(folder, seed=0):
    tokenizer = bert_tokenizer()
    text = {
        **SMALL,
        "vocab_size": len(tokenizer) + 2,  # as published: two words more than the tokenizer knows
        "encoder_hidden_size": 32,
        "max_position_embeddings": 64,
        "bos_token_id": len(tokenizer),
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": 0,
    }
    config = transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=16)
    model = _random(transformers.BlipForConditionalGeneration, config, seed)
    model.text_decoder.cls.predictions.bias.data[tokenizer.sep_token_id] += 1.5
    images = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return _saved(folder, model, tokenizer, images)


def git(folder, seed=0):
    tokenizer = bert_tokenizer()
    config = transformers.GitConfig(
        vision_config=VISION,
        **SMALL,
        vocab_size=len(tokenizer),
        max_position_embeddings=64,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        pad_token_id=0,
    )
    model = _random(transformers.GitForCausalLM, config, seed)
    model.output.bias.data[tokenizer.sep_token_id] += 1.5
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, do_convert_rgb=True
    )
    return _saved(folder, model, tokenizer, images)


def blip2(folder, language, seed=0):
    """``language``: ``opt`` or ``t5``."""
    tokenizer = {"opt": opt_tokenizer, "t5": t5_tokenizer}[language]()
    size = len(tokenizer) + 1  # the last one stands for the image
    if language == "opt":
        text = transformers.OPTConfig(
            vocab_size=size,
            hidden_size=32,
            ffn_dim=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=80,
            word_embed_proj_dim=32,
            bos_token_id=2,
            pad_token_id=1,
            eos_token_id=tokenizer.convert_tokens_to_ids("Ċ"),
        )
    else:
        text = transformers.T5Config(
            vocab_size=size,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            bos_token_id=1,
            eos_token_id=1,
            pad_token_id=0,
            decoder_start_token_id=0,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    config = transformers.Blip2Config(
        vision_config=VISION,
        qformer_config={**SMALL, "encoder_hidden_size": 32, "cross_attention_frequency": 1, "vocab_size": 10},
        text_config=text.to_dict(),
        num_query_tokens=5,
        image_token_index=size - 1,
    )
    model = _random(transformers.Blip2ForConditionalGeneration, config, seed)
    torch.nn.init.normal_(model.query_tokens)
    model.language_model.lm_head.weight.data[text.eos_token_id] *= 2
    images = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    return _saved(folder, model, tokenizer, images)


CHAT_TEMPLATE = (
    "{% for turn in messages %}user {% for part in turn.content %}{% if part.type == 'image' %}<image>"
    "{% else %} {{ part.text }}{% endif %}{% endfor %}<turn>{% endfor %}{% if add_generation_prompt %} the{% endif %}"
)


def chat_tokenizer(*special, image="<image>"):
    """Words, the token that stands for an image, further special ones, and the one that ends a turn."""
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *WORDS, *PIECES, "user", image, *special, "<turn>"])}
    return transformers.BertTokenizer(
        vocab=vocabulary,
        model_input_names=["input_ids", "attention_mask"],
        eos_token="<turn>",
        extra_special_tokens=[image, *special],
    )


def _llama(tokenizer, **more):
    """Settings of a small language model."""
    return {
        **SMALL,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "vocab_size": len(tokenizer) + 2,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }


def _chat(folder, network, config, processor, seed):
    model = _random(network, config, seed)
    model.generation_config.update(
        eos_token_id=processor.tokenizer.eos_token_id, pad_token_id=processor.tokenizer.pad_token_id
    )
    return _saved(folder, model, processor)


def idefics3(folder, seed=0):
    """The class of the first SmolVLM: large images are split, so their numbers of tokens differ."""
    rows = [f"<row_{row}_col_{column}>" for row in (1, 2, 3, 4) for column in (1, 2, 3, 4)]
    tokenizer = chat_tokenizer("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *rows)
    config = transformers.Idefics3Config(
        vision_config=VISION,
        text_config={"model_type": "llama", **_llama(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    images = transformers.Idefics3ImageProcessor(
        size={"longest_edge": 2 * SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=True
    )
    processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=CHAT_TEMPLATE)
    return _chat(folder, transformers.Idefics3ForConditionalGeneration, config, processor, seed)


def llava(folder, seed=0):
    tokenizer = chat_tokenizer()
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config={"model_type": "llama", **_llama(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
    )
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, do_convert_rgb=True
    )
    processor = transformers.LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    return _chat(folder, transformers.LlavaForConditionalGeneration, config, processor, seed)


def paligemma(folder, seed=0):
    """Has no chat template."""
    tokenizer = chat_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "[CLS]"})
    images = transformers.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
    images.image_seq_length = (SIDE // 8) ** 2
    processor = transformers.PaliGemmaProcessor(images, tokenizer)
    config = transformers.PaliGemmaConfig(
        vision_config={"model_type": "siglip_vision_model", **VISION, "vision_use_head": False},
        text_config={"model_type": "gemma", **_llama(processor.tokenizer, head_dim=8)},
        image_token_index=processor.image_token_id,
        projection_dim=32,
    )
    return _chat(folder, transformers.PaliGemmaForConditionalGeneration, config, processor, seed)


def qwen2_vl(folder, seed=0):
    """Images keep their shape, so their numbers of tokens differ."""
    vision = {"embed_dim": 32, "hidden_size": 32, "num_heads": 4}
    return _qwen(folder, "Qwen2VL", vision, seed)


def qwen2_5_vl(folder, seed=0):
    """The same with attention within windows of an image."""
    vision = {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 48, "num_heads": 4, "window_size": 32}
    return _qwen(folder, "Qwen2_5_VL", {**vision, "fullatt_block_indexes": [1]}, seed)


def _qwen(folder, family, vision, seed):
    names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    names |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
    tokenizer = chat_tokenizer(*[*names.values()][1:], image=names["image"])
    config = getattr(transformers, f"{family}Config")(
        text_config=_llama(
            tokenizer, rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
        ),
        vision_config={"depth": 2, "patch_size": 8, **vision},
        **{f"{name}_token_id": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()},
    )
    sizes = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    images = transformers.Qwen2VLImageProcessor(patch_size=8, size=sizes)
    videos = transformers.Qwen2VLVideoProcessor(patch_size=8, size=sizes)
    template = CHAT_TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    made = getattr(transformers, f"{family}Processor")(images, tokenizer, videos, chat_template=template)
    return _chat(folder, getattr(transformers, f"{family}ForConditionalGeneration"), config, made, seed)


def marian(folder, seed=0):
    """A translator with random weights, which writes a different sentence for each one."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    lines = [" ".join(WORDS[i:] + WORDS[:i]) for i in range(len(WORDS))]
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=made, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    for side in ("source", "target"):
        (folder / f"{side}.spm").write_bytes(made.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    known = [pieces.id_to_piece(i) for i in range(pieces.get_piece_size())]
    vocabulary = ["</s>", "<unk>", *(piece for piece in known if piece not in {"<s>", "</s>", "<unk>"}), "<pad>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(vocabulary)}), "utf-8")
    tokenizer = transformers.MarianTokenizer(
        source_spm=str(folder / "source.spm"), target_spm=str(folder / "target.spm"), vocab=str(folder / "vocab.json")
    )
    pad = len(vocabulary) - 1
    config = transformers.MarianConfig(
        vocab_size=len(vocabulary),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=64,
        pad_token_id=pad,
        eos_token_id=0,
        decoder_start_token_id=pad,
    )
    model = _random(transformers.MarianMTModel, config, seed)
    model.generation_config.update(
        num_beams=3, max_length=24, bad_words_ids=[[pad]], forced_eos_token_id=0, no_repeat_ngram_size=2
    )
    return _saved(folder, model, tokenizer)


def bert(folder, seed=0):
    """A sentence encoder of one small layer, which reads words and single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = dict.fromkeys([*SPECIAL, *WORDS, *PIECES, *letters, *(f"##{letter}" for letter in letters)])
    config = transformers.BertConfig(
        vocab_size=len(pieces), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    tokenizer = transformers.BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})
    return _saved(folder, _random(transformers.BertModel, config, seed), tokenizer)


def gpt2(folder, seed=0):
    """Places for 48 tokens, over words behind a space and single bytes."""
    words = [f"Ġ{word}" for word in (*WORDS, "square", "shows", "one", "that", "is")]
    vocabulary = {token: i for i, token in enumerate(symbols().values())}
    merges = []
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in vocabulary:
                vocabulary[word[:end]] = len(vocabulary)
                merges.append((word[: end - 1], word[end - 1]))
    vocabulary["<|endoftext|>"] = last = len(vocabulary)
    config = transformers.GPT2Config(
        vocab_size=last + 1, n_positions=48, n_embd=32, n_layer=2, n_head=2, bos_token_id=last, eos_token_id=last
    )
    tokenizer = transformers.GPT2Tokenizer(vocab=vocabulary, merges=merges)
    return _saved(folder, _random(transformers.GPT2LMHeadModel, config, seed), tokenizer)


def _random(network, config, seed):
    torch.manual_seed(seed)
    model = network(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.25)
    return model


def _saved(folder, model, *parts):
    with contextlib.redirect_stderr(io.StringIO()):  # progress bars
        for part in (model, *parts):
            part.save_pretrained(folder)
    return folder
