"""The files of lm.rs, a model file (.lmrs, version 4) and tokenizer.bin, written from a Hugging Face Llama.

Written from a description of the formats; lm.rs's own exporter takes no part. limits says which Llamas lm.rs computes
rightly, tokenizer_bin writes the tokenizer, convert the model and both together.
"""
