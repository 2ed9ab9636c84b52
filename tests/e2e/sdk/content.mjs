// What a program with Google's official JavaScript SDK gets from Penstock, whoever answers.
//
// Usage: content.mjs BASE_URL, which ends in /v1, with the key in OPENAI_API_KEY and the directory of
// node_modules in SDK_DIRECTORY. The upstreams behind it play scenarios by the model's name
// (tests/e2e/tests/e2e/sdk/scenario.rs).

import assert from "node:assert/strict";
import {
  about, all, check_weather, cities, city, everybody, key, names, of_each, pixel, question, raises,
  require, result, root, run, text, thought, upstreams,
} from "./checking.mjs";

const { ApiError, FinishReason, GoogleGenAI } = require("@google/genai");

const { models } = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: root, timeout: 20_000 } });
const offered = {
  tools: [{
    functionDeclarations: names.map((name) => ({
      name, description: about[name], parametersJsonSchema: city,
    })),
  }],
};
const weather = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
};
const thinking = { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
const parts_of = (answer) => answer.candidates?.[0]?.content?.parts ?? [];
const said = (answer) =>
  parts_of(answer).filter((part) => part.text && !part.thought).map((part) => part.text).join("");

async function whole(provider) {
  const answer = await models.generateContent({ model: `${provider}/text`, contents: "Hello" });
  assert.equal(answer.candidates[0].finishReason, FinishReason.STOP);
  if (provider === "mock") return assert.match(said(answer), /Hello/);
  assert.equal(said(answer), text);
  const usage = answer.usageMetadata;
  assert.equal(usage.promptTokenCount, 11);
  assert.equal(usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0), 7);
  assert.equal(usage.cachedContentTokenCount, 3);
}

async function streamed(provider) {
  const body = { model: `${provider}/text`, contents: "Hello" };
  const once = await models.generateContent(body);
  const chunks = await all(await models.generateContentStream(body));
  const pieces = chunks.map(said).filter(Boolean);
  assert.equal(pieces.join(""), said(once));
  assert(pieces.length > 2, "it came in one piece");
  assert.equal(chunks.at(-1).candidates[0].finishReason, FinishReason.STOP);
  assert.equal(chunks.at(-1).usageMetadata.totalTokenCount, once.usageMetadata.totalTokenCount);
}

async function answered(body, parts) {
  const calls = parts.filter((part) => part.functionCall).map((part) => part.functionCall);
  assert.deepEqual(calls.map((call) => call.name), names);
  assert.deepEqual(calls.map((call) => call.args.city), cities);
  const results = calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { result } } }));
  const contents = [
    { role: "user", parts: [{ text: question }] },
    { role: "model", parts },
    { role: "user", parts: results },
  ];
  const last = await models.generateContent({ ...body, contents });
  assert(said(last));
  assert(!last.functionCalls);
}

const streamed_parts = async (body) => (await all(await models.generateContentStream(body))).flatMap(parts_of);

async function tools(provider) {
  const body = { model: `${provider}/tools`, contents: question, config: offered };
  await answered(body, parts_of(await models.generateContent(body)));
}

async function streamed_tools(provider) {
  const body = { model: `${provider}/tools`, contents: question, config: offered };
  await answered(body, await streamed_parts(body));
}

function check_thought(parts) {
  const thoughts = parts.filter((part) => part.thought).map((part) => part.text);
  assert.equal(thoughts.join(""), thought);
}

async function thoughts(provider) {
  const body = { model: `${provider}/think`, contents: question, config: thinking };
  const answer = await models.generateContent(body);
  check_thought(parts_of(answer));
  assert.equal(answer.usageMetadata.thoughtsTokenCount, 2);
  const contents = [
    { role: "user", parts: [{ text: question }] },
    answer.candidates[0].content,
    { role: "user", parts: [{ text: "Go on" }] },
  ];
  assert(said(await models.generateContent({ ...body, contents })));
}

async function thoughts_before_tools(provider) {
  const config = { ...offered, ...thinking };
  const body = { model: `${provider}/think`, contents: question, config };
  const parts = parts_of(await models.generateContent(body));
  check_thought(parts);
  await answered(body, parts);
}

async function streamed_thoughts_before_tools(provider) {
  const config = { ...offered, ...thinking };
  const body = { model: `${provider}/think`, contents: question, config };
  const parts = await streamed_parts(body);
  check_thought(parts);
  await answered(body, parts);
}

async function structured(provider) {
  const config = { responseMimeType: "application/json", responseJsonSchema: weather };
  const answer = await models.generateContent({ model: `${provider}/json`, contents: question, config });
  check_weather(provider, JSON.parse(said(answer)));
}

async function picture(provider) {
  const parts = [{ inlineData: { data: pixel, mimeType: "image/png" } }, { text: "Hello" }];
  const config = { systemInstruction: "Be brief.", maxOutputTokens: 100 };
  const contents = [{ role: "user", parts }];
  assert(said(await models.generateContent({ model: `${provider}/picture`, contents, config })));
}

async function rate_limit(provider) {
  const body = { model: `${provider}/limited`, contents: "Hello" };
  const error = await raises(ApiError, () => models.generateContent(body));
  assert.equal(error.status, 429);
  assert.match(error.message, /RESOURCE_EXHAUSTED/);
}

async function death(provider) {
  const pieces = [];
  const stream = await models.generateContentStream({ model: `${provider}/dying`, contents: "Hello" });
  const error = await raises(ApiError, async () => {
    for await (const chunk of stream) pieces.push(said(chunk));
  });
  assert.equal(pieces.join(""), "Good morning ");
  assert(error.status >= 500, error.message);
}

async function unknown_model() {
  const body = { model: "lisetd", contents: "Hello" };
  const error = await raises(ApiError, () => models.generateContent(body));
  assert.equal(error.status, 404);
  assert.match(error.message, /listed/);
}

await run([
  ...of_each(everybody, whole, streamed, tools, streamed_tools, structured, picture),
  ...of_each(
    upstreams, thoughts, thoughts_before_tools, streamed_thoughts_before_tools, rate_limit, death,
  ),
  [unknown_model],
]);
