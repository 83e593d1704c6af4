// Vercel's AI SDK with its provider for what is compatible with OpenAI.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { tried } from "./ai_sdk.mjs";
import { key, openaiUrl } from "./report.mjs";

await tried(createOpenAICompatible({ name: "postil", baseURL: openaiUrl, apiKey: key }));
