// node way.mjs LINK CREDENTIAL: an operator signs in and follows one learner from a badge's id to the application.
// Prints one JSON document: what the pages said on the way.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [link, credential] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), "cme-way-"));
const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const browser = await chromium.launchPersistentContext(profile, { executablePath, args });
const page = await browser.newPage();
const said = {};

await page.goto(link);
said.address = page.url();
await page.getByRole("link", { name: "Ways" }).click();
await page.getByLabel("Id", { exact: true }).fill(credential);
await page.getByRole("button", { name: "Show its way" }).click();
said.traces = await page.locator("tbody tr").count();
const learner = page.locator("a[href^='/way?id=enr_']").first();
said.learner = await learner.textContent();
await learner.click();
said.learnersTraces = await page.locator("tbody tr").count();
await page.locator("tbody tr", { hasText: "credentials" }).first().getByRole("link").click();
said.waterfall = await page.locator("ol.trace li .name a").allTextContents();
const process_ = page.locator("details.disclosure", { hasText: "process cme.assessment.credit.recognised" }).first();
await process_.locator("summary").click();
said.drawer = await process_.locator("dl").first().innerText();
said.logs = await page.locator("#logs").count();

await browser.close();
rmSync(profile, { recursive: true, force: true });
console.log(JSON.stringify(said));
