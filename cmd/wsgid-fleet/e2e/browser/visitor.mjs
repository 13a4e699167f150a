// Somebody in front of a browser, who looks at the console of a running fleet. What
// happens outside of the browser is done by who has started this: a line "do WHAT" on
// standard output, an empty line on standard input when it is done.
//
// Environment: MODULES (the folder of node_modules), CHROMIUM.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

export const env = process.env;
const load = createRequire(env.MODULES + "/");
const { chromium } = load("playwright-core");
const axe = load("axe-core").source;
const patience = 120_000;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export async function outside(what) {
  console.log("do " + what);
  assert.ok(!(await answers.next()).done, "nobody is there to " + what);
}

const browser = await chromium.launch({ executablePath: env.CHROMIUM, timeout: patience, args: ["--host-resolver-rules=MAP *.test 127.0.0.1"] });
const complaints = [];
export const bodies = [];

// visitor is somebody with a browser of their own, which may complain of what is meant to be
// refused.
export async function visitor(options = {}, refused = /^$/) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(patience);
  context.setDefaultNavigationTimeout(patience);
  context.on("console", (m) => {
    // That the daemon is away is shown, and asked for here.
    if (m.type() === "error" && !/ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_SOCKET|status of (401|403|404|409)/.test(m.text()) && !refused.test(m.text())) complaints.push(m.text());
  });
  context.on("weberror", (e) => complaints.push(String(e.error())));
  context.on("response", (r) => {
    if (new URL(r.url()).pathname === "/stream") return;
    bodies.push(r.text().then((t) => JSON.stringify(r.headers()) + t, () => ""));
  });
  return context;
}

// until waits for something of a page to hold.
export const until = (page, what, hold, arg) => page.waitForFunction(hold, arg, { polling: 50, timeout: patience })
  .catch(async (e) => { throw new Error(`it never came that ${what}: ${e.message}\n${await page.locator("body").innerText()}`); });

export const shows = (page, text) => until(page, `the page shows ${text}`, (t) => document.body.innerText.includes(t), text);
export const state = (page, app, want) => until(page, `${app} is ${want}`,
  ([a, w]) => document.querySelector(`[data-app="${a}"] .state`)?.textContent === w, [app, want]);

// accessible has axe look at a page, and sees that nothing sticks out of it.
export async function accessible(page, what) {
  await page.evaluate((source) => { if (!window.axe) (0, eval)(source); }, axe).catch(() => page.evaluate(axe + ";undefined"));
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const v of found.violations) {
    if (v.impact === "serious" || v.impact === "critical") complaints.push(`${what}: ${v.id}: ${v.help}\n  ${v.nodes.map((n) => n.html).join("\n  ")}`);
  }
  const out = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (out > 0) complaints.push(`${what}: the page is ${out} pixels wider than the window`);
  const beyond = await page.evaluate(() => [...document.querySelectorAll("main .card, main .facts, main table, main ul")]
    .filter((e) => e.getClientRects().length > 0 && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 200)));
  for (const e of beyond) complaints.push(`${what}: what is in it sticks out of ${e}`);
}

// visit does what is to be seen, and ends the browser, and this process with 1 if it failed
// or the browser had to complain.
export async function visit(look) {
  try {
    await look();
    assert.deepEqual(complaints, []);
  } catch (e) {
    console.error(e);
    process.exitCode = 1;
  } finally {
    await browser.close();
    process.stdin.destroy();
  }
}
