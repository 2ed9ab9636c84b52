"""What an agent of OpenAI's Agents SDK gets from Penstock, whoever answers.

Usage: agents_run.py BASE_URL, with the key in OPENAI_API_KEY. The upstreams behind it play scenarios by
the model's name (tests/e2e/tests/e2e/sdk/scenario.rs).
"""

import asyncio
import os
import sys

from agents import (
    Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI, RateLimitError
from openai.types.shared import Reasoning
from pydantic import BaseModel

from checking import EVERYBODY, PIXEL, QUESTION, RESULT, TEXT, UPSTREAMS, run

set_tracing_disabled(True)
MODELS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}
THINKING = ModelSettings(
    include_usage=True,
    reasoning=Reasoning(effort="low", summary="auto"),
    store=False,
    response_include=["reasoning.encrypted_content"],
)


class Weather(BaseModel):
    city: str
    degrees: int


def played(play):
    """Plays with a client of its own: each check has an event loop of its own."""

    async def inner(speaker, provider):
        async with AsyncOpenAI(
            base_url=sys.argv[1], api_key=os.environ["OPENAI_API_KEY"], max_retries=0, timeout=20
        ) as client:
            def model(name):
                return MODELS[speaker](model=f"{provider}/{name}", openai_client=client)

            await play(model, provider)

    def check(speaker, provider):
        asyncio.run(inner(speaker, provider))

    check.__name__ = play.__name__
    return check


def equipped(model, settings=None):
    asked = []

    @function_tool
    def get_weather(city: str) -> str:
        """Tells the weather of a city."""
        asked.append(f"get_weather {city}")
        return RESULT

    @function_tool
    def get_time(city: str) -> str:
        """Tells the time in a city."""
        asked.append(f"get_time {city}")
        return RESULT

    agent = Agent(
        name="guide", instructions="Be brief.", model=model, tools=[get_weather, get_time],
        model_settings=settings or ModelSettings(include_usage=True),
    )
    return agent, asked


def check_run(provider, result, asked):
    assert sorted(asked) == ["get_time Bergen", "get_weather Oslo"], asked
    assert result.final_output == TEXT if provider != "mock" else result.final_output, result
    usage = result.context_wrapper.usage
    assert usage.requests == 2 and usage.total_tokens > 0, usage
    if provider != "mock":
        assert (usage.input_tokens, usage.output_tokens) == (22, 14), usage


@played
async def whole(model, provider):
    agent = Agent(name="guide", instructions="Be brief.", model=model("text"))
    result = await Runner.run(agent, "Hello")
    assert result.final_output == TEXT if provider != "mock" else "Hello" in result.final_output


@played
async def tools(model, provider):
    agent, asked = equipped(model("tools"))
    check_run(provider, await Runner.run(agent, QUESTION), asked)


@played
async def streamed_tools(model, provider):
    agent, asked = equipped(model("tools"))
    result = Runner.run_streamed(agent, QUESTION)
    deltas = [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert "".join(deltas) == result.final_output and len(deltas) > 2, deltas
    check_run(provider, result, asked)


@played
async def thoughts_before_tools(model, provider):
    agent, asked = equipped(model("think"), THINKING)
    check_run(provider, await Runner.run(agent, QUESTION), asked)


@played
async def streamed_thoughts_before_tools(model, provider):
    agent, asked = equipped(model("think"), THINKING)
    result = Runner.run_streamed(agent, QUESTION)
    async for _ in result.stream_events():
        pass
    check_run(provider, result, asked)


@played
async def structured(model, provider):
    agent = Agent(name="guide", model=model("json"), output_type=Weather)
    weather = (await Runner.run(agent, QUESTION)).final_output
    assert isinstance(weather, Weather), weather
    assert provider == "mock" or weather == Weather(city="Oslo", degrees=7), weather


@played
async def picture(model, provider):
    url = f"data:image/png;base64,{PIXEL}"
    content = [{"type": "input_image", "image_url": url, "detail": "auto"},
               {"type": "input_text", "text": "Hello"}]
    agent = Agent(name="guide", model=model("picture"))
    assert (await Runner.run(agent, [{"role": "user", "content": content}])).final_output


@played
async def rate_limit(model, provider):
    agent = Agent(name="guide", model=model("limited"))
    try:
        await Runner.run(agent, "Hello")
    except RateLimitError as error:
        assert error.status_code == 429 and error.request_id, error
    else:
        raise AssertionError("RateLimitError was not raised")


def crossed(providers, *checks):
    for check in checks:
        for speaker in MODELS:
            for provider in providers:
                name = f"{check.__name__}: {speaker}: {provider}"
                yield name, lambda c=check, s=speaker, p=provider: c(s, p)


run([
    *crossed(EVERYBODY, whole, tools, streamed_tools, structured, picture),
    *crossed(UPSTREAMS, thoughts_before_tools, streamed_thoughts_before_tools, rate_limit),
])
