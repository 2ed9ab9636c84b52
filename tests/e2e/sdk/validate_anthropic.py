"""Checks golden files of the Anthropic dialect against the types of the official SDK.

    python validate_anthropic.py <tests/fixtures/anthropic or tests/fixtures/hosted>

What the client's side writes (whole messages and streams) must fit the SDK's models strictly, and
the SDK's own accumulator must read each stream; what the provider's side asks must fit the
parameters of `messages.create`. Prints one line per file and exits with 1 if any does not fit.
"""

import json
import sys
import typing
from pathlib import Path

import pydantic
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.lib.streaming._beta_messages import accumulate_event as accumulate_beta
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.message_create_params import (
    MessageCreateParamsNonStreaming,
    MessageCreateParamsStreaming,
)

message_type = pydantic.TypeAdapter(Message)
event_type = pydantic.TypeAdapter(RawMessageStreamEvent)
beta_message_type = pydantic.TypeAdapter(BetaMessage)
beta_event_type = pydantic.TypeAdapter(BetaRawMessageStreamEvent)


streaming_type = pydantic.TypeAdapter(MessageCreateParamsStreaming)
whole_type = pydantic.TypeAdapter(MessageCreateParamsNonStreaming)


# Tools of servers are not settled yet: only the types of the beta have them.
MCP = "mcp_tool_use"


def check_message(path: Path) -> None:
    known = beta_message_type if MCP in path.read_text() else message_type
    known.validate_json(path.read_bytes(), strict=True)


def check_stream(path: Path) -> None:
    snapshot, buffers, last = None, {}, None
    text = path.read_text()
    events, whole = (beta_event_type, beta_message_type) if MCP in text else (event_type, message_type)
    for frame in text.split("\n\n"):
        if not frame.strip():
            continue
        name, data = frame.split("\n", 1)
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}", f"{name} does not name its data"
        last = event["type"]
        if last == "error":
            assert event["error"]["type"] in {"api_error", "overloaded_error"}, event
            continue
        read = events.validate_python(event, strict=True)
        so_far = {"event": read, "current_snapshot": snapshot, "json_bufs": buffers}
        if MCP in text:
            snapshot = accumulate_beta(**so_far, request_headers={})
        else:
            snapshot = accumulate_event(**so_far)
    assert last in {"message_stop", "error"}, f"ends in {last}"
    if last == "message_stop":
        check = {k: v for k, v in snapshot.to_dict().items() if k != "parsed_output"}
        whole.validate_python(check)


def check_request(path: Path) -> None:
    golden = json.loads(path.read_text())
    body = golden.get("body") or golden["sent_back"]
    params = streaming_type if body.get("stream") else whole_type
    # Lists are validated when they are read. Members that no type has are dropped on the way.
    read = exhaust(params.validate_python(body))
    # The newest version of the API has no samplers, nor have its types; older versions take them.
    for sampler in ("temperature", "top_p", "top_k"):
        body.pop(sampler, None)
    assert read == body, f"has members that the types do not have: {read} is not {body}"


def exhaust(value: typing.Any) -> typing.Any:
    if isinstance(value, dict):
        return {key: exhaust(inner) for key, inner in value.items()}
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        return value
    return [exhaust(inner) for inner in value]


def main(folder: Path) -> int:
    checks = [
        ("*/message.expected.json", check_message),
        ("*/events.expected.txt", check_stream),
        ("*/request.expected.json", check_request),
    ]
    failed = count = 0
    for pattern, check in checks:
        for path in sorted(folder.glob(pattern)):
            count += 1
            try:
                check(path)
                print(f"ok      {path.parent.name}/{path.name}")
            except Exception as error:  # noqa: BLE001: every way not to fit is reported
                failed += 1
                print(f"FAILED  {path.parent.name}/{path.name}: {error}")
    assert count, "the golden files must be found"
    print(f"{count - failed} of {count} fit")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
