"""A captioner and a text encoder of random weights, saved as a hub's folders are."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

SIDE, LAYERS = 32, 4
LETTERS = [f"{mark}{letter}" for letter in "abcdefghijklmnopqrstuvwxyz" for mark in ("", "##")]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", *LETTERS]
OPTIONS = {
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    },
    "text_config": {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "bos_token_id": 5,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
    },
}


def save_captioner(folder: Path) -> str:
    """Save a captioner with its tokenizer; the folder is named as recipes name it."""
    from transformers import BlipConfig, BlipForConditionalGeneration

    torch.manual_seed(0)
    model = BlipForConditionalGeneration(BlipConfig(**OPTIONS))
    with torch.no_grad():  # what is drawn is too even to write different captions
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    model.save_pretrained(folder)
    _save_tokenizer(folder)
    return f"{folder}/"


def save_encoder(folder: Path) -> str:
    """Save a text encoder with its tokenizer."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    _save_tokenizer(folder)
    return f"{folder}/"


def write_record(file: Path) -> str:
    """Write the tiny captioner's backbone: blip_base with fewer, narrower layers."""
    layers = [f"vision_model.encoder.layers.{n}" for n in range(LAYERS)]
    stages = {"stem": ["vision_model.embeddings"]}
    stages |= {f"stage{n + 1}": [layer] for n, layer in enumerate(layers)}
    stages["stage4"].append("vision_model.post_layernorm")
    record = yaml.safe_load(BLIP.read_text()) | {
        "name": "tiny_blip",
        "size": SIDE,
        "options": OPTIONS,
        "stages": stages,
        "names": {},
        "tops": [[layer] for layer in reversed(layers)],
    }
    file.write_text(yaml.safe_dump(record))
    return str(file)


BLIP = Path(__file__).parent.parent / "src" / "evoca" / "backbones" / "blip_base.yaml"


def _save_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    BertTokenizer(vocab={token: n for n, token in enumerate(VOCABULARY)}).save_pretrained(folder)
