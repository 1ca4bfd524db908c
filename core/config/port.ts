/** What `parsePort` takes, for messages. */
export const PORT = "a port from 1 to 65535";

/** Reads a port: a whole number, or its digits as text. Null for anything else. */
export function parsePort(input: unknown): number | null {
  const port = typeof input === "string" && /^\d{1,5}$/.test(input) ? Number(input) : input;
  return isPort(port) ? port : null;
}

export function isPort(input: unknown): input is number {
  return typeof input === "number" && Number.isInteger(input) && input >= 1 && input <= 65535;
}
