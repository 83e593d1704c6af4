// The modes of Vercel's AI SDK, which are the same with each of its providers.
import { generateObject, generateText, streamText } from "ai";
import { z } from "zod";
import { categorised, free, labels, run, text, worded } from "./report.mjs";

const schema = z.object({ category: z.enum(["symptoms", "appointment", "billing", "needs_review"]) });

export async function tried(postil) {
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
}
