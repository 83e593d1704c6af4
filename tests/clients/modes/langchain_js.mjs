// LangChain.js.
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { categorised, key, labels, openaiUrl, run, text } from "./report.mjs";

const model = new ChatOpenAI({ model: labels, apiKey: key, configuration: { baseURL: openaiUrl } });
const Triage = z.object({ category: z.enum(["symptoms", "appointment", "billing", "needs_review"]) });

await run({
  chat: async () => categorised(JSON.parse((await model.invoke(text)).content)),
  "structured output": async () => categorised(await model.withStructuredOutput(Triage).invoke(text)),
});
