// node dead_letters.mjs LINK: an operator decides about three dead letters of outreach, without script.
// Prints one JSON document: what the pages said on the way.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [link] = process.argv.slice(2);
const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const profile = mkdtempSync(join(tmpdir(), "cme-letters-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath, args, javaScriptEnabled: false });
const page = await browser.newPage();
const said = {};

const open = async (number) => {
  await page.getByRole("link", { name: "Dead letters", exact: true }).first().click();
  const row = page.locator("tbody tr", { has: page.getByRole("link", { name: `outreach ${number}`, exact: true }) });
  await row.getByRole("link", { name: `outreach ${number}`, exact: true }).click();
};
const letters = () => page.locator("tbody tr th a").filter({ hasText: "outreach" }).allTextContents();
const notice = async () => (await page.locator(".notice[role=status]").textContent()).trim();

await page.goto(link);
await open(2);
await page.getByRole("button", { name: "Redrive this letter" }).click();
said.failedAgain = await notice();
await page.getByRole("button", { name: "Discard this letter" }).click();
said.withoutReason = { title: (await page.title()).startsWith("Error: ") };
await page.getByLabel("Reason", { exact: true }).fill("trial run");
await page.getByRole("button", { name: "Discard this letter" }).click();
said.discarded = await notice();
await open(3);
await page.getByRole("button", { name: "Try it without changing anything" }).click();
said.rehearsed = await notice();
await page.getByRole("button", { name: "Redrive this letter" }).click();
said.redriven = await notice();
said.left = await letters();

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(JSON.stringify(said));
