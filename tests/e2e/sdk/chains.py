"""What a program with LangChain gets from Penstock, through each of its integrations, whoever answers.

Usage: chains.py BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY. The upstreams behind it
play scenarios by the model's name (tests/e2e/tests/e2e/sdk/scenario.rs).
"""

import os
import sys

# Nothing is to be told to anybody.
os.environ["LANGSMITH_TRACING"] = "false"

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from checking import (
    CALLS, EVERYBODY, PIXEL, QUESTION, RESULT, TEXT, THOUGHT, UPSTREAMS, raises, run,
)

BASE_URL = sys.argv[1]
ROOT = BASE_URL.removesuffix("/v1")
KEY = os.environ["OPENAI_API_KEY"]
MODELS = ["chat", "responses", "messages", "gemini"]


def model(speaker, name, think=False):
    """A model of LangChain's that speaks as `speaker` does."""
    calm = {"model": name, "api_key": KEY, "max_retries": 0, "timeout": 20}
    if speaker == "chat":
        effort = {"reasoning_effort": "low"} if think else {}
        return ChatOpenAI(base_url=BASE_URL, stream_usage=True, **calm, **effort)
    if speaker == "responses":
        more = {
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
        }
        return ChatOpenAI(
            base_url=BASE_URL, use_responses_api=True, output_version="responses/v1", **calm,
            **(more if think else {}),
        )
    if speaker == "messages":
        more = {"thinking": {"type": "enabled", "budget_tokens": 1024}} if think else {}
        return ChatAnthropic(base_url=ROOT, max_tokens=2000, **calm, **more)
    more = {"include_thoughts": True, "thinking_budget": 1024} if think else {}
    return ChatGoogleGenerativeAI(base_url=ROOT, **{**calm, "max_retries": 1}, **more)


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return RESULT


@tool
def get_time(city: str) -> str:
    """Tells the time in a city."""
    return RESULT


TOOLS = [get_weather, get_time]


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


def gathered(chunks):
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


def check_usage(provider, message):
    usage = message.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0, usage
    if provider != "mock":
        assert (usage["input_tokens"], usage["output_tokens"]) == (11, 7), usage
        assert usage["input_token_details"]["cache_read"] == 3, usage


def whole(speaker, provider):
    message = model(speaker, f"{provider}/text").invoke("Hello")
    assert message.text == TEXT if provider != "mock" else "Hello" in message.text, message
    check_usage(provider, message)


def streamed(speaker, provider):
    once = model(speaker, f"{provider}/text").invoke("Hello")
    chunks = list(model(speaker, f"{provider}/text").stream("Hello"))
    assert len([chunk for chunk in chunks if chunk.text]) > 2, chunks
    message = gathered(chunks)
    assert message.text == once.text, message
    check_usage(provider, message)


def round_trip(bound, ask):
    question = HumanMessage(QUESTION)
    message = ask(bound, [question])
    calls = [(call["name"], call["args"]) for call in message.tool_calls]
    assert calls == CALLS, message
    results = [
        ToolMessage(RESULT, tool_call_id=call["id"], name=call["name"])
        for call in message.tool_calls
    ]
    last = ask(bound, [question, message, *results])
    assert last.text and not last.tool_calls, last
    return message


def invoked(bound, messages):
    return bound.invoke(messages)


def gathered_stream(bound, messages):
    return gathered(bound.stream(messages))


def tools(speaker, provider):
    round_trip(model(speaker, f"{provider}/tools").bind_tools(TOOLS), invoked)


def streamed_tools(speaker, provider):
    round_trip(model(speaker, f"{provider}/tools").bind_tools(TOOLS), gathered_stream)


def structured(speaker, provider):
    bound = model(speaker, f"{provider}/json").with_structured_output(Weather, method="json_schema")
    weather = bound.invoke(QUESTION)
    assert isinstance(weather, Weather), weather
    if provider != "mock":
        assert weather == Weather(city="Oslo", degrees=7), weather


def picture(speaker, provider):
    block = {"type": "image", "base64": PIXEL, "mime_type": "image/png"}
    content = [block, {"type": "text", "text": "Hello"}]
    message = model(speaker, f"{provider}/picture").invoke([HumanMessage(content)])
    assert message.text, message


def check_thought(speaker, provider, message):
    """LangChain's integration of chat completions reads no thoughts; it must get their number."""
    if speaker == "chat":
        details = message.usage_metadata["output_token_details"]
        assert details["reasoning"] == 2, details
        return
    blocks = [block for block in message.content_blocks if block["type"] == "reasoning"]
    assert "".join(block.get("reasoning", "") for block in blocks) == THOUGHT, message


def thoughts(speaker, provider):
    message = model(speaker, f"{provider}/think", think=True).invoke(QUESTION)
    assert message.text == TEXT, message
    check_thought(speaker, provider, message)


def thoughts_before_tools(speaker, provider):
    # LangChain's integration of chat completions forgets everything that OpenAI does not send.
    bound = model(speaker, f"{provider}/think", think=True).bind_tools(TOOLS)
    check_thought(speaker, provider, round_trip(bound, invoked))


def streamed_thoughts_before_tools(speaker, provider):
    # LangChain's integration of chat completions forgets everything that OpenAI does not send.
    bound = model(speaker, f"{provider}/think", think=True).bind_tools(TOOLS)
    check_thought(speaker, provider, round_trip(bound, gathered_stream))


def rate_limit(speaker, provider):
    error = raises(Exception, lambda: model(speaker, f"{provider}/limited").invoke("Hello"))
    assert "429" in str(error), error


def crossed(providers, *checks):
    for check in checks:
        for speaker in MODELS:
            for provider in providers:
                name = f"{check.__name__}: {speaker}: {provider}"
                yield name, lambda c=check, s=speaker, p=provider: c(s, p)


run([
    *crossed(EVERYBODY, whole, streamed, tools, streamed_tools, structured, picture),
    *crossed(
        UPSTREAMS, thoughts, thoughts_before_tools, streamed_thoughts_before_tools, rate_limit
    ),
])
