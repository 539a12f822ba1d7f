"""Runs in the engine's environment: the package's own specification, filled with a Llama's tensors, saves model.bin.

Arguments: a .npz of the tensors by their Hugging Face names, config.json, the folder to write.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from ctranslate2.specs import common_spec, transformer_spec


def main(tensors_file: str, config_file: str, out: str) -> None:
    tensors = np.load(tensors_file)
    config = json.loads(Path(config_file).read_text(encoding="utf-8"))
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    specification = transformer_spec.TransformerDecoderModelSpec.from_config(
        config["num_hidden_layers"],
        heads,
        activation=common_spec.Activation.SWISH,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
        rotary_base=config["rope_theta"],
        num_heads_kv=kv_heads if kv_heads != heads else None,
    )
    decoder = specification.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = tensors["model.embed_tokens.weight"]
    decoder.layer_norm.gamma = tensors["model.norm.weight"]
    decoder.projection.weight = tensors.get("lm_head.weight", decoder.embeddings.weight)
    for index, layer in enumerate(decoder.layer):

        def of(name: str, index: int = index) -> np.ndarray:
            return tensors[f"model.layers.{index}.{name}.weight"]

        layer.self_attention.layer_norm.gamma = of("input_layernorm")
        layer.self_attention.linear[0].weight = np.concatenate([of(f"self_attn.{name}_proj") for name in "qkv"])
        layer.self_attention.linear[1].weight = of("self_attn.o_proj")
        layer.ffn.layer_norm.gamma = of("post_attention_layernorm")
        layer.ffn.linear_0.weight = of("mlp.gate_proj")
        layer.ffn.linear_0_noact.weight = of("mlp.up_proj")
        layer.ffn.linear_1.weight = of("mlp.down_proj")
    specification.register_vocabulary([str(token_id) for token_id in range(config["vocab_size"])])
    specification.validate()
    specification.optimize()
    specification.save(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
