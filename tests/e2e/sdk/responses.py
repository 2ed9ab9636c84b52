"""What a program that uses Responses of OpenAI's official Python SDK gets from Penstock, whoever answers.

Usage: responses.py BASE_URL, with the key in OPENAI_API_KEY. The upstreams behind it play scenarios by
the model's name (tests/e2e/tests/e2e/sdk/scenario.rs).
"""

import json
import sys

import openai

from checking import (
    CALLS, CITY, EVERYBODY, QUESTION, RESULT, TEXT, TOOLS, UPSTREAMS, WEATHER, of_each, raises, run,
)

client = openai.OpenAI(base_url=sys.argv[1], max_retries=0, timeout=20)
create = client.responses.create
OFFERED = [
    {"type": "function", "name": name, "description": text, "parameters": CITY, "strict": False}
    for name, text in TOOLS.items()
]
FORM = {"format": {"type": "json_schema", "name": "weather", "schema": WEATHER, "strict": True}}


def whole(provider):
    response = create(model=f"{provider}/text", input="Hello", store=False)
    assert response.status == "completed" and response.id and response._request_id, response
    if provider == "mock":
        assert "Hello" in response.output_text, response
    else:
        assert response.output_text == TEXT, response
        usage = response.usage
        assert (usage.input_tokens, usage.output_tokens) == (11, 7), usage
        assert usage.input_tokens_details.cached_tokens == 3, usage


def streamed(provider):
    once = create(model=f"{provider}/text", input="Hello")
    with client.responses.stream(model=f"{provider}/text", input="Hello") as stream:
        events = list(stream)
        last = stream.get_final_response()
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == last.output_text == once.output_text, pieces
    assert len(pieces) > 2, pieces
    assert events[0].type == "response.created" and events[-1].type == "response.completed", events
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)), numbers
    assert last.usage.total_tokens == once.usage.total_tokens, last.usage


def check_calls(response):
    calls = [item for item in response.output if item.type == "function_call"]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == CALLS, response
    assert len({call.call_id for call in calls}) == 2, response
    return calls


def answered(provider, response):
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
        for call in check_calls(response)
    ]
    turns = [{"role": "user", "content": QUESTION}, *response.output, *results]
    last = create(model=f"{provider}/tools", input=turns, tools=OFFERED)
    assert last.status == "completed" and last.output_text, last


def tools(provider):
    answered(provider, create(model=f"{provider}/tools", input=QUESTION, tools=OFFERED))


def streamed_tools(provider):
    with client.responses.stream(
        model=f"{provider}/tools", input=QUESTION, tools=OFFERED
    ) as stream:
        for _ in stream:
            pass
        answered(provider, stream.get_final_response())


def structured(provider):
    response = create(model=f"{provider}/json", input=QUESTION, text=FORM)
    assert set(json.loads(response.output_text)) == {"city", "degrees"}, response


def picture(provider):
    pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [{"type": "input_image", "image_url": pixel, "detail": "auto"},
               {"type": "input_text", "text": "Hello"}]
    response = create(
        model=f"{provider}/picture", input=[{"role": "user", "content": content}], instructions="Be brief."
    )
    assert response.output_text, response
    # The upstream that speaks Responses itself does not say what it was told.
    assert provider == "responses" or response.instructions == "Be brief.", response


def rate_limit(provider):
    error = raises(
        openai.RateLimitError, lambda: create(model=f"{provider}/limited", input="Hello")
    )
    assert error.status_code == 429 and error.request_id, error
    assert error.response.headers["retry-after"] == "1", error.response.headers


def death(provider):
    events = list(create(model=f"{provider}/dying", input="Hello", stream=True))
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == "Good morning ", pieces
    assert events[-1].type == "response.failed", events[-1]
    assert events[-1].response.status == "failed", events[-1]
    assert events[-1].response.error.code == "server_error", events[-1]


def unknown_model():
    error = raises(openai.NotFoundError, lambda: create(model="lisetd", input="Hello"))
    assert (error.code, error.param) == ("model_not_found", "model"), error


def bad_request():
    error = raises(
        openai.BadRequestError, lambda: create(model="anthropic/text", input=[{"type": "message"}])
    )
    assert error.param.startswith("input[0]"), error
    error = raises(
        openai.BadRequestError,
        lambda: create(model="anthropic/text", input="Hi", previous_response_id="resp_1"),
    )
    assert error.param == "previous_response_id", error


run([
    *of_each(EVERYBODY, whole, streamed, tools, streamed_tools, structured, picture),
    *of_each(UPSTREAMS, rate_limit, death),
    *((check.__name__, check) for check in [unknown_model, bad_request]),
])
