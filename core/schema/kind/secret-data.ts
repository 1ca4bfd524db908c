import { z } from "zod";

/** Keys of a Secret or a ConfigMap. */
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** Pairs whose values no problem shows; `read` gives null for a value that is not `form`. */
export function secretTexts(form: string, read: (value: string) => string | null) {
  return z.unknown().transform((input, context): Readonly<Record<string, string>> => {
    const refuse = (message: string, path: string[]) => {
      context.issues.push({ code: "custom", message, input, path, params: { hidden: true } });
    };
    if (typeof input !== "object" || input === null || Array.isArray(input)) {
      refuse("an object", []);
      return z.NEVER;
    }
    return Object.fromEntries(
      Object.entries(input).map(([key, value]) => {
        if (!KEY.test(key)) refuse("left out: its key has more than letters, digits, -, _ and .", [key]);
        // An empty value that was written as nothing is empty text to YAML's users.
        const text = typeof value === "string" ? read(value) : value === null ? "" : null;
        if (text === null) refuse(form, [key]);
        return [key, text ?? ""];
      }),
    );
  });
}

/** Base64 with its padding, lines allowed, as UTF-8. */
export function decoded(value: string): string | null {
  const compact = value.replace(/\s+/g, "");
  const isBase64 = compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact);
  return isBase64 ? Buffer.from(compact, "base64").toString("utf8") : null;
}
