// What a program with Vercel's AI SDK gets from Penstock, through each of its providers and whoever
// answers.
//
// Usage: vercel.mjs BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY and the directory of
// node_modules in SDK_DIRECTORY. The upstreams behind it play scenarios by the model's name
// (tests/e2e/tests/e2e/sdk/scenario.rs).

import assert from "node:assert/strict";
import {
  about, all, base, check_weather, cities, everybody, key, names, of_each, pixel, question, raises,
  require, result, root, run, text, thought, upstreams,
} from "./checking.mjs";

const { APICallError, generateObject, generateText, stepCountIs, streamObject, streamText, tool } = require("ai");
const { createOpenAI } = require("@ai-sdk/openai");
const { createAnthropic } = require("@ai-sdk/anthropic");
const { createGoogleGenerativeAI } = require("@ai-sdk/google");
const { z } = require("zod");

globalThis.AI_SDK_LOG_WARNINGS = false;

const openai = createOpenAI({ baseURL: base, apiKey: key });
const anthropic = createAnthropic({ baseURL: base, apiKey: key });
const google = createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey: key });
// How the SDK is told to think, and what each of its providers makes of a model's name.
const speakers = {
  chat: { model: (name) => openai.chat(name), think: { openai: { reasoningEffort: "low", forceReasoning: true } } },
  responses: {
    model: (name) => openai.responses(name),
    think: {
      openai: {
        reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true, store: false,
        include: ["reasoning.encrypted_content"],
      },
    },
  },
  messages: {
    model: (name) => anthropic(name),
    think: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } },
  },
  gemini: {
    model: (name) => google(name),
    think: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } },
  },
};
const calm = { maxRetries: 0 };
const Weather = z.object({ city: z.string(), degrees: z.number().int() });

// Every check with every provider of the SDK before every provider behind Penstock.
const crossed = (providers, ...checks) =>
  Object.entries(speakers).flatMap(([spoken, speaker]) =>
    of_each(providers, ...checks).map(([check, provider]) => [
      Object.defineProperty(() => check(speaker, provider), "name", { value: `${check.name}: ${spoken}` }),
      provider,
    ]),
  );

async function whole({ model }, provider) {
  const answer = await generateText({ ...calm, model: model(`${provider}/text`), prompt: "Hello" });
  assert.equal(answer.finishReason, "stop");
  if (provider === "mock") return assert.match(answer.text, /Hello/);
  assert.equal(answer.text, text);
  assert.deepEqual([answer.usage.inputTokens, answer.usage.outputTokens], [11, 7]);
  assert.equal(answer.usage.inputTokenDetails.cacheReadTokens, 3);
}

async function streamed({ model }, provider) {
  const once = await generateText({ ...calm, model: model(`${provider}/text`), prompt: "Hello" });
  const errors = [];
  const stream = streamText({
    ...calm, model: model(`${provider}/text`), prompt: "Hello", onError: ({ error }) => errors.push(error),
  });
  const pieces = await all(stream.textStream);
  assert.deepEqual(errors, []);
  assert.equal(pieces.join(""), once.text);
  assert(pieces.length > 2, "it came in one piece");
  assert.equal(await stream.finishReason, "stop");
  assert.equal((await stream.usage).totalTokens, once.usage.totalTokens);
}

function runnable(asked) {
  const one = (name) => tool({
    description: about[name],
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(`${name} ${city}`);
      return result;
    },
  });
  return Object.fromEntries(names.map((name) => [name, one(name)]));
}

function check_steps(asked, steps) {
  assert.deepEqual(asked.sort(), ["get_time Bergen", "get_weather Oslo"]);
  assert.deepEqual(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
  assert.deepEqual(steps[0].toolCalls.map((call) => call.input.city), cities);
  assert(steps[1].text);
}

async function tools({ model }, provider) {
  const asked = [];
  const answer = await generateText({
    ...calm, model: model(`${provider}/tools`), prompt: question, tools: runnable(asked),
    stopWhen: stepCountIs(3),
  });
  check_steps(asked, answer.steps);
}

async function streamed_tools({ model }, provider) {
  const asked = [];
  const stream = streamText({
    ...calm, model: model(`${provider}/tools`), prompt: question, tools: runnable(asked),
    stopWhen: stepCountIs(3), onError: () => {},
  });
  await stream.consumeStream();
  check_steps(asked, await stream.steps);
}

// The SDK asks only models whose names it knows for a schema.
const enforced = { anthropic: { structuredOutputMode: "outputFormat" } };

async function structured({ model }, provider) {
  const answer = await generateObject({
    ...calm, model: model(`${provider}/json`), prompt: question, schema: Weather,
    providerOptions: enforced,
  });
  check_weather(provider, answer.object);
}

async function streamed_structured({ model }, provider) {
  const stream = streamObject({
    ...calm, model: model(`${provider}/json`), prompt: question, schema: Weather,
    providerOptions: enforced, onError: () => {},
  });
  for await (const _ of stream.partialObjectStream);
  check_weather(provider, await stream.object);
}

async function picture({ model }, provider) {
  const content = [
    { type: "image", image: Buffer.from(pixel, "base64"), mediaType: "image/png" },
    { type: "text", text: "Hello" },
  ];
  const messages = [{ role: "user", content }];
  const answer = await generateText({
    ...calm, model: model(`${provider}/picture`), system: "Be brief.", messages,
  });
  assert(answer.text);
}

// OpenAI's own chat completions tell no thoughts, so that the SDK's provider for them reads none; what
// it must get is how many tokens they were.
function check_thought(step) {
  if (step.reasoningText === undefined) assert(step.usage.outputTokenDetails.reasoningTokens > 0);
  else assert.equal(step.reasoningText, thought);
}

const spoken_of = (speaker) => Object.keys(speakers).find((name) => speakers[name] === speaker);

async function thoughts(speaker, provider) {
  const answer = await generateText({
    ...calm, model: speaker.model(`${provider}/think`), prompt: question, providerOptions: speaker.think,
  });
  assert.equal(answer.text, text);
  check_thought(answer);
  assert.equal(answer.reasoningText === undefined, spoken_of(speaker) === "chat");
}

// The SDK's provider for chat completions forgets everything that OpenAI does not send; the gateway does
// not.
async function thoughts_before_tools(speaker, provider) {
  const asked = [];
  const answer = await generateText({
    ...calm, model: speaker.model(`${provider}/think`), prompt: question, tools: runnable(asked),
    stopWhen: stepCountIs(3), providerOptions: speaker.think,
  });
  check_steps(asked, answer.steps);
  check_thought(answer.steps[0]);
}

async function streamed_thoughts_before_tools(speaker, provider) {
  const asked = [];
  const stream = streamText({
    ...calm, model: speaker.model(`${provider}/think`), prompt: question, tools: runnable(asked),
    stopWhen: stepCountIs(3), providerOptions: speaker.think, onError: () => {},
  });
  await stream.consumeStream();
  const steps = await stream.steps;
  check_steps(asked, steps);
  check_thought(steps[0]);
}

async function rate_limit({ model }, provider) {
  const error = await raises(APICallError, () =>
    generateText({ ...calm, model: model(`${provider}/limited`), prompt: "Hello" }),
  );
  assert.equal(error.statusCode, 429);
  assert(error.isRetryable);
  assert.equal(error.responseHeaders["retry-after"], "1");
  // Read as an error of the dialect, not only as its status.
  assert(error.data, error.responseBody);
}

async function death({ model }, provider) {
  const parts = await all(
    streamText({
      ...calm, model: model(`${provider}/dying`), prompt: "Hello", onError: () => {},
    }).fullStream,
  );
  const said = parts.filter((part) => part.type === "text-delta").map((part) => part.text);
  assert.equal(said.join(""), "Good morning ");
  const ended = parts.find((part) => part.type === "finish")?.finishReason;
  const failed = parts.some((part) => part.type === "error");
  // Of a chunk with `finish_reason: "error"` the SDK makes an end that is neither.
  assert(failed || ended === "error" || ended === "other", JSON.stringify(parts.at(-1)));
}

async function unknown_model({ model }) {
  const error = await raises(APICallError, () =>
    generateText({ ...calm, model: model("lisetd"), prompt: "Hello" }),
  );
  assert.equal(error.statusCode, 404);
  assert.match(error.message, /listed/);
}

await run([
  ...crossed(everybody, whole, streamed, tools, streamed_tools, structured, streamed_structured, picture),
  ...crossed(
    upstreams, thoughts, thoughts_before_tools, streamed_thoughts_before_tools, rate_limit, death,
  ),
  ...crossed(["nobody"], unknown_model),
]);
