// Vercel's AI SDK with its provider for Anthropic.
import { createAnthropic } from "@ai-sdk/anthropic";
import { tried } from "./ai_sdk.mjs";
import { key, openaiUrl } from "./report.mjs";

await tried(createAnthropic({ baseURL: openaiUrl, apiKey: key }));
