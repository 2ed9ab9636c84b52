"""Holds what the gateway asks Anthropic and Gemini against the types of their own SDKs.

Usage: golden.py FIXTURES. Reads every golden request below FIXTURES/anthropic and FIXTURES/gemini.
"""

import json
import pathlib
import sys

import anthropic.types.message_create_params as messages
from google.genai import types as google
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


# What the SDK no longer knows, since the newest API version refuses it; older ones take it.
SAMPLERS = {"temperature", "top_p", "top_k"}
NEWEST = "2026-10-21"


def check_anthropic(body, text):
    known = STREAMED if body.get("stream") else WHOLE
    known.validate_python(body)
    unknown = set(body) - set(messages.MessageCreateParamsBase.__annotations__) - {"stream"}
    unknown -= set() if NEWEST in text else SAMPLERS
    assert not unknown, f"members that the SDK does not know: {unknown}"


def check_gemini(body, _):
    for name, value in body.items():
        assert name in MEMBERS, f"a member that the SDK does not know: {name}"
        # What is sent is JSON: base64 and enums are text there.
        MEMBERS[name].validate_json(json.dumps(value))


def bodies(value):
    """The request within a golden file, which may hold its path and headers beside it."""
    if isinstance(value, dict) and isinstance(value.get("body"), dict):
        return value["body"]
    return value


def main(fixtures):
    failed = 0
    for dialect, check in [("anthropic", check_anthropic), ("gemini", check_gemini)]:
        for path in sorted((fixtures / dialect).glob("request*/*.expected.json")):
            text = path.read_text()
            body = bodies(json.loads(text))
            if not isinstance(body, dict) or not {"messages", "contents"} & set(body):
                continue
            name = path.relative_to(fixtures)
            try:
                check(body, text)
                print(f"ok {name}")
            except (ValidationError, AssertionError) as error:
                failed += 1
                print(f"FAILED {name}: {error}")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(pathlib.Path(sys.argv[1])) else 0)
