// Runs the checks of a script of this folder: a line per check, exit status 1 if one fails.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

export const require = createRequire(`${process.env.SDK_DIRECTORY}/`);
// Ends in /v1.
export const base = process.argv[2];
export const root = base.replace(/\/v1$/, "");
export const key = process.env.OPENAI_API_KEY;

export const upstreams = ["openai", "responses", "anthropic", "gemini"];
export const everybody = ["mock", ...upstreams];
export const text = "Good morning from upstream";
export const thought = "They ask politely";
export const question = "What is the weather in Oslo, and the time in Bergen?";
export const result = "21 degrees at noon";
export const names = ["get_weather", "get_time"];
export const cities = ["Oslo", "Bergen"];
export const about = { get_weather: "Tells the weather of a city.", get_time: "Tells the time in a city." };
export const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const pixel =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export async function raises(kind, call) {
  try {
    await call();
  } catch (error) {
    assert(error instanceof kind, `${error.constructor.name}: ${error.message}`);
    return error;
  }
  assert.fail(`${kind.name} was not raised`);
}

export async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

// What stands in the schema of `json`; the upstreams all say the same.
export function check_weather(provider, weather) {
  if (provider !== "mock") assert.deepEqual(weather, { city: "Oslo", degrees: 7 });
  assert.equal(typeof weather.city, "string");
  assert(Number.isInteger(weather.degrees), JSON.stringify(weather));
}

export const of_each = (providers, ...checks) =>
  checks.flatMap((check) => providers.map((provider) => [check, provider]));

export async function run(checks) {
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
}
