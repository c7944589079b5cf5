// node portal.mjs WALK.json: a new partner's way through the portal, from signing up to a verified webhook.
// WALK.json: {"api", "mail", "receiver", "language", "folder", "script"}. The receiver verifies with the secret that is
// written to FOLDER/secret. Prints one JSON document: what came of each step. PAGE_SHOTS=DIR keeps pictures.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launch, overflow, violations } from "./looking.mjs";

const { api, mail, receiver, language, folder, script } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const PASSWORD = "a horse on the Baltic shore";
const EVENT = "com.clustereducation.curriculum.offering.published.v1";
const SIZES = [[1280, "light"], [390, "dark"]];
const address = `ona.${language}.${Date.now()}@partner.example`;
const { browser, close } = await launch({ javaScriptEnabled: script });
const page = await browser.newPage();
const said = { looked: 0, findings: [], titles: {} };
let here = "";
// A form that is refused answers 422, which the console repeats.
page.on("console", (message) => { if (message.type() === "error" && !message.text().includes("422")) said.findings.push(`${here}: ${message.text()}`); });
page.on("pageerror", (error) => said.findings.push(`${here}: ${error}`));

// What a person would meet on the page, on a desk in the light and on a phone in the dark.
const look = async (name) => {
  here = name;
  await page.waitForLoadState();
  said.titles[name] = await page.title();
  if (!script) return;
  for (const [width, colorScheme] of SIZES) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const found = (what) => said.findings.push(`${name}, ${width} px: ${what}`);
    if ((await overflow(page)) > 0) found(`overflow of ${await overflow(page)} px`);
    if ((await page.locator("html").getAttribute("lang")) !== language) found("another language");
    for (const violation of await violations(browser, page)) found(violation);
    if (process.env.PAGE_SHOTS) {
      const path = join(process.env.PAGE_SHOTS, `portal-${name}-${language}-${width}-${colorScheme}.png`);
      await page.screenshot({ path, fullPage: true });
    }
    said.looked += 1;
  }
  await page.setViewportSize({ width: 320, height: 900 });
  if ((await overflow(page)) > 0) said.findings.push(`${name}, 320 px: overflow of ${await overflow(page)} px`);
  await page.setViewportSize({ width: 1280, height: 900 });
};
const send = (action) => page.locator(`form[action="${action}"] button`).first().click();
const mailed = async () => {
  for (let tries = 0; tries < 100; tries += 1) {
    const { items } = await (await fetch(`${mail}/api/messages?to=${encodeURIComponent(address)}`)).json();
    if (items.length) return items[0].text.match(/https?:\S+/)[0];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no mail came to ${address}`);
};

// Sign up: from the portal over the sign-in page to the mailbox and back.
const began = Date.now();
await page.goto(`${api}/portal?lang=${language}`);
await page.goto(`${api}/login?return_to=%2Fportal&lang=${language}`);
await page.locator('a[href^="/signup"]').first().click();
await look("sign-up");
await page.fill("#display_name", "Ona Onaitė");
await page.fill("#email", address);
await page.fill("#organisation_name", "Baltic Wood Cluster");
await page.selectOption("#language", language);
await page.fill("#new_password", PASSWORD);
await send("/signup");
await page.goto(await mailed());
await look("confirm");
await page.fill("#password", PASSWORD);
await send("/signup/confirm");
await page.waitForURL("**/portal*");
await look("first-page");

// The first call, exactly as it is shown.
await send("/portal/sandbox");
await look("credentials");
const lines = await page.locator("pre").first().innerText();
said.answer = JSON.parse(execFileSync("/bin/sh", ["-c", lines], { encoding: "utf8", timeout: 280_000 }));
said.seconds = (Date.now() - began) / 1000;
said.clientId = lines.match(/test_[0-9a-f]+/)[0];
said.secret = lines.match(/cme_test_[\w-]+/)[0];
const application = `${api}/portal/applications/${said.clientId}`;
await page.goto(`${api}/portal`);
await look("first-page-after");
said.stepsDone = await page.locator(".timeline .done").count();

// A webhook, and a test event that its receiver verifies.
await page.locator(`a[href="/portal/applications/${said.clientId}"]`).first().click();
await look("application");
await page.goto(`${application}/webhooks`);
await look("no-webhooks");
await page.locator(`a[href$="/webhooks/new"]`).click();
await look("new-webhook");
await page.fill("#url", receiver);
await page.fill("#description", "Courses");
await page.locator(`details:has([value="${EVENT}"]) > summary`).click();
await page.check(`[value="${EVENT}"]`);
await send(`/portal/applications/${said.clientId}/webhooks/new`);
await look("webhook-made");
const secret = (await page.locator("dd.secret").last().innerText()).trim();
writeFileSync(join(folder, "secret"), secret);
await page.locator('form[action$="/tests"] button').click();
await page.waitForURL("**/deliveries/*");
await look("delivery");
said.delivered = await page.locator(".notice.ok").count();
said.status = (await page.locator("details.disclosure > summary").first().innerText()).trim().split(/\s/)[0];
const delivery = page.url();
await page.goto(delivery.split("/deliveries/")[0]);
await look("webhook");
said.deliveries = await page.locator("tbody tr").count();

// A receiver that refuses, and sending it again.
writeFileSync(join(folder, "secret"), "whsec_AAAA");
await page.locator('form[action$="/tests"] button').click();
await page.waitForURL("**/deliveries/*");
await look("delivery-refused");
said.refused = await page.locator(".notice.failed").count();
writeFileSync(join(folder, "secret"), secret);
await page.locator('form[action$="/resend"] button').first().click();
await page.waitForLoadState();
said.resent = await page.locator(".notice.ok").count();

// The rest of what a partner sees.
for (const part of ["secrets", "usage", "webhooks"]) {
  await page.goto(`${application}/${part}`);
  await look(part);
}
said.requests = await page.goto(`${application}/usage`).then(() => page.locator("tbody th .secret").allInnerTexts());
for (const [name, path] of [
  ["webhook-settings", `${delivery.split("/deliveries/")[0]}/settings`.replace(api, "")],
  ["kinds", "/portal/applications/new"], ["new-app", "/portal/applications/new?kind=app"],
  ["new-system", "/portal/applications/new?kind=system"], ["guides", "/portal/guides"],
  ["guide-call", "/portal/guides/call"], ["guide-events", "/portal/guides/events"],
  ["guide-catalogue", "/portal/guides/catalogue"], ["events", "/docs/events"],
]) {
  await page.goto(api + path);
  await look(name);
}
await page.goto(`${api}/portal/applications/new?kind=app`);
await page.fill("#name", "An app");
await page.fill("#redirect_uris", "http://partner.example/callback");
await send("/portal/applications/new?kind=app");
await look("refused-form");
said.errors = await page.locator(".errors a").count();
await page.goto(application);
await send(`/portal/applications/${said.clientId}/live`);
await look("live");

await close();
console.log(JSON.stringify(said));
