// Measures the fleet's page with many apps. The same environment and the same way to ask
// for what happens outside as tour.mjs, without VIEWER and SECRETS; APPS is how many there
// are. Prints one line of JSON: milliseconds to the first paint with all rows there, and
// of the main thread for an update.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const env = process.env;
const { chromium } = createRequire(env.MODULES + "/")("playwright-core");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function outside(what) {
  console.log("do " + what);
  if ((await answers.next()).done) throw new Error("nobody is there to " + what);
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

const browser = await chromium.launch({ executablePath: env.CHROMIUM, timeout: 120_000 });
try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  await page.goto(env.LOGIN);
  await page.waitForFunction((n) => document.querySelectorAll("[data-app]").length === n, Number(env.APPS));

  const paints = [];
  for (let i = 0; i < 5; i++) {
    await page.reload();
    await page.waitForFunction((n) => document.querySelectorAll("[data-app]").length === n, Number(env.APPS));
    paints.push(await page.evaluate(() => new Promise((done) => {
      new PerformanceObserver((list) => done(list.getEntriesByName("first-contentful-paint")[0].startTime)).observe({ type: "paint", buffered: true });
    })));
  }

  // An update: one app changes its state, and all that the page does for it.
  const cdp = await context.newCDPSession(page);
  await cdp.send("Performance.enable");
  const busy = async () => (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "ThreadTime").value * 1000;
  // The page itself tells when it has drawn a state: what asks it, even what asks it once,
  // is compiled and run on the thread that is measured.
  let shown = () => {};
  cdp.on("Runtime.bindingCalled", ({ name, payload }) => { if (name === "shown") shown(payload); });
  await cdp.send("Runtime.enable");
  await cdp.send("Runtime.addBinding", { name: "shown" });
  await page.evaluate(() => {
    let last = "";
    new MutationObserver(() => {
      const now = document.querySelector('[data-app="app0"] .state')?.textContent;
      if (!now || now === last) return;
      last = now;
      requestAnimationFrame(() => setTimeout(() => window.shown(now)));
    }).observe(document.querySelector("[data-table]"), { subtree: true, childList: true, characterData: true });
  });
  const updates = [];
  for (let i = 0; i < 3; i++) {
    for (const [act, want] of [["stop", "stopped"], ["start", "idle"]]) {
      const drawn = new Promise((done) => { shown = (state) => { if (state === want) done(); }; });
      const before = await busy();
      await outside(act);
      await drawn;
      updates.push(await busy() - before);
    }
  }
  await outside("update for a minute");
  await outside("look on");
  console.log(JSON.stringify({ paint: median(paints), update: median(updates), worst: Math.max(...updates) }));
} finally {
  await browser.close();
  process.stdin.destroy();
}
