// What a program that uses Responses of OpenAI's official JavaScript SDK gets from Penstock, whoever
// answers.
//
// Usage: responses.mjs BASE_URL, with the key in OPENAI_API_KEY and the directory of node_modules in
// SDK_DIRECTORY. The upstreams behind it play scenarios by the model's name
// (tests/e2e/tests/e2e/sdk/scenario.rs).

import assert from "node:assert/strict";
import {
  about, all, base, check_weather, cities, city, everybody, names, of_each, pixel, question, raises,
  require, result, run, text, thought, upstreams,
} from "./checking.mjs";

const OpenAI = require("openai");
const { zodTextFormat } = require("openai/helpers/zod");
const { z } = require("zod");

const { responses } = new OpenAI({ baseURL: base, maxRetries: 0, timeout: 20_000 });
const offered = names.map((name) => ({
  type: "function", name, description: about[name], parameters: city, strict: false,
}));
const Weather = z.object({ city: z.string(), degrees: z.number().int() });
const thinking = {
  reasoning: { effort: "low", summary: "auto" },
  include: ["reasoning.encrypted_content"],
  store: false,
};

async function whole(provider) {
  const response = await responses.create({ model: `${provider}/text`, input: "Hello", store: false });
  assert.equal(response.status, "completed");
  assert(response._request_id, "the request has no name");
  if (provider === "mock") return assert.match(response.output_text, /Hello/);
  assert.equal(response.output_text, text);
  const { input_tokens, input_tokens_details, output_tokens } = response.usage;
  assert.deepEqual([input_tokens, input_tokens_details.cached_tokens, output_tokens], [11, 3, 7]);
}

async function streamed(provider) {
  const body = { model: `${provider}/text`, input: "Hello" };
  const once = await responses.create(body);
  const events = await all(await responses.create({ ...body, stream: true }));
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), once.output_text);
  assert(deltas.length > 2, "it came in one piece");
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
  assert.equal(events.at(-1).response.usage.total_tokens, once.usage.total_tokens);
}

async function streamed_with_the_helper(provider) {
  const seen = [];
  const stream = responses
    .stream({ model: `${provider}/text`, input: "Hello" })
    .on("response.output_text.delta", (event) => seen.push(event.delta));
  const response = await stream.finalResponse();
  assert.equal(response.output_text, seen.join(""));
  assert(response.output_text);
}

async function answered(body, response) {
  const calls = response.output.filter((item) => item.type === "function_call");
  assert.deepEqual(calls.map((call) => call.name), names);
  assert.deepEqual(calls.map((call) => JSON.parse(call.arguments).city), cities);
  assert.equal(new Set(calls.map((call) => call.call_id)).size, 2);
  const results = calls.map(({ call_id }) => ({
    type: "function_call_output", call_id, output: result,
  }));
  const input = [{ role: "user", content: question }, ...response.output, ...results];
  const last = await responses.create({ ...body, input });
  assert.equal(last.status, "completed");
  assert(last.output_text);
}

const with_tools = (provider, scenario) => ({
  model: `${provider}/${scenario}`, input: question, tools: offered,
});

async function tools(provider) {
  const body = with_tools(provider, "tools");
  await answered(body, await responses.create(body));
}

async function streamed_tools(provider) {
  const body = with_tools(provider, "tools");
  await answered(body, await responses.stream(body).finalResponse());
}

function check_thought(provider, response) {
  const thoughts = response.output.filter((item) => item.type === "reasoning");
  const told = thoughts.flatMap((item) => item.summary).map((part) => part.text).join("");
  if (provider === "mock") assert(told);
  else assert.equal(told, thought);
}

async function thoughts(provider) {
  const body = { model: `${provider}/think`, input: question, ...thinking };
  const response = await responses.create(body);
  check_thought(provider, response);
  const input = [{ role: "user", content: question }, ...response.output, { role: "user", content: "Go on" }];
  assert((await responses.create({ ...body, input })).output_text);
}

async function thoughts_before_tools(provider) {
  const body = { ...with_tools(provider, "think"), ...thinking };
  const response = await responses.create(body);
  check_thought(provider, response);
  await answered(body, response);
}

async function streamed_thoughts_before_tools(provider) {
  const body = { ...with_tools(provider, "think"), ...thinking };
  const response = await responses.stream(body).finalResponse();
  check_thought(provider, response);
  await answered(body, response);
}

async function structured(provider) {
  const response = await responses.parse({
    model: `${provider}/json`, input: question, text: { format: zodTextFormat(Weather, "weather") },
  });
  check_weather(provider, response.output_parsed);
}

async function picture(provider) {
  const image_url = `data:image/png;base64,${pixel}`;
  const content = [
    { type: "input_image", image_url, detail: "auto" }, { type: "input_text", text: "Hello" },
  ];
  const input = [{ role: "user", content }];
  const response = await responses.create({ model: `${provider}/picture`, input });
  assert(response.output_text);
}

async function rate_limit(provider) {
  const body = { model: `${provider}/limited`, input: "Hello" };
  const error = await raises(OpenAI.RateLimitError, () => responses.create(body));
  assert.equal(error.headers.get("retry-after"), "1");
  assert(error.requestID, "the request has no name");
}

async function death(provider) {
  const body = { model: `${provider}/dying`, input: "Hello", stream: true };
  const events = await all(await responses.create(body));
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), "Good morning ");
  assert.equal(events.at(-1).type, "response.failed");
  assert.equal(events.at(-1).response.error.code, "server_error");
}

async function unknown_model() {
  const error = await raises(OpenAI.NotFoundError, () => responses.create({ model: "lisetd", input: "Hi" }));
  assert.equal(error.code, "model_not_found");
  assert.equal(error.param, "model");
}

async function bad_request() {
  for (const provider of upstreams) {
    const body = { model: `${provider}/text`, input: "Hi", previous_response_id: "resp_1" };
    if (provider === "responses") continue;
    const error = await raises(OpenAI.BadRequestError, () => responses.create(body));
    assert.equal(error.param, "previous_response_id");
  }
}

await run([
  ...of_each(
    everybody, whole, streamed, streamed_with_the_helper, tools, streamed_tools, thoughts,
    structured, picture,
  ),
  ...of_each(
    upstreams, thoughts_before_tools, streamed_thoughts_before_tools, rate_limit, death,
  ),
  ...[unknown_model, bad_request].map((check) => [check]),
]);
