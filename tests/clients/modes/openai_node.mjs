// openai for Node.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { categorised, free, key, labels, openaiUrl, run, text, worded } from "./report.mjs";

const client = new OpenAI({ baseURL: openaiUrl, apiKey: key });
const messages = [{ role: "user", content: text }];
const Triage = z.object({ category: z.enum(["symptoms", "appointment", "billing", "needs_review"]) });

await run({
  chat: async () => {
    const answer = await client.chat.completions.create({ model: labels, messages });
    return categorised(JSON.parse(answer.choices[0].message.content));
  },
  "chat, streamed": async () => {
    let said = "";
    for await (const chunk of await client.chat.completions.create({ model: labels, messages, stream: true }))
      said += chunk.choices[0]?.delta?.content ?? "";
    return categorised(JSON.parse(said));
  },
  text: async () =>
    worded((await client.chat.completions.create({ model: free, messages, max_tokens: 8 })).choices[0].message.content),
  "structured output": async () =>
    categorised(
      (await client.chat.completions.parse({ model: labels, messages, response_format: zodResponseFormat(Triage, "triage") }))
        .choices[0].message.parsed,
    ),
  responses: async () => categorised(JSON.parse((await client.responses.create({ model: labels, input: text })).output_text)),
  "responses, structured output": async () =>
    categorised(
      (await client.responses.parse({ model: labels, input: text, text: { format: zodTextFormat(Triage, "triage") } }))
        .output_parsed,
    ),
});
