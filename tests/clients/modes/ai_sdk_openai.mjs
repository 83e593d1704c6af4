// Vercel's AI SDK with its provider for OpenAI.
import { createOpenAI } from "@ai-sdk/openai";
import { tried } from "./ai_sdk.mjs";
import { key, openaiUrl } from "./report.mjs";

await tried(createOpenAI({ baseURL: openaiUrl, apiKey: key }));
