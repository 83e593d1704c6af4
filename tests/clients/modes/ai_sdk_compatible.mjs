// Vercel's AI SDK with its provider for compatible.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, streamText } from "ai";
import { z } from "zod";
import { categorised, free, key, labels, openaiUrl, run, text, worded } from "./report.mjs";

const postil = createOpenAICompatible({ name: "postil", baseURL: openaiUrl, apiKey: key });
const schema = z.object({ category: z.enum(["symptoms", "appointment", "billing", "needs_review"]) });

await run({
  text: async () => categorised(JSON.parse((await generateText({ model: postil(labels), prompt: text })).text)),
  "text, streamed": async () => {
    let said = "";
    for await (const part of streamText({ model: postil(free), prompt: text, maxOutputTokens: 16 }).textStream) said += part;
    return worded(said);
  },
  "structured output": async () =>
    categorised((await generateObject({ model: postil(labels), schema, prompt: text })).object),
});
