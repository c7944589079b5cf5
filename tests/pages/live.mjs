// node live.mjs LINK: a list follows what happens, stands still while it is paused, and catches up.
// Prints one JSON document: how many traces the list had at each step.
import { mkdtempSync, rmSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [link] = process.argv.slice(2);
const base = new URL(link).origin;
const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const profile = mkdtempSync(join(tmpdir(), "cme-live-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath, args });
const page = await browser.newPage();
const said = { errors: [] };
page.on("console", (message) => { if (message.type() === "error") said.errors.push(message.text()); });
page.on("pageerror", (error) => said.errors.push(String(error)));

const happen = async () => {
  const now = `${Date.now()}000000`;
  const span = { traceId: randomBytes(16).toString("hex"), spanId: randomBytes(8).toString("hex"), name: "followed", kind: 2 };
  const spans = [{ ...span, startTimeUnixNano: now, endTimeUnixNano: now }];
  const body = JSON.stringify({ resourceSpans: [{ resource: { attributes: [] }, scopeSpans: [{ spans }] }] });
  await fetch(`${base}/v1/traces`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
};
const rows = () => page.locator("#live tbody tr").count();
const until = (count) => page.waitForFunction((n) => document.querySelectorAll("#live tbody tr").length === n, count);

await page.goto(link);
await page.goto(`${base}/traces?operation=followed`);
said.before = await rows();
await happen();
await until(1);
await page.getByRole("button", { name: "Pause updates" }).click();
await happen();
await page.waitForTimeout(5000);
said.paused = await rows();
await page.getByRole("button", { name: "Resume updates" }).click();
await until(2);
said.resumed = await rows();

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(JSON.stringify(said));
