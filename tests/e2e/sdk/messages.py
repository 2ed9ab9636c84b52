"""What a program with Anthropic's official Python SDK gets from Penstock, whoever answers.

Usage: messages.py BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY. The upstreams behind it
play scenarios by the model's name (tests/e2e/tests/e2e/sdk/scenario.rs).
"""

import json
import os
import sys

import anthropic

from checking import (
    CALLS, CITY, EVERYBODY, QUESTION, RESULT, TEXT, TOOLS, UPSTREAMS, WEATHER, of_each, raises, run,
)

BASE_URL = sys.argv[1].removesuffix("/v1")
KEY = os.environ["OPENAI_API_KEY"]
client = anthropic.Anthropic(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=20)
create = client.messages.create
HELLO = [{"role": "user", "content": "Hello"}]
ASKED = [{"role": "user", "content": QUESTION}]
OFFERED = [
    {"name": name, "description": text, "input_schema": CITY} for name, text in TOOLS.items()
]


def words(message):
    return "".join(block.text for block in message.content if block.type == "text")


def whole(provider):
    message = create(model=f"{provider}/text", max_tokens=100, messages=HELLO)
    assert message.type == "message" and message.role == "assistant", message
    assert message.stop_reason == "end_turn" and message.id and message._request_id, message
    if provider == "mock":
        assert "Hello" in words(message), message
    else:
        assert words(message) == TEXT, message
        usage = message.usage
        cached = usage.cache_read_input_tokens or 0
        assert (usage.input_tokens + cached, usage.output_tokens) == (11, 7), usage


def streamed(provider):
    once = create(model=f"{provider}/text", max_tokens=100, messages=HELLO)
    with client.messages.stream(
        model=f"{provider}/text", max_tokens=100, messages=HELLO
    ) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(pieces) == words(message) == words(once), pieces
    assert len(pieces) > 2, pieces
    assert message.stop_reason == "end_turn", message
    assert message.usage.output_tokens == once.usage.output_tokens, message.usage


def raw_events(provider):
    events = create(model=f"{provider}/text", max_tokens=100, messages=HELLO, stream=True)
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds
    assert kinds.count("message_start") == 1 and kinds.count("message_delta") == 1, kinds
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") > 0, kinds


def check_calls(message):
    calls = [block for block in message.content if block.type == "tool_use"]
    assert [(call.name, call.input) for call in calls] == CALLS, message
    assert len({call.id for call in calls}) == 2, message
    assert message.stop_reason == "tool_use", message
    return calls


def answered(provider, message):
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
        for call in check_calls(message)
    ]
    turns = [*ASKED, {"role": "assistant", "content": message.content},
             {"role": "user", "content": results}]
    last = create(model=f"{provider}/tools", max_tokens=100, messages=turns, tools=OFFERED)
    assert last.stop_reason == "end_turn" and words(last), last


def tools(provider):
    model = f"{provider}/tools"
    answered(provider, create(model=model, max_tokens=100, messages=ASKED, tools=OFFERED))


def streamed_tools(provider):
    with client.messages.stream(
        model=f"{provider}/tools", max_tokens=100, messages=ASKED, tools=OFFERED
    ) as stream:
        message = stream.get_final_message()
    answered(provider, message)


def structured(provider):
    message = create(
        model=f"{provider}/json", max_tokens=100, messages=ASKED,
        output_config={"format": {"type": "json_schema", "schema": WEATHER}},
    )
    assert set(json.loads(words(message))) == {"city", "degrees"}, message


def picture(provider):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    source = {"type": "base64", "media_type": "image/png", "data": pixel}
    turn = {"role": "user", "content": [{"type": "image", "source": source},
                                        {"type": "text", "text": "Hello"}]}
    message = create(model=f"{provider}/picture", max_tokens=100, messages=[turn], system="Be brief.")
    assert words(message), message


def rate_limit(provider):
    error = raises(
        anthropic.RateLimitError,
        lambda: create(model=f"{provider}/limited", max_tokens=9, messages=HELLO),
    )
    assert error.status_code == 429 and error.request_id, error
    assert error.body["error"]["type"] == "rate_limit_error", error.body
    assert error.response.headers["retry-after"] == "1", error.response.headers


def death(provider):
    pieces = []

    def read():
        for event in create(
            model=f"{provider}/dying", max_tokens=100, messages=HELLO, stream=True
        ):
            if event.type == "content_block_delta":
                pieces.append(event.delta.text)

    error = raises(anthropic.APIStatusError, read)
    assert "".join(pieces) == "Good morning ", pieces
    assert error.body["type"] == "error" and error.body["error"]["message"], error.body


def wrong_key():
    stranger = client.with_options(api_key="pk-wrong")
    error = raises(
        anthropic.AuthenticationError,
        lambda: stranger.messages.create(model="mock/text", max_tokens=9, messages=HELLO),
    )
    assert error.body["error"]["type"] == "authentication_error", error.body


def unknown_model():
    error = raises(
        anthropic.NotFoundError, lambda: create(model="lisetd", max_tokens=9, messages=HELLO)
    )
    assert "listed" in error.body["error"]["message"], error.body


def bad_request():
    error = raises(
        anthropic.BadRequestError,
        lambda: create(model="openai/text", max_tokens=9, messages=[{"role": "user", "content": 7}]),
    )
    assert "messages[0].content" in error.body["error"]["message"], error.body


def models():
    listed = list(client.models.list())
    assert "listed" in [model.id for model in listed], listed
    model = client.models.retrieve("listed")
    assert (model.id, model.type) == ("listed", "model"), model


run([
    *of_each(EVERYBODY, whole, streamed, raw_events, tools, streamed_tools, structured, picture),
    *of_each(UPSTREAMS, rate_limit, death),
    *((check.__name__, check) for check in [wrong_key, unknown_model, bad_request, models]),
])
