// Runs the modes of one client, and prints a line of JSON for each; what it throws is the client's own error.

export const url = process.env.POSTIL_URL;
export const openaiUrl = `${url}/v1`;
export const key = process.env.POSTIL_KEY;
export const labels = "healthcare/triage";
export const free = "base";
export const text = "Since yesterday my throat hurts and I have a fever.";

export async function run(modes) {
  for (const [mode, ask] of Object.entries(modes)) {
    try {
      const said = await ask();
      console.log(JSON.stringify({ mode, ok: true, said: (typeof said === "string" ? said : JSON.stringify(said)).slice(0, 200) }));
    } catch (error) {
      const said = `${error?.name}: ${error?.message}`.replace(/\s+/g, " ").slice(0, 400);
      console.log(JSON.stringify({ mode, ok: false, said }));
    }
  }
}

export function categorised(found) {
  const value = typeof found === "string" ? found : found?.category;
  if (value !== "symptoms") throw new Error(`understood ${JSON.stringify(found)}`);
  return found;
}

export function worded(said) {
  if (typeof said !== "string" || !said.trim()) throw new Error(`understood ${JSON.stringify(said)}`);
  return said;
}
