"""Holds what the gateway asks Anthropic, Gemini and OpenAI against the types of their own SDKs.

Usage: golden.py FIXTURES. Reads every golden request below FIXTURES/anthropic and FIXTURES/gemini,
and what becomes of every wish below FIXTURES/translation.
"""

import json
import pathlib
import sys

import anthropic.types.beta.message_create_params as beta
import anthropic.types.message_create_params as messages
from google.genai import types as google
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

MEMBERS = {
    "contents": TypeAdapter(list[google.Content]),
    "systemInstruction": TypeAdapter(google.Content),
    "tools": TypeAdapter(list[google.Tool]),
    "toolConfig": TypeAdapter(google.ToolConfig),
    "generationConfig": TypeAdapter(google.GenerationConfig),
    "safetySettings": TypeAdapter(list[google.SafetySetting]),
    "cachedContent": TypeAdapter(str),
}
WHOLE = TypeAdapter(messages.MessageCreateParamsNonStreaming)
STREAMED = TypeAdapter(messages.MessageCreateParamsStreaming)
# Servers of tools are not settled yet.
BETA = TypeAdapter(beta.MessageCreateParamsNonStreaming)
CHAT = TypeAdapter(CompletionCreateParamsNonStreaming)
RESPONSES = TypeAdapter(ResponseCreateParamsNonStreaming)


# What the SDK no longer knows, since the newest API version refuses it; older ones take it.
SAMPLERS = {"temperature", "top_p", "top_k"}
NEWEST = "2026-10-21"


def check_anthropic(body, text):
    if "mcp_servers" in body:
        exhaust(BETA.validate_python(body))
        return
    known = STREAMED if body.get("stream") else WHOLE
    exhaust(known.validate_python(body))
    unknown = set(body) - set(messages.MessageCreateParamsBase.__annotations__) - {"stream"}
    unknown -= set() if NEWEST in text else SAMPLERS
    assert not unknown, f"members that the SDK does not know: {unknown}"


def check_gemini(body, _):
    for name, value in body.items():
        assert name in MEMBERS, f"a member that the SDK does not know: {name}"
        # What is sent is JSON: base64 and enums are text there.
        MEMBERS[name].validate_json(json.dumps(value))


def check_chat(body, _):
    exhaust(CHAT.validate_python({**body, "stream": False}))


def check_responses(body, _):
    exhaust(RESPONSES.validate_python({**body, "stream": False}))


def exhaust(value):
    """Lists are validated when they are read."""
    if isinstance(value, dict):
        for inner in value.values():
            exhaust(inner)
    elif not isinstance(value, (str, bytes)) and hasattr(value, "__iter__"):
        for inner in value:
            exhaust(inner)


# What servers take and the types do not have: the tier of Gemini; films, and pictures in the results
# of tools, in chat completions; sound in Responses.
BEYOND = {
    ("anthropic/34-service-tier.json", "gemini"),
    ("openai/38-service-tier.json", "gemini"),
    ("responses/36-service-tier.json", "gemini"),
    ("anthropic/13-tool-result-image.json", "openai"),
    ("responses/10-function-output-image.json", "openai"),
    ("gemini/05-inline-video.json", "openai"),
    ("gemini/04-inline-audio.json", "responses"),
    ("openai/11-content-audio.json", "responses"),
}

CHECKS = {
    "anthropic": check_anthropic,
    "gemini": check_gemini,
    "openai": check_chat,
    "responses": check_responses,
}


def bodies(value):
    """The request within a golden file, which may hold its path and headers beside it."""
    if isinstance(value, dict) and isinstance(value.get("body"), dict):
        return value["body"]
    return value


def requests(fixtures):
    """Every golden request: its name, its dialect, its body and the text it is in."""
    for dialect in ["anthropic", "gemini"]:
        for path in sorted((fixtures / dialect).glob("request*/*.expected.json")):
            text = path.read_text()
            body = bodies(json.loads(text))
            if isinstance(body, dict) and {"messages", "contents"} & set(body):
                yield path.relative_to(fixtures), dialect, body, text
    for path in sorted((fixtures / "translation").glob("*/*.json")):
        text = path.read_text()
        name = str(path.relative_to(fixtures / "translation"))
        for dialect, outcome in json.loads(text).items():
            if dialect in CHECKS and "body" in outcome and (name, dialect) not in BEYOND:
                yield f"{path.relative_to(fixtures)} at {dialect}", dialect, outcome["body"], text


def main(fixtures):
    failed = 0
    for name, dialect, body, text in requests(fixtures):
        try:
            CHECKS[dialect](body, text)
            print(f"ok {name}")
        except (ValidationError, AssertionError) as error:
            failed += 1
            print(f"FAILED {name}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(pathlib.Path(sys.argv[1])) else 0)
