// node passkeys.mjs ORIGIN USERNAME PASSWORD: somebody adds a passkey and signs in with it, by the authenticator of a real browser.
// Prints one JSON document: what the pages said on the way.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [origin, username, password] = process.argv.slice(2);
const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"];
const profile = mkdtempSync(join(tmpdir(), "cme-passkeys-"));
const browser = await chromium.launchPersistentContext(profile, { executablePath, args });
const page = await browser.newPage();
const said = { errors: [] };
// A refused form answers 403, which the console repeats.
page.on("console", (message) => { if (message.type() === "error" && !message.text().includes("403")) said.errors.push(message.text()); });
page.on("pageerror", (error) => said.errors.push(String(error)));

const session = await browser.newCDPSession(page);
await session.send("WebAuthn.enable");
const usual = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true };
const options = { ...usual, isUserVerified: true, automaticPresenceSimulation: true };
const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options });
const notice = async () => (await page.locator(".notice[role=status]").textContent()).trim();
const byPasskey = async () => {
  await page.goto(`${origin}/login?return_to=%2Faccount`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
};

await page.goto(`${origin}/login?return_to=%2Faccount`);
await page.getByLabel("Username or e-mail address").fill(username);
await page.getByLabel("Password", { exact: true }).fill(password);
await page.getByRole("button", { name: "Sign in", exact: true }).click();
await page.getByLabel("Name of the new passkey").fill("Virtual key");
await page.getByRole("button", { name: "Add a passkey" }).click();
await page.waitForURL("**/account?done=passkey-added");
said.added = await notice();
const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
said.credentials = credentials.map(({ isResidentCredential, rpId, signCount }) => ({ isResidentCredential, rpId, signCount }));

await page.getByRole("button", { name: "Sign out", exact: true }).click();
await byPasskey();
await page.waitForURL("**/account");
said.method = await page.locator("tr", { hasText: "This browser" }).locator("[data-label='Signed in with']").innerText();

await page.getByRole("button", { name: "Sign out", exact: true }).click();
await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
await byPasskey();
await page.locator("form[data-passkey] [role=alert]:visible").waitFor();
said.unverified = (await page.locator("form[data-passkey] [role=alert]").innerText()).trim();

await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
await byPasskey();
await page.waitForURL("**/account");
await page.getByRole("button", { name: /^Remove/ }).click();
said.removed = await notice();
await page.getByRole("button", { name: "Sign out", exact: true }).click();
await byPasskey();
await page.locator("#errors").waitFor();
said.refused = (await page.locator("#errors").innerText()).trim();

await browser.close();
const plain = await chromium.launchPersistentContext(profile, { executablePath, args, javaScriptEnabled: false });
const still = await plain.newPage();
await still.goto(`${origin}/login?return_to=%2Faccount`);
said.withoutScript = await still.getByRole("button", { name: "Sign in with a passkey" }).isVisible();
await still.getByLabel("Username or e-mail address").fill(username);
await still.getByLabel("Password", { exact: true }).fill(password);
await still.getByRole("button", { name: "Sign in", exact: true }).click();
said.signedInWithoutScript = new URL(still.url()).pathname;
await plain.close();
rmSync(profile, { recursive: true, force: true });
console.log(JSON.stringify(said));
