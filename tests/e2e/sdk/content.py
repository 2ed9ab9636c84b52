"""What a program with Google's official Python SDK gets from Penstock, whoever answers.

Usage: content.py BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY. The upstreams behind it
play scenarios by the model's name (tests/e2e/tests/e2e/sdk/scenario.rs).
"""

import base64
import json
import os
import sys

import httpx
from google import genai
from google.genai import errors, types

from checking import (
    CALLS, CITY, EVERYBODY, QUESTION, RESULT, TEXT, TOOLS, UPSTREAMS, WEATHER, of_each, raises, run,
)

BASE_URL = sys.argv[1].removesuffix("/v1")


def connect(**options):
    http = types.HttpOptions(base_url=BASE_URL, timeout=20_000, **options)
    return genai.Client(api_key=os.environ["OPENAI_API_KEY"], http_options=http)


client = connect()
BETA = connect(api_version="v1beta")
generate = client.models.generate_content
OFFERED = types.Tool(function_declarations=[
    types.FunctionDeclaration(name=name, description=text, parameters_json_schema=CITY)
    for name, text in TOOLS.items()
])
WITH_TOOLS = types.GenerateContentConfig(
    tools=[OFFERED],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


def whole(provider):
    answer = generate(model=f"{provider}/text", contents="Hello")
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP, answer
    if provider == "mock":
        assert "Hello" in answer.text, answer
    else:
        assert answer.text == TEXT, answer
        usage = answer.usage_metadata
        output = usage.candidates_token_count + (usage.thoughts_token_count or 0)
        assert (usage.prompt_token_count, output) == (11, 7), usage


def beta(provider):
    """The version before: the SDK's default was another one."""
    answer = BETA.models.generate_content(model=f"{provider}/text", contents="Hello")
    assert answer.text, answer


def streamed(provider):
    once = generate(model=f"{provider}/text", contents="Hello")
    chunks = list(client.models.generate_content_stream(model=f"{provider}/text", contents="Hello"))
    pieces = [chunk.text for chunk in chunks if chunk.text]
    assert "".join(pieces) == once.text and len(pieces) > 2, pieces
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP, chunks[-1]
    total = once.usage_metadata.total_token_count
    assert chunks[-1].usage_metadata.total_token_count == total, chunks[-1]


def check_calls(calls):
    assert [(call.name, call.args) for call in calls] == CALLS, calls
    return calls


def answered(provider, content, calls):
    results = [
        types.Part(function_response=types.FunctionResponse(
            id=call.id, name=call.name, response={"result": RESULT}
        ))
        for call in check_calls(calls)
    ]
    turns = [types.Content(role="user", parts=[types.Part(text=QUESTION)]), content,
             types.Content(role="user", parts=results)]
    last = generate(model=f"{provider}/tools", contents=turns, config=WITH_TOOLS)
    assert last.text and not last.function_calls, last


def tools(provider):
    answer = generate(model=f"{provider}/tools", contents=QUESTION, config=WITH_TOOLS)
    answered(provider, answer.candidates[0].content, answer.function_calls)


def streamed_tools(provider):
    parts = []
    for chunk in client.models.generate_content_stream(
        model=f"{provider}/tools", contents=QUESTION, config=WITH_TOOLS
    ):
        content = chunk.candidates[0].content if chunk.candidates else None
        parts.extend((content and content.parts) or [])
    calls = [part.function_call for part in parts if part.function_call]
    answered(provider, types.Content(role="model", parts=parts), calls)


def structured(provider):
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=WEATHER
    )
    answer = generate(model=f"{provider}/json", contents=QUESTION, config=config)
    assert set(json.loads(answer.text)) == {"city", "degrees"}, answer


def picture(provider):
    pixel = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    parts = [types.Part.from_bytes(data=pixel, mime_type="image/png"), types.Part(text="Hello")]
    config = types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=100)
    assert generate(model=f"{provider}/picture", contents=parts, config=config).text


def rate_limit(provider):
    error = raises(errors.ClientError, lambda: generate(model=f"{provider}/limited", contents="Hi"))
    assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED"), error


def death(provider):
    pieces = []

    def read():
        for chunk in client.models.generate_content_stream(
            model=f"{provider}/dying", contents="Hello"
        ):
            pieces.append(chunk.text or "")

    error = raises(errors.APIError, read)
    assert "".join(pieces) == "Good morning ", pieces
    assert error.code >= 500 and error.message, error


def unknown_model():
    error = raises(errors.ClientError, lambda: generate(model="lisetd", contents="Hello"))
    assert error.code == 404 and "listed" in error.message, error


def bad_request():
    config = {"temperature": 0.5, "max_output_tokens": 5, "stop_sequences": ["x"]}
    assert generate(model="openai/text", contents="Hello", config=config).text
    url = f"{BASE_URL}/v1beta/models/anthropic/text:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": 7}]}]}
    key = {"x-goog-api-key": os.environ["OPENAI_API_KEY"]}
    error = httpx.post(url, json=body, headers=key).json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT"), error
    assert "contents[0].parts[0]" in error["message"], error


def models():
    listed = list(client.models.list())
    assert "models/listed" in [model.name for model in listed], listed
    assert client.models.get(model="listed").name == "models/listed"


run([
    *of_each(EVERYBODY, whole, beta, streamed, tools, streamed_tools, structured, picture),
    *of_each(UPSTREAMS, rate_limit, death),
    *((check.__name__, check) for check in [unknown_model, bad_request, models]),
])
