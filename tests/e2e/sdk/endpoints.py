"""What programs with the official Python SDKs get of the endpoints beside the conversation.

Usage: endpoints.py BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY. Behind it are the mock
and a provider of each dialect, which answer as tests/e2e/tests/e2e/endpoints_sdk.rs says.
"""

import os
import sys

import anthropic
import openai
from google import genai
from google.genai import errors, types

from checking import of_each, raises, run

BASE_URL = sys.argv[1]
KEY = os.environ["OPENAI_API_KEY"]
ROOT = BASE_URL.removesuffix("/v1")
client = openai.OpenAI(base_url=BASE_URL, max_retries=0, timeout=20)
claude = anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0, timeout=20)
google = genai.Client(
    api_key=KEY, http_options=types.HttpOptions(base_url=ROOT, timeout=20_000)
)
HELLO = [{"role": "user", "content": "Hello"}]
COUNTING = ["mock", "openai", "anthropic", "gemini"]
EMBEDDING = ["mock", "openai", "gemini"]


def is_counted(provider, tokens):
    assert tokens == (1 if provider == "mock" else 31), tokens


def count_anthropic(provider):
    count = claude.messages.count_tokens(model=f"{provider}/text", messages=HELLO)
    is_counted(provider, count.input_tokens)


def count_gemini(provider):
    count = google.models.count_tokens(model=f"{provider}/text", contents="Hello")
    is_counted(provider, count.total_tokens)


def count_openai(provider):
    count = client.responses.input_tokens.count(model=f"{provider}/text", input="Hello")
    assert count.object == "response.input_tokens", count
    is_counted(provider, count.input_tokens)


def embed_openai(provider):
    """The SDK asks for base64 unless told otherwise."""
    texts = ["Good morning", "Good night"]
    answer = client.embeddings.create(model=f"{provider}/e", input=texts, dimensions=4)
    plain = client.embeddings.create(
        model=f"{provider}/e", input=texts, dimensions=4, encoding_format="float"
    )
    for both in zip(answer.data, plain.data, strict=True):
        assert [len(one.embedding) for one in both] == [4, 4], both
        assert all(abs(a - b) < 1e-6 for a, b in zip(both[0].embedding, both[1].embedding)), both
    assert [one.index for one in answer.data] == [0, 1], answer
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0, answer


def embed_gemini(provider):
    config = types.EmbedContentConfig(output_dimensionality=4)
    answer = google.models.embed_content(
        model=f"{provider}/e", contents=["Good morning", "Good night"], config=config
    )
    assert [len(one.values) for one in answer.embeddings] == [4, 4], answer


def no_embeddings():
    error = raises(
        openai.BadRequestError, lambda: client.embeddings.create(model="anthropic/e", input="a")
    )
    assert (error.code, error.param) == ("unsupported_value", "model"), error
    error = raises(
        errors.ClientError, lambda: google.models.embed_content(model="anthropic/e", contents="a")
    )
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT"), error


def no_count():
    error = raises(
        anthropic.BadRequestError,
        lambda: claude.messages.count_tokens(model="imitator/text", messages=HELLO),
    )
    assert "counts no tokens" in error.body["error"]["message"], error.body


run([
    *of_each(COUNTING, count_anthropic, count_gemini, count_openai),
    *of_each(EMBEDDING, embed_openai, embed_gemini),
    *((check.__name__, check) for check in [no_embeddings, no_count]),
])
