import { expect, test } from "bun:test";
import { parseResults } from "./results.ts";

test("parseResults() counts what passed and names what failed or was skipped", () => {
  const results = parseResults(`<testsuites><testsuite name="a.test.ts" tests="4" failures="1" skipped="2">
    <testcase name="a &lt; b" classname="" time="0.1" file="a.test.ts" line="2" />
    <testcase name="refuses &quot;x&quot;" classname="" file="a.test.ts">
      <failure type="AssertionError" message="no">trace</failure>
    </testcase>
    <testcase name="in a namespace (skipped: not root)" classname="" file="a.test.ts"><skipped /></testcase>
    <testcase name="later" classname="" file="a.test.ts"><skipped message="TODO" /></testcase>
  </testsuite></testsuites>`);

  expect(results).toEqual({
    passed: 1,
    failed: ['a.test.ts: refuses "x"'],
    skipped: ["a.test.ts: in a namespace (skipped: not root)", "a.test.ts: later"],
  });
});

test("a results file that was never written counts nothing", () => {
  expect(parseResults("")).toEqual({ passed: 0, failed: [], skipped: [] });
});
