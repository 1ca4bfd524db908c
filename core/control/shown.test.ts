import { expect, test } from "bun:test";
import { parseDocuments } from "../schema/mod.ts";
import { documentShown, stateOf } from "./shown.ts";

test("a document is told as it was written, with what the mesh adds and without a status of its author's", () => {
  const service = `{apiVersion: v1, kind: Service, metadata: {name: web, generation: 7}, status: {loadBalancer: {}},
    spec: {ports: [{port: 80}]}}`;

  expect(documentShown(documentIn(service), null, false)).toEqual({
    ...{ apiVersion: "v1", kind: "Service", metadata: { name: "web", generation: 7 } },
    spec: { ports: [{ port: 80 }] },
  });
  expect(documentShown(documentIn(service), { conditions: [] }, false)).toMatchObject({ status: { conditions: [] } });
});

test("no form of a Secret tells what it holds, and none can be taken back for it", () => {
  const secret = `{apiVersion: v1, kind: Secret, data: {a: c2VjcmV0}, stringData: {b: secret},
    metadata: {name: s, annotations: {kubectl.kubernetes.io/last-applied-configuration: secret, other: kept}}}`;
  const shown = documentShown(documentIn(secret), null, false);

  expect(shown).toEqual({
    ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "s", annotations: { other: "kept" } } },
    data: { a: "(hidden)", b: "(hidden)" },
  });
  expect(parseDocuments([{ file: "", text: JSON.stringify(shown) }]).problems).not.toEqual([]);
  expect(JSON.stringify(documentShown(documentIn(secret), null, true))).toContain("c2VjcmV0");
});

test("a state says at how many of its parents something is accepted", () => {
  const parent = (status: string) => ({ conditions: [{ type: "Accepted", status }] });

  expect(stateOf({ parents: [parent("True"), parent("True")] })).toEqual({ accepted: "True" });
  expect(stateOf({ parents: [parent("True"), parent("False")] })).toEqual({ accepted: "1/2" });
  expect(stateOf({ ancestors: [parent("False")] })).toEqual({ accepted: "False" });
  expect(stateOf({ ancestors: [] })).toBeNull();
  expect(stateOf(null)).toBeNull();
});

function documentIn(text: string) {
  const { documents, problems } = parseDocuments([{ file: "test.yaml", text }]);
  expect(problems).toEqual([]);
  return documents[0]!;
}
