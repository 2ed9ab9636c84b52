"""Whether what Penstock writes for clients of Responses is what the official SDK's types say.

Usage: responses_types.py FILE.... Files that end with .json hold a response, all others a stream.
Each is validated strictly, and each stream is also put together by `client.responses.stream()`.
Needs no gateway and no network. Prints a line per file; exit status 1 if one does not pass.
"""

import importlib
import json
import sys
import traceback

import openai
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

EVENTS = TypeAdapter(ResponseStreamEvent)


def http():
    """The HTTP library of this version of the SDK."""
    for name in ("httpx2", "httpx"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise SystemExit("neither httpx2 nor httpx is installed")


def events(stream):
    for frame in stream.split("\n\n"):
        lines = frame.split("\n")
        if not frame.startswith("event: "):
            continue
        event = json.loads(lines[1].removeprefix("data: "))
        assert lines[0] == f"event: {event['type']}", frame
        yield event


def check_events(stream):
    begun, ended = [], []
    for number, event in enumerate(events(stream)):
        assert event["sequence_number"] == number, event
        EVENTS.validate_python(event)
        if event["type"] == "response.output_item.added":
            begun.append(event["output_index"])
        if event["type"] == "response.output_item.done":
            ended.append(event["output_index"])
    assert begun == list(range(len(begun))), begun
    if event["type"] != "response.failed":
        assert sorted(ended) == begun, (begun, ended)
    return event


def put_together(stream):
    library = http()
    headers = {"content-type": "text/event-stream"}
    answer = lambda _: library.Response(200, headers=headers, content=stream.encode())
    transport = library.Client(transport=library.MockTransport(answer))
    client = openai.OpenAI(api_key="none", base_url="http://127.0.0.1:9/v1", http_client=transport)
    with client.responses.stream(model="m", input="x") as accumulated:
        for _ in accumulated:
            pass
        return accumulated.get_final_response()


def words(response):
    messages = [item for item in response["output"] if item["type"] == "message"]
    parts = [part for message in messages for part in message["content"]]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


def check(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        Response.model_validate_json(text)
        return
    last = check_events(text)
    if last["type"] == "response.completed":
        response = put_together(text)
        said = last["response"]
        assert response.output_text == words(said)
        assert [item.type for item in response.output] == [item["type"] for item in said["output"]]


failed = False
for path in sys.argv[1:]:
    try:
        check(path)
        print("ok", path)
    except Exception:
        failed = True
        print("not ok", path)
        traceback.print_exc()
sys.exit(failed or len(sys.argv) == 1)
