import { expect, test } from "bun:test";
import { latin1 } from "../base/mod.ts";
import { Field, fieldNamed, fieldOf } from "./field.ts";

const NAMES = Object.entries(Field).map(([key, id]) => [nameOf(key), id] as const);

test("fieldOf() knows every name by its number, whatever the case", () => {
  for (const [name, id] of NAMES.slice(1)) {
    expect([name, number(name)]).toEqual([name, id]);
    expect([name, number(name.toUpperCase())]).toEqual([name, id]);
    expect(fieldNamed(name)).toBe(id);
  }
});

test("fieldOf() tells a name spelt with _ apart by its sign", () => {
  for (const [name, id] of NAMES.slice(1).filter(([name]) => name.includes("-"))) {
    expect([name, number(name.replaceAll("-", "_"))]).toEqual([name, -id]);
    expect([name, number(name.replace("-", "_").toUpperCase())]).toEqual([name, -id]);
  }
});

test("fieldOf() knows no name that differs in one byte", () => {
  for (const [name] of NAMES.slice(1)) {
    for (let i = 0; i < name.length; i++) {
      for (const c of "!~_^.x-0") {
        if (c === name[i] || (c === "_" && name[i] === "-")) continue;
        const other = name.slice(0, i) + c + name.slice(i + 1);
        expect([other, number(other)]).toEqual([other, Field.Unknown]);
      }
    }
    for (const other of [`${name}s`, name.slice(1), name.slice(0, -1), `x${name}`]) {
      if (other !== "" && fieldNamed(other) === Field.Unknown) expect([other, number(other)]).toEqual([other, 0]);
    }
  }
});

function number(name: string): number {
  return fieldOf(latin1(`--${name}--`), 2, 2 + name.length);
}

/** "XForwardedFor" is x-forwarded-for. */
function nameOf(key: string): string {
  if (key === "MeshUnsent") return "x-mesh-unsent";
  if (key === "MeshReset") return "x-mesh-reset";
  return key.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
