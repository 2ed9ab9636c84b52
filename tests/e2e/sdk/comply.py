"""Whether Penstock passes llm-comply, a judge of servers that speak one of its four dialects.

Usage: comply.py BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY. Each of its formats is asked
of each provider; the upstreams behind them answer as they are asked
(tests/e2e/tests/e2e/sdk/scenario.rs). A warning fails as an error does, and so does a test that was
skipped.
"""

import os
import pathlib
import sys

import llm_comply
from llm_comply.cli import _SPEC_FILES as SPECS
from llm_comply.config import ComplianceConfig
from llm_comply.runner import TestRunner
from llm_comply.schema import SpecLoader
from llm_comply.tests import get_tests

from checking import EVERYBODY

BASE_URL = sys.argv[1]
KEY = os.environ["OPENAI_API_KEY"]
# Names of models that think, as llm-comply (`gpt-5`, `claude-sonnet-4`) and Penstock know them.
MODELS = {
    "mock": "mock/gpt-5-claude-sonnet-4",
    "openai": "openai/gpt-5-claude-sonnet-4",
    "responses": "responses/gpt-5-claude-sonnet-4",
    "anthropic": "anthropic/claude-sonnet-4-5-gpt-5",
    "gemini": "gemini/gemini-3-flash-gpt-5-claude-sonnet-4",
}
# How the official SDK of each format shows its key, and how many tests it is judged by at least.
FORMATS = {
    "openai-chat": ({}, 9),
    "open-responses": ({}, 13),
    "anthropic": (
        {
            "auth_header": "x-api-key",
            "use_bearer_prefix": False,
            "extra_headers": {"anthropic-version": "2023-06-01"},
        },
        9,
    ),
    "google-genai": ({"auth_header": "x-goog-api-key", "use_bearer_prefix": False}, 9),
}
# Penstock has no such endpoint, which llm-comply lets pass with a warning.
NOT_THERE = {"compact-response"}
SPEC_DIRECTORY = pathlib.Path(llm_comply.__file__).parent / "specs"


def judged(form, provider):
    how, least = FORMATS[form]
    config = ComplianceConfig(base_url=BASE_URL, api_key=KEY, model=MODELS[provider], **how)
    spec = SpecLoader(str(SPEC_DIRECTORY / SPECS[form]) if SPECS[form] else None)
    results = TestRunner(config, get_tests(form), spec).run_all().results
    assert len(results) >= least, results
    for result in results:
        wrong = [*result.errors, *([] if result.id in NOT_THERE else result.warnings)]
        passed = result.status.value == "passed" and not wrong
        yield f"{'ok' if passed else 'FAILED'} {form}: {provider}: {result.id} {wrong or ''}"


outcomes = [line for form in FORMATS for provider in EVERYBODY for line in judged(form, provider)]
print("\n".join(outcomes))
sys.exit(any(outcome.startswith("FAILED") for outcome in outcomes))
