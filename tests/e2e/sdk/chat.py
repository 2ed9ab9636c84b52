"""What a program with the official Python SDK gets from Penstock.

Usage: chat.py BASE_URL, with the key in OPENAI_API_KEY. The upstreams behind it play scenarios by
the model's name (tests/e2e/tests/e2e/sdk/scenario.rs). Prints a line per check; exit status 1 if
one fails.
"""

import asyncio
import json
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import openai
from pydantic import BaseModel

BASE_URL = sys.argv[1]
client = openai.OpenAI(base_url=BASE_URL, max_retries=0, timeout=20)

UPSTREAMS = ["openai", "responses", "anthropic", "gemini"]
EVERYBODY = ["mock", *UPSTREAMS]
TEXT = "Good morning from upstream"
HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "What is the weather in Oslo, and the time in Bergen?"}]


class Weather(BaseModel):
    city: str
    degrees: int


class GetWeather(BaseModel):
    """Tells the weather of a city."""

    city: str


class GetTime(BaseModel):
    """Tells the time in a city."""

    city: str


TOOLS = [
    openai.pydantic_function_tool(GetWeather, name="get_weather"),
    openai.pydantic_function_tool(GetTime, name="get_time"),
]


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def whole(provider):
    completion = client.chat.completions.create(model=f"{provider}/text", messages=HELLO)
    choice = completion.choices[0]
    assert choice.message.role == "assistant" and choice.finish_reason == "stop", choice
    assert completion._request_id, "the request has no name"
    if provider == "mock":
        assert "Hello" in choice.message.content, choice
    else:
        assert choice.message.content == TEXT, choice
        usage = completion.usage
        assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7), usage
        assert usage.prompt_tokens_details.cached_tokens == 3, usage
    assert completion.usage.total_tokens > 0, completion.usage


def streamed(provider):
    once = client.chat.completions.create(model=f"{provider}/text", messages=HELLO)
    stream = client.chat.completions.create(
        model=f"{provider}/text",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == once.choices[0].message.content, deltas
    assert len([delta for delta in deltas if delta]) > 2, deltas
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert reasons == ["stop"], reasons
    assert [chunk.usage for chunk in chunks if chunk.usage] == [chunks[-1].usage], chunks
    assert chunks[-1].choices == [], chunks[-1]
    assert chunks[-1].usage.total_tokens == once.usage.total_tokens, chunks[-1]
    assert len({chunk.id for chunk in chunks}) == 1, chunks


def streamed_without_usage(provider):
    stream = client.chat.completions.create(model=f"{provider}/text", messages=HELLO, stream=True)
    assert all(chunk.choices and chunk.usage is None for chunk in stream)


def streamed_asynchronously(provider):
    async def read():
        async with openai.AsyncOpenAI(base_url=BASE_URL, max_retries=0, timeout=20) as client:
            stream = await client.chat.completions.create(
                model=f"{provider}/text", messages=HELLO, stream=True
            )
            return [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert len("".join(asyncio.run(read()))) > 10


def check_calls(message):
    names = [call.function.name for call in message.tool_calls]
    assert names == ["get_weather", "get_time"], message
    assert len({call.id for call in message.tool_calls}) == 2, message
    cities = [json.loads(call.function.arguments)["city"] for call in message.tool_calls]
    assert cities == ["Oslo", "Bergen"], message


def tools(provider):
    completion = client.chat.completions.create(
        model=f"{provider}/tools", messages=QUESTION, tools=TOOLS
    )
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls", choice
    check_calls(choice.message)
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees at noon"}
        for call in choice.message.tool_calls
    ]
    completion = client.chat.completions.create(
        model=f"{provider}/tools",
        messages=[*QUESTION, choice.message, *results],
        tools=TOOLS,
    )
    choice = completion.choices[0]
    assert choice.finish_reason == "stop" and choice.message.content, choice


def streamed_tools(provider):
    with client.chat.completions.stream(
        model=f"{provider}/tools", messages=QUESTION, tools=TOOLS
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        completion = stream.get_final_completion()
    assert [event.name for event in done] == ["get_weather", "get_time"], done
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls", choice
    check_calls(choice.message)
    parsed = [call.function.parsed_arguments for call in choice.message.tool_calls]
    assert [type(one) for one in parsed] == [GetWeather, GetTime], parsed


def check_weather(provider, message):
    assert isinstance(message.parsed, Weather), message
    if provider != "mock":
        assert message.parsed == Weather(city="Oslo", degrees=7), message


def structured(provider):
    completion = client.chat.completions.parse(
        model=f"{provider}/json", messages=QUESTION, response_format=Weather
    )
    check_weather(provider, completion.choices[0].message)


def streamed_structured(provider):
    with client.chat.completions.stream(
        model=f"{provider}/json", messages=QUESTION, response_format=Weather
    ) as stream:
        for _ in stream:
            pass
        check_weather(provider, stream.get_final_completion().choices[0].message)


def rate_limit(provider):
    create = client.chat.completions.create
    error = raises(
        openai.RateLimitError, lambda: create(model=f"{provider}/limited", messages=HELLO)
    )
    assert error.status_code == 429 and error.request_id, error
    assert error.response.headers["retry-after"] == "1", error.response.headers
    assert error.body["message"] and error.body["provider"] == provider, error.body


def patience(provider):
    """The SDK comes back when the provider said, not when it would by itself (half a second)."""
    patient = client.with_options(max_retries=1)
    started = time.monotonic()
    completion = patient.chat.completions.create(model=f"{provider}/busy", messages=HELLO)
    took = time.monotonic() - started
    assert completion.choices[0].message.content == TEXT, completion
    assert took >= 0.95, took


def death(provider):
    stream = client.chat.completions.create(
        model=f"{provider}/dying", messages=HELLO, stream=True
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == "Good morning ", deltas
    assert chunks[-1].choices[0].finish_reason == "error", chunks[-1]
    assert chunks[-1].gateway_error["message"], chunks[-1]


def half_a_call(provider):
    """Whoever looks at the reason never takes half of the arguments for a call; nor does the SDK."""
    create = client.chat.completions.create
    chunks = list(create(model=f"{provider}/cut", messages=QUESTION, tools=TOOLS, stream=True))
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert reasons == ["error"] and chunks[-1].gateway_error["message"], chunks[-1]
    said = {}
    for chunk in chunks:
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            said[call.index] = said.get(call.index, "") + (call.function.arguments or "")
    assert json.loads(said[0]) == {"city": "Oslo"}, said
    if provider != "gemini":
        raises(json.JSONDecodeError, lambda: json.loads(said[1]))
        stream = client.chat.completions.stream
        done = []

        def read():
            with stream(model=f"{provider}/cut", messages=QUESTION, tools=TOOLS) as events:
                done.extend(e for e in events if e.type == "tool_calls.function.arguments.done")

        raises(ValueError, read)
        assert [event.name for event in done] == ["get_weather"], done


def wrong_key():
    stranger = client.with_options(api_key="pk-wrong")
    error = raises(openai.AuthenticationError, lambda: stranger.models.list())
    assert error.code == "invalid_api_key" and error.request_id, error
    create = stranger.chat.completions.create
    raises(openai.AuthenticationError, lambda: create(model="mock/text", messages=HELLO))


def unknown_model():
    create = client.chat.completions.create
    error = raises(openai.NotFoundError, lambda: create(model="lisetd", messages=HELLO))
    assert (error.code, error.param) == ("model_not_found", "model"), error
    assert "listed" in error.message and error.request_id, error
    raises(openai.NotFoundError, lambda: create(model="nobody", messages=HELLO, stream=True))


def bad_request():
    create = client.chat.completions.create
    error = raises(
        openai.BadRequestError, lambda: create(model="anthropic/text", messages="not a list")
    )
    assert error.param == "messages", error


def models():
    listed = list(client.models.list())
    assert "listed" in [model.id for model in listed], listed
    model = client.models.retrieve("listed")
    assert (model.id, model.object) == ("listed", "model"), model
    error = raises(openai.NotFoundError, lambda: client.models.retrieve("nobody"))
    assert error.code == "model_not_found", error


def checks():
    for check in [
        whole,
        streamed,
        streamed_without_usage,
        streamed_asynchronously,
        tools,
        streamed_tools,
        structured,
        streamed_structured,
    ]:
        for provider in EVERYBODY:
            yield f"{check.__name__}: {provider}", lambda c=check, p=provider: c(p)
    for check in [rate_limit, patience, death, half_a_call]:
        for provider in UPSTREAMS:
            yield f"{check.__name__}: {provider}", lambda c=check, p=provider: c(p)
    for check in [wrong_key, unknown_model, bad_request, models]:
        yield check.__name__, check


def run(check):
    name, call = check
    try:
        call()
    except Exception:
        return f"FAILED {name}\n{traceback.format_exc()}"
    return f"ok {name}"


with ThreadPoolExecutor(max_workers=8) as pool:
    outcomes = list(pool.map(run, checks()))
print("\n".join(outcomes))
sys.exit(any(outcome.startswith("FAILED") for outcome in outcomes))
