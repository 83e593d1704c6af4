// anthropic for Node.
import Anthropic from "@anthropic-ai/sdk";
import { categorised, free, key, labels, run, text, url, worded } from "./report.mjs";

const client = new Anthropic({ baseURL: url, apiKey: key });
const messages = [{ role: "user", content: text }];

await run({
  messages: async () => {
    const answer = await client.messages.create({ model: labels, max_tokens: 32, messages });
    return categorised(JSON.parse(answer.content[0].text));
  },
  "messages, streamed": async () =>
    worded(await client.messages.stream({ model: free, max_tokens: 16, messages }).finalText()),
});
