"""What is taken for a secret and what is not: keys as they are handed out, beside names, paths, hashes and flags."""

from __future__ import annotations

import base64
import random
import string
import uuid
from typing import Any

import pytest

from benchmark_runner.configuration.secret_forms import secrets

LETTERS = string.ascii_letters
ALNUM = LETTERS + string.digits
URL_SAFE = ALNUM + "-_"
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"

# Prefix, letters and their number, of keys of the kind that each hands out.
KEYS = {
    "OpenAI": ("sk-", ALNUM, 48),
    "OpenAI, project": ("sk-proj-", URL_SAFE, 156),
    "OpenAI, service": ("sk-svcacct-", URL_SAFE, 120),
    "DeepSeek": ("sk-", HEX, 32),
    "Anthropic": ("sk-ant-api03-", URL_SAFE, 95),
    "OpenRouter": ("sk-or-v1-", HEX, 64),
    "Hugging Face": ("hf_", LETTERS, 34),
    "Hugging Face, of an organisation": ("api_org_", LETTERS, 34),
    "GitHub": ("ghp_", ALNUM, 36),
    "GitHub, of an app": ("ghs_", ALNUM, 36),
    "GitHub, fine-grained": ("github_pat_", ALNUM + "_", 82),
    "GitLab": ("glpat-", URL_SAFE, 20),
    "AWS": ("AKIA", UPPER, 16),
    "AWS, for a while": ("ASIA", UPPER, 16),
    "Google": ("AIza", URL_SAFE, 35),
    "NVIDIA": ("nvapi-", URL_SAFE, 64),
    "Groq": ("gsk_", ALNUM, 52),
    "xAI": ("xai-", ALNUM, 80),
    "Perplexity": ("pplx-", ALNUM, 48),
    "Replicate": ("r8_", ALNUM, 37),
    "Databricks": ("dapi", HEX, 32),
    "Slack": ("xoxb-", string.digits + "-" + LETTERS, 50),
    "Stripe": ("sk_live_", ALNUM, 24),
}


def found(content: Any) -> list[list[str | int]]:
    return [list(place) for place in secrets(content)]


@pytest.mark.parametrize("whose", KEYS)
def test_keys_are_found_wherever_they_stand(whose: str) -> None:
    prefix, letters, count = KEYS[whose]
    draw = random.Random(whose)
    for _ in range(500):
        key = prefix + "".join(draw.choices(letters, k=count))
        for text in (key, f"https://h/v1/{key}", f"user={key}, n=2", f"Bearer {key}", f'{{"user": "{key}"}}'):
            assert found({"a": [text]}) == [["a", 0]], text
        assert found({key: 1}) == [[]]


@pytest.mark.parametrize(
    "text",
    [
        f"sk-lf-{uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF)}",
        "sk-4Tq0Zr-wander",
        f"Basic {base64.b64encode(b'me:pass').decode()}",
        f"authorization: basic {base64.b64encode(b'user:a longer password').decode()}",
        "Bearer 4f6d12",
        "bearer abcdefghijklmnopqrstuvwx",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        "https://me:word@h/v1",
        "https://word@h/v1",
        "ssh://git:word@h/v1",
        "http://:word@h:8000",
        "http://h/v1?key=abc",
        "/v1/completions?n=1&api-key=abc",
        "/v1?access_token=abc",
        "--api-key=word",
        "--api-key word",
        "--hf_token word",
        "server --port 80 --admin-api-key=word",
        "HF_TOKEN=word server",
        "AWS_SECRET_ACCESS_KEY=word",
        "X-Api-Key: abcdef",
        "Cookie: session=abcdef",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_secrets_are_known_by_their_form_or_by_the_name_before_them(text: str) -> None:
    assert found({"a": text}) == [["a"]]


@pytest.mark.parametrize(
    "text",
    [
        "/models/sk-mistral-7b",
        "sk-bert-base-cased",
        "models/sk-SmolLM2Instruct135M.gguf",
        "sk-Llama-3.2-1B-Instruct-Q4_K_M",
        "sk-Qwen2.5-72B-w4a16g128",
        "sk-Llama4Scout17B16E",
        "lab/opus-mt-sk-en-finetuned-12b",
        "gerulata/slovakbert-sk-2023-01-15",
        "sk-",
        "sk-1234",
        "hf_transformers_llama",
        "hf_internaltestingtinyrandom",
        "hf_hub:timm/vit_base_patch16_224",
        "gho_st_in_the_machine",
        "xai-org/grok-1",
        "pplx-7b-online",
        "r8_quantised",
        "fw_bw_model",
        "nvapi-compatible",
        "ASIAN-languages-7b",
        "AKIAbase",
        "dapi",
        "12fd25f77366fa6b3b4b768ec3050bf629380bac",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "ollama/llama3:8b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        str(uuid.UUID(int=0x1234567890ABCDEF1234567890ABCDEF)),
        "Basic 101",
        "Basic chemistry",
        "Basic Mistral-7b-instruct",
        "Basic Python3",
        "Bearer of news",
        "Bearer a8",
        "http://127.0.0.1:8000/v1",
        "http://[::1]:8000/@me/model",
        "http://h/v1?user=a@b",
        "ssh://git@github.com/a/b",
        "--tokenizer=/models/m",
        "--tokenizer-mode auto",
        "--hf-tokenizer /models/m",
        "--stop-token </s>",
        "--api-key-file /run/key",
        "--api-key={key}",
        "--token true",
        "--ssl-keyfile=/etc/tls/key.pem",
        "--enable-prefix-caching --no-auth",
        "PREFIX_CACHING=0",
        "TOKENIZERS_PARALLELISM=false",
        "Password:",
        "Question: what is a token?",
        "Secret: ",
    ],
)
def test_names_paths_hashes_and_flags_are_no_secrets(text: str) -> None:
    assert found({"a": [text], text: 1}) == []


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (["--port", "80", "--api-key", "word"], [[3]]),
        (["--api-key", "--port", "80"], []),
        (["--hf-token", "{token}", "--password", "word"], [[3]]),
        (["--key", 3, "--token", "7"], []),
        ({"bypass_weights": "auto", "compass_width": "wide"}, []),
        ({"api_key_file": "/run/key", "token_path": "/t", "password_env": "PW"}, []),
        (
            {"passwort": "word", "db_passwd": "word", "password_hash": "word"},
            [["passwort"], ["db_passwd"], ["password_hash"]],
        ),
        ({"hf_tokenizer": "m", "auth_tokenizer": "m", "add_bos_token": "x"}, []),
        ({"auth": True, "token": 5, "key": ""}, []),
    ],
)
def test_names_tell_of_their_values(content: Any, places: list[Any]) -> None:
    assert found(content) == places
