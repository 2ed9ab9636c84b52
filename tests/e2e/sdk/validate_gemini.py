"""Validates golden files of the Gemini dialect against the types of the google-genai package.

Usage: python validate_gemini.py <tests/fixtures/gemini or tests/fixtures/hosted>

Requests, answers and chunks are read by the SDK's own pydantic types, which refuse members that
they do not know. Streams also go through the SDK's own reader of lines, with the gateway's
heartbeat between the events. Exits with 1 if anything is refused.
"""

import json
import pathlib
import sys
import warnings

from google.genai import _api_client, errors, types

warnings.simplefilter("error")  # An enum's unknown word is only a warning otherwise.

HEARTBEAT = b"\r\n"
REQUEST = {
    "systemInstruction": types.Content,
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
}
REQUEST_LISTS = {"contents": types.Content, "tools": types.Tool}
# Members that the SDK sends but keeps in no type of its own.
UNTYPED = {"serviceTier", "store", "labels", "safetySettings"}


def request(body):
    for name, value in body.items():
        if name in REQUEST:
            REQUEST[name].model_validate(value)
        elif name in REQUEST_LISTS:
            for one in value:
                REQUEST_LISTS[name].model_validate(one)
        elif name not in UNTYPED:
            raise ValueError(f"unknown member {name}")


def answer(body):
    # The SDK's type has no place for the tier, though the API sends it.
    body.get("usageMetadata", {}).pop("serviceTier", None)
    types.GenerateContentResponse.model_validate(body)


def chunks(body):
    """The chunks that the SDK's own reader finds in an event stream."""
    raw = HEARTBEAT + body.replace(b"\r\n\r\n", b"\r\n\r\n" + HEARTBEAT)
    buffer, data = _api_client._RawJsonLineBuffer(), []
    for line in _api_client._iter_sse_lines(iter([raw])):
        if not line:
            if data:
                yield json.loads("\n".join(data))
                data = []
        elif line.startswith("data: "):
            data.append(line[len("data: ") :])
        else:
            chunk = buffer.add_line(line)
            if chunk is not None:
                yield json.loads(chunk)
    if data:
        yield json.loads("\n".join(data))


def chunk(body):
    if json.dumps(body).startswith('{"error":'):
        error = errors.APIError(body["error"]["code"], body)
        if not (error.message and error.status):
            raise ValueError("an error without message or status")
        return
    answer(body)
    candidates = body.get("candidates")
    if not candidates and "promptFeedback" not in body:
        raise ValueError("a chunk without a candidate: the SDK's chats forget the turn")


def main(root):
    checked, refused = 0, 0

    def check(path, reads, value):
        nonlocal checked, refused
        checked += 1
        try:
            reads(value)
        except Exception as problem:  # Whatever it is, it is a refusal.
            refused += 1
            print(f"{path}: {problem}", file=sys.stderr)

    for path in sorted(root.glob("*/request.returned.json")) + sorted(root.glob("*/request.expected.json")):
        check(path, request, json.loads(path.read_text())["body"])
    for path in sorted(root.glob("*/answer.expected.json")):
        check(path, answer, json.loads(path.read_text()))
    for path in sorted(root.glob("*/stream.expected.sse")):
        for one in chunks(path.read_bytes()):
            check(path, chunk, one)
    print(f"{checked} checked, {refused} refused")
    return 1 if refused or not checked else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
