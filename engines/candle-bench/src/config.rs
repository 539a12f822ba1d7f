//! The model's shape in candle's terms.

use bench_protocol::Failure;
use bench_protocol::checkpoint::LlamaConfig;
use candle_transformers::models::llama::{Config, Llama3RopeConfig, Llama3RopeType};

/// Configuration of candle's Llama; refuses a head width that candle would compute differently.
pub fn candle_config(config: &LlamaConfig) -> Result<Config, Failure> {
    config.require_derived_head_width("candle's Llama")?;
    Ok(Config {
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        vocab_size: config.vocab_size,
        num_hidden_layers: config.num_hidden_layers,
        num_attention_heads: config.num_attention_heads,
        num_key_value_heads: config.num_key_value_heads,
        use_flash_attn: false,
        rms_norm_eps: config.rms_norm_eps,
        rope_theta: config.rope_theta,
        // Nothing in candle's forward pass reads these two; the spec names the ids that end.
        bos_token_id: None,
        eos_token_id: None,
        rope_scaling: config.rope_scaling.map(|scaling| Llama3RopeConfig {
            factor: scaling.factor,
            low_freq_factor: scaling.low_freq_factor,
            high_freq_factor: scaling.high_freq_factor,
            original_max_position_embeddings: scaling.original_max_position_embeddings,
            rope_type: Llama3RopeType::Llama3,
        }),
        max_position_embeddings: config.max_position_embeddings,
        tie_word_embeddings: config.tie_word_embeddings,
    })
}
