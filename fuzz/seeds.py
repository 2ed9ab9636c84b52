#!/usr/bin/env python3
"""Gives every fuzz target the project's fixtures to begin with.

Usage: seeds.py TARGET... Writes fuzz/corpus/TARGET/, and leaves alone what else is there."""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
# The file of a fixture, and the folder and key of the many that one file holds beside its answers.
KINDS = {
    "stream": ("stream.sse", None, None),
    "answer": ("response.json", "answers", "answer"),
    "request": ("request.json", "translation", "request"),
}
FORM = b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\nx\r\n--B--\r\n\0\0'


def seeds(target: str):
    if target == "multipart":
        yield "form", FORM
        return
    kind, _, dialect = {"sse": "stream_openai", "quirks": "request_openai"}.get(target, target).partition("_")
    if kind not in KINDS or not (FIXTURES / dialect).is_dir():
        sys.exit(f"there is no target {target}")
    file, folder, key = KINDS[kind]
    for path in sorted((FIXTURES / dialect).glob(f"*/{file}")):
        yield path.parent.name, path.read_bytes()
    for path in sorted((FIXTURES / "hosted").glob(f"{dialect}_*/{file}")):
        yield path.parent.name, path.read_bytes()
    if folder is None:
        return
    for path in sorted((FIXTURES / folder / dialect).glob("*.json")):
        value = json.loads(path.read_text()).get(key)
        if value is not None:
            yield path.stem, json.dumps(value, ensure_ascii=False).encode()


for name in sys.argv[1:]:
    corpus = ROOT / "fuzz" / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    count = 0
    for seed, content in seeds(name):
        (corpus / seed).write_bytes(content)
        count += 1
    if count == 0:
        sys.exit(f"no seeds for {name}")
