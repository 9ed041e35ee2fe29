// Cases one after the other in one browser; what a page says in its console fails the case that is running.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

export const url = process.env.REHEAD_URL;
const screens = process.env.REHEAD_SCREENS;
export const WIDTHS = { wide: { width: 1440, height: 1000 }, narrow: { width: 390, height: 844 } };

mkdirSync(screens, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.REHEAD_CHROMIUM, args: ["--no-sandbox"] });
const started = Date.now();
let cases = 0;
let failed = 0;

let session;

/** A page in a language, of whoever has signed in; `said` collects errors and warnings of its console. */
export async function open(locale, viewport = WIDTHS.wide) {
  const context = await browser.newContext({ locale, viewport, reducedMotion: "reduce", storageState: session });
  const page = await context.newPage();
  await page.addInitScript(() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
      for (const shift of list.getEntries()) {
        const moved = shift.sources.map(({ node }) => node?.outerHTML?.slice(0, 120) ?? node?.textContent);
        if (!shift.hadRecentInput) window.shifts.push({ value: shift.value, moved });
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
  page.setDefaultTimeout(60_000);
  page.said = [];
  page.on("pageerror", (error) => page.said.push(`error: ${error.message}`));
  page.on("console", (message) => {
    const refused = page.refusals && message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !refused) page.said.push(`${message.type()}: ${message.text()}`);
  });
  return page;
}

/** Pages that are opened from now on are of whoever is signed in on this one; in the language that each asks for. */
export async function keepSession(page) {
  const { cookies } = await page.context().storageState();
  session = { cookies: cookies.filter((cookie) => cookie.name === "rehead_session"), origins: [] };
}

/** Runs a case and prints how it went. */
export async function test(name, body) {
  cases += 1;
  const begun = Date.now();
  try {
    await body();
    console.log(`test ${name} ... ok (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`test ${name} ... FAILED\n${error.stack ?? error}`);
  }
}

export function check(holds, message) {
  if (!holds) throw new Error(message);
}

export function same(got, expected, message) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)];
  check(a === b, `${message}: got ${a}, expected ${b}`);
}

/** The page took over what the server rendered: a press now does something. */
export async function hydrated(page) {
  await page.waitForFunction(() => document.documentElement.dataset.alive === "true");
}

/** No console error, no layout wider than the screen, no serious finding of axe; a screenshot of either width is kept. */
export async function inspect(page, name) {
  const wide = page.viewportSize();
  for (const [kind, viewport] of Object.entries(WIDTHS)) {
    await page.setViewportSize(viewport);
    await page.screenshot({ path: join(screens, `${name}-${kind}.png`), fullPage: true });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(over <= 0, `${name} is ${over} px wider than a screen of ${viewport.width} px`);
    const { violations } = await new AxeBuilder({ page }).analyze();
    const grave = violations.filter((found) => ["serious", "critical"].includes(found.impact));
    same(grave.map((found) => `${found.id}: ${found.nodes[0].html}`), [], `${name} at ${viewport.width} px, axe`);
  }
  await page.setViewportSize(wide);
  same(page.said, [], `${name}: console`);
}

/** Nothing moved under the reader while the page came (https://web.dev/articles/cls). */
export async function steady(page, name) {
  await page.waitForLoadState("networkidle");
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const shifts = await page.evaluate(() => window.shifts);
  const sum = shifts.reduce((sum, shift) => sum + shift.value, 0);
  check(sum < 0.001, `${name} shifts by ${sum.toFixed(4)}: ${JSON.stringify(shifts)}`);
}

/** Prints the sum in the form that xtask counts, and ends. */
export async function end() {
  await browser.close();
  console.log(`${cases} cases, ${failed} failed, 0 skipped, ${((Date.now() - started) / 1000).toFixed(1)} s`);
  process.exit(failed ? 1 : 0);
}
