// node check.mjs PAGES.json: what a person would meet on each page, in light and dark, on a phone and a desk.
// PAGES.json: [{"name": "course", "url": "http://…", "cookies"?: [...]}]. Prints one JSON document; PAGE_SHOTS=DIR keeps pictures.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launch, overflow, violations } from "./looking.mjs";

const WIDTHS = [390, 1280]; // a phone and a desk: axe and a picture
const REFLOW_WIDTHS = [320, 820]; // only for overflow (WCAG 1.4.10)
const pages = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { browser, close } = await launch();
const findings = [];
let runs = 0;

// Every stop of the Tab key has to look different: an outline on the element or on one that holds it.
const invisibleStops = async (page) => {
  const unseen = [];
  const seen = new Set();
  for (let press = 0; press < 120; press += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const active = document.activeElement;
      if (!active || active === document.body) return null;
      let visible = false;
      for (let node = active, up = 0; node && up < 6 && !visible; node = node.parentElement, up += 1) {
        const style = getComputedStyle(node);
        visible = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      }
      active.dataset.stop ??= String(Math.random());
      return { key: active.dataset.stop, visible, html: active.outerHTML.slice(0, 90) };
    });
    if (!stop || seen.has(stop.key)) break;
    seen.add(stop.key);
    if (!stop.visible) unseen.push(stop.html);
  }
  return unseen;
};

const page = await browser.newPage();
let current = "";
let expectedFailure = "";
page.on("console", (message) => {
  // A page that is meant to answer with an error says so in the console as well.
  if (message.location().url === expectedFailure) return;
  if (message.type() === "error") findings.push({ page: current, kind: "console", detail: message.text().slice(0, 200) });
});
for (const { name, url, cookies, statuses = [200] } of pages) {
  current = name;
  expectedFailure = statuses.includes(200) ? "" : url;
  if (cookies) await browser.addCookies(cookies);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of [...REFLOW_WIDTHS, ...WIDTHS]) {
      const found = (kind, detail) => findings.push({ page: name, width, colorScheme, kind, detail });
      await page.setViewportSize({ width, height: 900 });
      const answer = await page.goto(url, { waitUntil: "load" });
      if (!statuses.includes(answer.status())) found("status", String(answer.status()));
      if ((await overflow(page)) > 0) found("overflow", `${await overflow(page)} px`);
      if (REFLOW_WIDTHS.includes(width)) continue;
      if (process.env.PAGE_SHOTS) {
        await page.screenshot({ path: join(process.env.PAGE_SHOTS, `${name}-${width}-${colorScheme}.png`), fullPage: true });
      }
      for (const violation of await violations(browser, page)) found("axe", violation);
      runs += 1;
      if (width === 1280 && colorScheme === "light") for (const stop of await invisibleStops(page)) found("focus", stop);
    }
  }
}
await close();
console.log(JSON.stringify({ pages: pages.length, runs, findings }, null, 1));
