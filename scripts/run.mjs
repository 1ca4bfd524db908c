#!/usr/bin/env node
// Plain Node, because it runs before anything is installed:
//   node scripts/run.mjs FILE.ts [ARG…]
// installs what package-lock.json names where node_modules is missing or old,
// then runs the file under the pinned Bun.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bun = join(root, "node_modules", ".bin", "bun");

if (isStale()) install();
if (spawnSync(bun, ["--version"]).status !== 0) {
  fail('Cannot run bun: its install script did not run. Allow it and repeat: "npm rebuild bun"');
}
await exec(bun, process.argv.slice(2));

/** Whether some package of the lock file is missing in node_modules, or there in another version. */
function isStale() {
  const installed = packagesOf(join(root, "node_modules", ".package-lock.json"));
  const wanted = packagesOf(join(root, "package-lock.json"));
  return Object.entries(wanted).some(([path, want]) => {
    if (path === "") return false;
    const have = installed[path];
    return have === undefined ? !want.optional : have.version !== want.version;
  });
}

function packagesOf(lockFile) {
  return existsSync(lockFile) ? JSON.parse(readFileSync(lockFile, "utf8")).packages : {};
}

function install() {
  console.error("node_modules is missing or old: npm ci");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: root, stdio: "inherit" });
  if (npm.status !== 0) fail('Cannot install the dependencies: "npm ci" failed, see above');
}

/** Becomes the command, as near as Node can: its output, its signals, its exit code. */
async function exec(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: "inherit" });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  // A terminal sends it to both of us; forwarded, it would arrive twice, and twice means "stop now".
  process.on("SIGINT", () => {});
  const { code, signal } = await new Promise((resolve) => {
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  process.exit(code ?? 128 + constants.signals[signal]);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
