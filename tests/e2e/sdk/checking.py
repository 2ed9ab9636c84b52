"""Runs the checks of a script of this folder: a line per check, exit status 1 if one fails."""

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

UPSTREAMS = ["openai", "responses", "anthropic", "gemini"]
EVERYBODY = ["mock", *UPSTREAMS]
TEXT = "Good morning from upstream"
THOUGHT = "They ask politely"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RESULT = "21 degrees at noon"
QUESTION = "What is the weather in Oslo, and the time in Bergen?"
TOOLS = {"get_weather": "Tells the weather of a city.", "get_time": "Tells the time in a city."}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALLS = [("get_weather", {"city": "Oslo"}), ("get_time", {"city": "Bergen"})]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def of_each(providers, *checks):
    """A check for each of the providers."""
    for check in checks:
        for provider in providers:
            yield f"{check.__name__}: {provider}", lambda c=check, p=provider: c(p)


def run(checks):
    def one(check):
        name, call = check
        try:
            call()
        except Exception:
            return f"FAILED {name}\n{traceback.format_exc()}"
        return f"ok {name}"

    with ThreadPoolExecutor(max_workers=8) as pool:
        outcomes = list(pool.map(one, checks))
    print("\n".join(outcomes))
    sys.exit(any(outcome.startswith("FAILED") for outcome in outcomes))
