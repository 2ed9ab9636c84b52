"""Serves llmock on a free port of loopback until standard input ends.

Prints the port as one line. What goes wrong is told it over HTTP: POST /_llmock/scenario.
"""

import sys

from llmock.testing import LLMockServer

with LLMockServer() as server:
    print(server.port, flush=True)
    sys.stdin.read()
