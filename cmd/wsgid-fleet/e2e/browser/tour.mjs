// Looks at the console of a running fleet as somebody does in front of a browser.
//
// Environment: that of visitor.mjs, LOGIN and VIEWER (one-time URLs), SECRETS (texts that
// must not be sent, one a line).
import assert from "node:assert/strict";
import { accessible, bodies, env, outside, shows, state, until, visit, visitor } from "./visitor.mjs";

const began = Date.now();
const stage = (what) => console.error(`${((Date.now() - began) / 1000).toFixed(1)} s: ${what}`);

await visit(async () => {
  const context = await visitor({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();

  // The one-time URL logs in, once, and leaves nothing of the code behind.
  await page.goto(env.LOGIN);
  await shows(page, "1 app");
  assert.equal(new URL(page.url()).pathname + new URL(page.url()).hash, "/");
  const stranger = await visitor();
  const other = await stranger.newPage();
  await other.goto(env.LOGIN);
  await shows(other, "This code is not valid");
  await accessible(other, "login");
  await stranger.close();

  stage("logged in");
  // The fleet's page follows what happens, and is not loaded anew for it.
  await state(page, "hello", "ready");
  await page.evaluate(() => { window.mark = "the same page"; });
  await outside("break hello");
  await until(page, "the row says why", () => /SyntaxError/.test(document.querySelector("[data-app=hello] .why")?.textContent ?? ""));
  await accessible(page, "the fleet with a broken app");
  const reason = await context.newPage();
  await reason.goto(new URL("/app/hello", page.url()).href);
  await shows(reason, "SyntaxError");
  await accessible(reason, "a broken app");
  await reason.close();
  await outside("mend hello");
  await state(page, "hello", "ready");
  // Who has marked a text can go on and copy it while the page follows.
  const mark = async (selector) => {
    await page.evaluate((s) => getSelection().selectAllChildren([...document.querySelectorAll(s)].at(-1)), selector);
    const text = await page.evaluate(() => getSelection().toString().trim());
    assert.ok(text.length > 3, `nothing is marked in ${selector}`);
    return text;
  };
  const marked = async (text) => assert.equal(await page.evaluate(() => getSelection().toString().trim()), text);
  await until(page, "its line of requests is drawn", () => document.querySelector("[data-app=hello] .spark path")?.getAttribute("d").includes("L"));
  const line = await page.locator("[data-app=hello] .spark path").getAttribute("d");
  const app = await mark("[data-app=hello] th");
  await until(page, "its line goes on", (d) => document.querySelector("[data-app=hello] .spark path")?.getAttribute("d") !== d, line);
  await marked(app);
  assert.equal(await page.evaluate(() => window.mark), "the same page");

  stage("followed");
  // Charts, and what runs beside the workers.
  await page.goto(new URL("/app/hello", page.url()).href);
  await until(page, "the chart has answers", () => document.querySelector(".chart path.area.c2")?.getAttribute("d"));
  await until(page, "the legend counts them", () => document.querySelector(".chart .legend .c2 b")?.textContent > "0");
  await shows(page, "Processes beside the workers");
  await until(page, "the process runs", () => document.querySelector("[data-part=processes] tbody .state")?.textContent === "running");
  await until(page, "the schedule has a next time", () => /yearly\s*in \d+[dhms]/.test(document.querySelector("[data-part=schedules] tbody")?.innerText ?? ""));

  const file = await mark("[data-part=facts] dd code");
  const served = Number(await page.locator(".figures dd").first().textContent());
  await until(page, "the figures go on", (n) => Number(document.querySelector(".figures dd").textContent) > n + 20, served);
  await marked(file);

  // A request that hangs can be asked where it is, and goes on.
  await outside("nap");
  await until(page, "a link is beside it", () => document.querySelector("[data-part=workers] a")?.textContent === "Where is it?");
  await page.getByRole("link", { name: "Where is it?" }).click();
  await shows(page, "GET /nap");
  assert.match(await page.locator(".calls li").first().textContent(), /hello\.py", line \d+ in napping$/);
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await accessible(page, `a stack (${width})`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await outside("see it by the command");
  await outside("wake up");
  await page.getByRole("link", { name: "Ask again" }).click();
  await until(page, "it is at work no more", () => !document.querySelector("main").innerText.includes("GET /nap"));

  stage("charts");
  // A log is followed, and searched. What an app writes is text.
  await page.goto(new URL("/logs?app=hello&follow=1", page.url()).href);
  await outside("write a line");
  await shows(page, "needle <img src=x>");
  await page.locator("pre.log > span", { hasText: "needle" }).evaluate((e) => { e.dataset.mine = ""; });
  const needle = await mark("[data-mine]");
  await outside("write more than a page of lines");
  await until(page, "they are there, and the end is seen", () => {
    const log = document.querySelector("pre.log");
    return /line 150$/.test(log.innerText.trim()) && log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  });
  await marked(needle);
  await page.getByLabel("Find").fill("needle");
  await page.getByLabel("follow").uncheck();
  await page.getByRole("button", { name: "Show" }).click();
  await until(page, "the search finds the line alone", () => document.querySelectorAll("pre.log mark").length === 1 && document.querySelectorAll("pre.log > span").length === 1);
  assert.equal(await page.locator("pre.log img").count(), 0);

  stage("logs");
  // A plan that has become another one is not applied; the one that is shown is.
  await outside("edit hello");
  await page.goto(new URL("/plan", page.url()).href);
  await shows(page, "1 app to change");
  await accessible(page, "plan");
  await outside("edit hello again");
  await page.getByRole("button", { name: "Apply this plan" }).click();
  await shows(page, "The plan has changed, so nothing was done.");
  await page.getByRole("button", { name: "Apply this plan" }).click();
  await shows(page, "It goes on when this page is closed");
  const did = page.url();
  await until(page, "it is done", () => document.querySelector("h1 .state")?.textContent === "done");
  await outside("see that it is applied");

  stage("plan");
  // Who only looks is offered nothing to change.
  const second = await visitor();
  const looking = await second.newPage();
  await looking.goto(env.VIEWER);
  await shows(looking, "1 app");
  await looking.goto(new URL("/app/hello", looking.url()).href);
  await shows(looking, "What it is");
  assert.equal(await looking.locator("main button").count(), 0);
  await second.close();

  stage("viewer");
  // Every page, in two widths, and some in the dark.
  const go = (path) => page.goto(new URL(path, page.url()).href);
  for (const path of ["/", "/?state=ready", "/app/hello", "/app/hello/stacks", "/app/_gate", "/?sort=state", "/plan", "/logs?app=hello&q=needle", "/deploys", "/hosts", new URL(did).pathname, "/nothing"]) {
    await go(path);
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await accessible(page, `${path} (${width})`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "dark" });
  for (const path of ["/app/hello", "/logs?app=hello&q=needle"]) {
    await go(path);
    await accessible(page, path + " (dark)");
  }

  stage("axe");
  // Without JavaScript the pages are whole, forms do what they say, and a page whose work
  // goes on is loaded anew until it is done.
  const plain = await visitor({ javaScriptEnabled: false, storageState: await context.storageState() });
  const still = await plain.newPage();
  await still.goto(new URL("/", page.url()).href);
  await still.locator('[data-app=hello] .state:text-is("ready")').waitFor();
  await still.getByLabel("Find").fill("no such app");
  await still.getByRole("button", { name: "Show" }).click();
  await still.getByText("No app is so.").waitFor();
  await still.goto(new URL("/logs?app=hello&q=needle", page.url()).href);
  assert.equal(await still.locator("pre.log mark").count(), 1);
  await still.goto(new URL("/app/hello", page.url()).href);
  assert.equal(await still.locator(".charts").first().locator("svg").count(), 3);
  await still.getByRole("button", { name: "Reload" }).click();
  await still.locator('h1 .state:text-is("done")').waitFor();
  await plain.close();

  stage("without JavaScript");
  // Seven tabs: a browser opens six connections to a server, and all tabs are fresh.
  await go("/");
  const tabs = [page];
  while (tabs.length < 7) {
    tabs.push(await context.newPage());
    await tabs.at(-1).goto(page.url());
  }
  // What was in the last 24 hours comes by itself.
  await until(page, "the chart of the day", () => /^M/.test(document.querySelector(".day .requests path.line.all")?.getAttribute("d") ?? ""));
  await until(page, "its legend has requests", () => Number(document.querySelector(".day .requests .legend .all b").textContent) > 0);
  await outside("stop hello");
  for (const tab of tabs) await state(tab, "hello", "stopped");

  // The day goes on also while nothing else is new, and the states have headings.
  // Who has opened it finds it open while the page follows.
  await page.locator(".day summary").click();
  const minute = await page.locator(".day").getAttribute("data-day");
  await until(page, "the day of another minute", (m) => document.querySelector(".day").dataset.day !== m, minute);
  assert.ok(await page.locator(".day .requests svg").isVisible());
  await accessible(page, "the fleet's day");
  await page.getByLabel("Order").selectOption({ label: "grouped by state" });
  await page.getByRole("button", { name: "Show" }).click();
  await until(page, "the heading of a state", () => /^stopped 1 app$/.test(document.querySelector("tbody.group th")?.innerText.trim() ?? ""));
  await accessible(page, "the fleet by states, with its day");
  await go("/");

  stage("seven");
  // The daemon is killed while they are open: they say so and since when, show what they
  // know, and come back by themselves, with what has happened meanwhile.
  for (const tab of tabs) await tab.evaluate(() => { window.mark = "the same page"; });
  await outside("kill the daemon");
  for (const tab of tabs) {
    await until(tab, "it says that nobody answers, and since when", () => /^The daemon does not answer; this is how it was at \d.*It is asked again/.test(document.getElementById("lost").innerText));
    assert.equal(await tab.locator("[data-app=hello] .state").textContent(), "stopped");
  }
  await accessible(page, "a page whose daemon is gone");
  await outside("start hello without the daemon");
  await outside("run the daemon");
  for (const tab of tabs) {
    await until(tab, "it is back", () => document.getElementById("lost").hidden);
    await state(tab, "hello", "ready");
    assert.equal(await tab.evaluate(() => window.mark), "the same page");
  }
  await outside("stop hello");
  for (const tab of tabs) await state(tab, "hello", "stopped");
  await outside("start hello");
  for (const tab of tabs) await state(tab, "hello", "ready");

  stage("killed");
  // Logged out, in all tabs.
  await page.getByRole("button", { name: "Log out" }).click();
  await shows(page, "Log in");
  for (const tab of tabs.slice(1)) await until(tab, "it says that the session is over", () => /session is over/.test(document.getElementById("lost").textContent));

  stage("out");
  await context.close();
  const sent = (await Promise.all(bodies)).join("\n");
  assert.ok(sent.length > 100_000, "of what was sent nothing was seen");
  for (const secret of env.SECRETS.split("\n")) assert.ok(!sent.includes(secret), `${secret} was sent`);
});
