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


# What lives in an account: one of the two providers of OpenAI's dialect has to be named.
files = openai.OpenAI(
    base_url=BASE_URL, max_retries=0, timeout=20, default_headers={"x-penstock-provider": "openai"}
)
SOUND = b"RIFF" + bytes(range(256)) * 1000


def moderation():
    answer = client.moderations.create(model="openai/omni", input="Hello")
    assert answer.results[0].flagged is False, answer


def completion():
    answer = client.completions.create(model="openai/text", prompt="Hello")
    assert answer.choices[0].text == "Good morning" and answer.usage.total_tokens == 7, answer


def streamed_completion():
    chunks = list(client.completions.create(model="openai/text", prompt="Hello", stream=True))
    assert [chunk.choices[0].text for chunk in chunks] == ["Good", " morning"], chunks


def image():
    answer = client.images.generate(model="openai/draw", prompt="a cat", response_format="b64_json")
    assert answer.data[0].b64_json == "AAAA", answer


def image_edit():
    answer = client.images.edit(model="openai/draw", prompt="a cat", image=("a.png", SOUND))
    assert answer.data[0].b64_json == "AAAA", answer


def transcription():
    """The SDK sends the model before the file, which is longer than what is read before it goes up."""
    answer = client.audio.transcriptions.create(model="openai/hear", file=("a.wav", SOUND))
    assert answer.text == f"hear, {len(SOUND)} bytes", answer


def plain_transcription():
    text = client.audio.transcriptions.create(
        model="openai/hear", file=("a.wav", b"RIFF"), response_format="text"
    )
    assert text == "Hello", text


def speech():
    answer = client.audio.speech.create(model="openai/say", voice="alloy", input="Hello")
    assert answer.read() == bytes(range(256)), answer
    with client.audio.speech.with_streaming_response.create(
        model="openai/say", voice="alloy", input="Hello"
    ) as answer:
        assert b"".join(answer.iter_bytes()) == bytes(range(256))
        assert answer.headers["content-type"] == "audio/mpeg", answer.headers


def file():
    made = files.files.create(file=("a.jsonl", SOUND), purpose="batch")
    assert (made.id, made.bytes) == ("file-1", len(SOUND)), made
    assert files.files.retrieve(made.id).id == made.id
    assert [one.id for one in files.files.list(purpose="batch")] == [made.id]
    assert files.files.content(made.id).read() == b'{"a":1}\n'
    assert files.files.delete(made.id).deleted is True


def batch():
    made = files.batches.create(
        input_file_id="file-1", endpoint="/v1/embeddings", completion_window="24h"
    )
    assert made.id == "batch-1", made
    assert files.batches.retrieve(made.id).status == "in_progress"
    assert files.batches.cancel(made.id).status == "cancelling"
    assert [one.id for one in files.batches.list(limit=1)] == [made.id]


def no_moderation():
    error = raises(
        openai.BadRequestError, lambda: client.moderations.create(model="anthropic/x", input="a")
    )
    assert "has no `/v1/moderations`" in error.body["message"], error.body
    error = raises(openai.BadRequestError, lambda: client.files.list())
    assert error.param == "x-penstock-provider", error


run([
    *of_each(COUNTING, count_anthropic, count_gemini, count_openai),
    *of_each(EMBEDDING, embed_openai, embed_gemini),
    *((check.__name__, check) for check in [
        no_embeddings, no_count, moderation, completion, streamed_completion, image, image_edit,
        transcription, plain_transcription, speech, file, batch, no_moderation,
    ]),
])
