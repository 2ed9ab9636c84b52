// What a program with the official JavaScript SDK gets from Penstock.
//
// Usage: chat.mjs BASE_URL, with the key in OPENAI_API_KEY and the directory of node_modules in
// SDK_DIRECTORY. The upstreams behind it play scenarios by the model's name
// (tests/e2e/tests/e2e/sdk/scenario.rs). Prints a line per check; exit status 1 if one fails.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.SDK_DIRECTORY}/`);
const OpenAI = require("openai");
const { zodFunction, zodResponseFormat } = require("openai/helpers/zod");
const { z } = require("zod");

const baseURL = process.argv[2];
const client = new OpenAI({ baseURL, maxRetries: 0, timeout: 20_000 });
const { completions } = client.chat;

const upstreams = ["openai", "responses", "anthropic", "gemini"];
const everybody = ["mock", ...upstreams];
const text = "Good morning from upstream";
const hello = [{ role: "user", content: "Hello" }];
const question = [
  { role: "user", content: "What is the weather in Oslo, and the time in Bergen?" },
];
const Weather = z.object({ city: z.string(), degrees: z.number().int() });
const Place = z.object({ city: z.string() });
const tools = [
  zodFunction({ name: "get_weather", description: "Tells the weather of a city.", parameters: Place }),
  zodFunction({ name: "get_time", description: "Tells the time in a city.", parameters: Place }),
];

async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    assert(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    return error;
  }
  assert.fail(`${kind.name} was not raised`);
}

async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const contents = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "");

async function whole(provider) {
  const completion = await completions.create({ model: `${provider}/text`, messages: hello });
  const [choice] = completion.choices;
  assert.equal(choice.message.role, "assistant");
  assert.equal(choice.finish_reason, "stop");
  assert(completion._request_id, "the request has no name");
  assert(completion.usage.total_tokens > 0);
  if (provider === "mock") {
    assert.match(choice.message.content, /Hello/);
    return;
  }
  assert.equal(choice.message.content, text);
  assert.equal(completion.usage.prompt_tokens, 11);
  assert.equal(completion.usage.completion_tokens, 7);
  assert.equal(completion.usage.prompt_tokens_details.cached_tokens, 3);
}

async function streamed(provider) {
  const model = `${provider}/text`;
  const once = await completions.create({ model, messages: hello });
  const stream_options = { include_usage: true };
  const chunks = await all(
    await completions.create({ model, messages: hello, stream: true, stream_options }),
  );
  assert.equal(contents(chunks).join(""), once.choices[0].message.content);
  assert(contents(chunks).filter(Boolean).length > 2, "it came in one piece");
  const reasons = chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter(Boolean);
  assert.deepEqual(reasons, ["stop"]);
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.total_tokens, once.usage.total_tokens);
  assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
}

async function streamed_with_the_helper(provider) {
  const seen = [];
  const stream = completions
    .stream({ model: `${provider}/text`, messages: hello })
    .on("content", (delta) => seen.push(delta));
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.equal(completion.choices[0].message.content, seen.join(""));
  assert(seen.length > 2, "it came in one piece");
}

function check_calls(message) {
  const calls = message.tool_calls;
  assert.deepEqual(calls.map((call) => call.function.name), ["get_weather", "get_time"]);
  assert.equal(new Set(calls.map((call) => call.id)).size, 2);
  const cities = calls.map((call) => JSON.parse(call.function.arguments).city);
  assert.deepEqual(cities, ["Oslo", "Bergen"]);
}

async function tool_calls(provider) {
  const model = `${provider}/tools`;
  const completion = await completions.create({ model, messages: question, tools });
  const [{ message, finish_reason }] = completion.choices;
  assert.equal(finish_reason, "tool_calls");
  check_calls(message);
  const results = message.tool_calls.map((call) => ({
    role: "tool",
    tool_call_id: call.id,
    content: "21 degrees at noon",
  }));
  const messages = [...question, message, ...results];
  const answer = await completions.create({ model, messages, tools });
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert(answer.choices[0].message.content);
}

async function streamed_tool_calls(provider) {
  const stream = completions.stream({ model: `${provider}/tools`, messages: question, tools });
  const completion = await stream.finalChatCompletion();
  assert.equal(completion.choices[0].finish_reason, "tool_calls");
  const { message } = completion.choices[0];
  check_calls(message);
  const parsed = message.tool_calls.map((call) => call.function.parsed_arguments);
  assert.deepEqual(parsed, [{ city: "Oslo" }, { city: "Bergen" }]);
}

async function tools_run_by_the_helper(provider) {
  const asked = [];
  const runnable = tools.map((tool) => ({
    type: "function",
    function: {
      ...tool.function,
      parse: JSON.parse,
      function: ({ city }) => {
        asked.push(`${tool.function.name} ${city}`);
        return "21 degrees at noon";
      },
    },
  }));
  const runner = completions.runTools({
    model: `${provider}/tools`,
    messages: question,
    tools: runnable,
    stream: true,
  });
  assert(await runner.finalContent());
  assert.deepEqual(asked.sort(), ["get_time Bergen", "get_weather Oslo"]);
}

function check_weather(provider, parsed) {
  assert(Weather.safeParse(parsed).success, JSON.stringify(parsed));
  if (provider !== "mock") assert.deepEqual(parsed, { city: "Oslo", degrees: 7 });
}

async function structured(provider) {
  const completion = await completions.parse({
    model: `${provider}/json`,
    messages: question,
    response_format: zodResponseFormat(Weather, "weather"),
  });
  check_weather(provider, completion.choices[0].message.parsed);
}

async function streamed_structured(provider) {
  const stream = completions.stream({
    model: `${provider}/json`,
    messages: question,
    response_format: zodResponseFormat(Weather, "weather"),
  });
  const completion = await stream.finalChatCompletion();
  check_weather(provider, completion.choices[0].message.parsed);
}

async function rate_limit(provider) {
  const error = await raises(OpenAI.RateLimitError, () =>
    completions.create({ model: `${provider}/limited`, messages: hello }),
  );
  assert.equal(error.status, 429);
  assert.equal(error.headers.get("retry-after"), "1");
  assert(error.requestID, "the request has no name");
  assert.equal(error.error.provider, provider);
}

// The SDK comes back when the provider said, not when it would by itself (half a second).
async function patience(provider) {
  const started = performance.now();
  const body = { model: `${provider}/busy`, messages: hello };
  const completion = await completions.create(body, { maxRetries: 1 });
  const took = performance.now() - started;
  assert.equal(completion.choices[0].message.content, text);
  assert(took >= 950, `it took ${took} ms`);
}

async function death(provider) {
  const body = { model: `${provider}/dying`, messages: hello, stream: true };
  const chunks = await all(await completions.create(body));
  assert.equal(contents(chunks).join(""), "Good morning ");
  assert.equal(chunks.at(-1).choices[0].finish_reason, "error");
  assert(chunks.at(-1).gateway_error.message);
}

async function wrong_key() {
  const stranger = client.withOptions({ apiKey: "pk-wrong" });
  const error = await raises(OpenAI.AuthenticationError, () => stranger.models.list());
  assert.equal(error.code, "invalid_api_key");
  const body = { model: "mock/text", messages: hello };
  await raises(OpenAI.AuthenticationError, () => stranger.chat.completions.create(body));
}

async function unknown_model() {
  const error = await raises(OpenAI.NotFoundError, () =>
    completions.create({ model: "lisetd", messages: hello }),
  );
  assert.equal(error.code, "model_not_found");
  assert.equal(error.param, "model");
  assert.match(error.message, /listed/);
  assert(error.requestID, "the request has no name");
  const body = { model: "nobody", messages: hello, stream: true };
  await raises(OpenAI.NotFoundError, () => completions.create(body));
}

async function bad_request() {
  const body = { model: "anthropic/text", messages: "not a list" };
  const error = await raises(OpenAI.BadRequestError, () => completions.create(body));
  assert.equal(error.param, "messages");
}

async function models() {
  const listed = await all(await client.models.list());
  assert(listed.some((model) => model.id === "listed"));
  const model = await client.models.retrieve("listed");
  assert.equal(model.id, "listed");
  assert.equal(model.object, "model");
  const error = await raises(OpenAI.NotFoundError, () => client.models.retrieve("nobody"));
  assert.equal(error.code, "model_not_found");
}

const checks = [
  ...[
    whole,
    streamed,
    streamed_with_the_helper,
    tool_calls,
    streamed_tool_calls,
    tools_run_by_the_helper,
    structured,
    streamed_structured,
  ].flatMap((check) => everybody.map((provider) => [check, provider])),
  ...[rate_limit, patience, death].flatMap((check) =>
    upstreams.map((provider) => [check, provider]),
  ),
  ...[wrong_key, unknown_model, bad_request, models].map((check) => [check]),
];

const failed = await Promise.all(
  checks.map(async ([check, ...provider]) => {
    const name = [check.name, ...provider].join(": ");
    try {
      await check(...provider);
      console.log(`ok ${name}`);
      return false;
    } catch (error) {
      console.log(`FAILED ${name}\n${error.stack}`);
      return true;
    }
  }),
);
process.exitCode = failed.some(Boolean) ? 1 : 0;
