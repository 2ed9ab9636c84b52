// What a program with Anthropic's official TypeScript SDK gets from Penstock, whoever answers.
//
// Usage: messages.mjs BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY and the directory of
// node_modules in SDK_DIRECTORY. The upstreams behind it play scenarios by the model's name
// (tests/e2e/tests/e2e/sdk/scenario.rs).

import assert from "node:assert/strict";
import {
  about, all, check_weather, cities, city, everybody, key, names, of_each, pixel, question, raises,
  require, result, root, run, text, thought, upstreams,
} from "./checking.mjs";

const Anthropic = require("@anthropic-ai/sdk");
const { zodOutputFormat } = require("@anthropic-ai/sdk/helpers/zod");
const { z } = require("zod");

const client = new Anthropic({ baseURL: root, apiKey: key, maxRetries: 0, timeout: 20_000 });
const { messages } = client;
const hello = [{ role: "user", content: "Hello" }];
const asked = [{ role: "user", content: question }];
const offered = names.map((name) => ({ name, description: about[name], input_schema: city }));
const Weather = z.object({ city: z.string(), degrees: z.number().int() });
const thinking = { type: "enabled", budget_tokens: 1024 };

const of_kind = (message, type) => message.content.filter((block) => block.type === type);
const words = (message) => of_kind(message, "text").map((block) => block.text).join("");

async function whole(provider) {
  const message = await messages.create({ model: `${provider}/text`, max_tokens: 100, messages: hello });
  assert.equal(message.type, "message");
  assert.equal(message.stop_reason, "end_turn");
  assert(message._request_id, "the request has no name");
  if (provider === "mock") return assert.match(words(message), /Hello/);
  assert.equal(words(message), text);
  const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
  assert.deepEqual([input_tokens, cache_read_input_tokens, output_tokens], [8, 3, 7]);
}

async function streamed_with_the_helper(provider) {
  const body = { model: `${provider}/text`, max_tokens: 100, messages: hello };
  const once = await messages.create(body);
  const seen = [];
  const message = await messages.stream(body).on("text", (delta) => seen.push(delta)).finalMessage();
  assert.equal(seen.join(""), words(once));
  assert.equal(words(message), words(once));
  assert(seen.length > 2, "it came in one piece");
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(message.usage.output_tokens, once.usage.output_tokens);
}

async function raw_events(provider) {
  const body = { model: `${provider}/text`, max_tokens: 100, messages: hello, stream: true };
  const kinds = (await all(await messages.create(body))).map((event) => event.type);
  const count = (kind) => kinds.filter((one) => one === kind).length;
  assert.equal(kinds[0], "message_start");
  assert.equal(kinds.at(-1), "message_stop");
  assert.equal(count("message_start"), 1);
  assert.equal(count("message_delta"), 1);
  assert.equal(count("content_block_start"), count("content_block_stop"));
}

async function answered(body, message) {
  const calls = of_kind(message, "tool_use");
  assert.deepEqual(calls.map((call) => call.name), names);
  assert.deepEqual(calls.map((call) => call.input.city), cities);
  assert.equal(new Set(calls.map((call) => call.id)).size, 2);
  assert.equal(message.stop_reason, "tool_use");
  const results = calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: result }));
  const turns = [...asked, { role: "assistant", content: message.content }, { role: "user", content: results }];
  const last = await messages.create({ ...body, messages: turns });
  assert.equal(last.stop_reason, "end_turn");
  assert(words(last));
}

const with_tools = (provider, scenario) => ({
  model: `${provider}/${scenario}`, max_tokens: 2000, messages: asked, tools: offered,
});

async function tools(provider) {
  const body = with_tools(provider, "tools");
  await answered(body, await messages.create(body));
}

async function streamed_tools(provider) {
  const body = with_tools(provider, "tools");
  await answered(body, await messages.stream(body).finalMessage());
}

async function structured(provider) {
  const message = await messages.parse({
    model: `${provider}/json`, max_tokens: 100, messages: asked,
    output_config: { format: zodOutputFormat(Weather) },
  });
  check_weather(provider, message.parsed_output);
}

async function picture(provider) {
  const source = { type: "base64", media_type: "image/png", data: pixel };
  const content = [{ type: "image", source }, { type: "text", text: "Hello" }];
  const message = await messages.create({
    model: `${provider}/picture`, max_tokens: 100, system: "Be brief.",
    messages: [{ role: "user", content }],
  });
  assert(words(message));
}

function check_thought(provider, message) {
  const thoughts = of_kind(message, "thinking");
  const told = thoughts.map((block) => block.thinking).join("");
  if (provider === "mock") assert(told);
  else assert.equal(told, thought);
  // The upstreams that seal their thoughts refuse the next turn if the seal is not theirs.
  const sealed = thoughts.some((block) => block.signature);
  if (!["mock", "openai"].includes(provider)) assert(sealed, "no signature");
}

async function thoughts(provider) {
  const body = { model: `${provider}/think`, max_tokens: 2000, messages: asked, thinking };
  const message = await messages.create(body);
  check_thought(provider, message);
  const turns = [...asked, { role: "assistant", content: message.content }, ...hello];
  assert(words(await messages.create({ ...body, messages: turns })));
}

async function streamed_thoughts(provider) {
  const body = { model: `${provider}/think`, max_tokens: 2000, messages: asked, thinking };
  const seen = [];
  const message = await messages.stream(body).on("thinking", (delta) => seen.push(delta)).finalMessage();
  check_thought(provider, message);
  assert(seen.length > 2, "the thought came in one piece");
  const turns = [...asked, { role: "assistant", content: message.content }, ...hello];
  assert(words(await messages.stream({ ...body, messages: turns }).finalMessage()));
}

async function thoughts_before_tools(provider) {
  const body = { ...with_tools(provider, "think"), thinking };
  const message = await messages.create(body);
  check_thought(provider, message);
  await answered(body, message);
}

async function streamed_thoughts_before_tools(provider) {
  const body = { ...with_tools(provider, "think"), thinking };
  const message = await messages.stream(body).finalMessage();
  check_thought(provider, message);
  await answered(body, message);
}

async function rate_limit(provider) {
  const body = { model: `${provider}/limited`, max_tokens: 9, messages: hello };
  const error = await raises(Anthropic.RateLimitError, () => messages.create(body));
  assert.equal(error.status, 429);
  assert.equal(error.headers.get("retry-after"), "1");
  assert.equal(error.error.error.type, "rate_limit_error");
  assert(error.requestID, "the request has no name");
}

async function death(provider) {
  const pieces = [];
  const body = { model: `${provider}/dying`, max_tokens: 100, messages: hello };
  const stream = messages.stream(body).on("text", (delta) => pieces.push(delta));
  const error = await raises(Anthropic.APIError, () => stream.finalMessage());
  assert.equal(pieces.join(""), "Good morning ");
  assert.match(error.message, /error/);
}

async function wrong_key() {
  const stranger = new Anthropic({ baseURL: root, apiKey: "pk-wrong", maxRetries: 0 });
  const body = { model: "mock/text", max_tokens: 9, messages: hello };
  const error = await raises(Anthropic.AuthenticationError, () => stranger.messages.create(body));
  assert.equal(error.error.error.type, "authentication_error");
}

async function unknown_model() {
  const body = { model: "lisetd", max_tokens: 9, messages: hello };
  const error = await raises(Anthropic.NotFoundError, () => messages.create(body));
  assert.match(error.message, /listed/);
}

async function bad_request() {
  const body = { model: "openai/text", max_tokens: 9, messages: [{ role: "user", content: 7 }] };
  const error = await raises(Anthropic.BadRequestError, () => messages.create(body));
  assert.match(error.message, /messages\[0\]\.content/);
}

async function models() {
  const listed = await all(await client.models.list());
  assert(listed.some((model) => model.id === "listed"));
}

await run([
  ...of_each(
    everybody, whole, streamed_with_the_helper, raw_events, tools, streamed_tools, structured,
    picture, thoughts, streamed_thoughts,
  ),
  ...of_each(upstreams, thoughts_before_tools, streamed_thoughts_before_tools, rate_limit, death),
  ...[wrong_key, unknown_model, bad_request, models].map((check) => [check]),
]);
