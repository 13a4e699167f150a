// Opens a page of somebody else's, under a name of its own and under one that has come to lead
// to the console, in the browser that is logged in there, and tries from it what such a page
// can: to read, to follow, to frame, to post.
//
// Environment: that of visitor.mjs, LOGIN (a one-time URL), OTHER (the port of that page's
// server).
import assert from "node:assert/strict";
import { env, outside, shows, state, visit, visitor } from "./visitor.mjs";

await visit(async () => {
  const context = await visitor({ viewport: { width: 1280, height: 900 } },
    /status of 421|blocked by CORS policy|frame-ancestors 'none'|ERR_FAILED|NotSameOrigin|Opener-Policy header has been ignored/);
  const page = await context.newPage();
  await page.goto(env.LOGIN);
  await state(page, "hello", "ready");
  const home = new URL(page.url()).origin;
  const { port } = new URL(home);
  const token = await page.evaluate(async () => /name="token" value="([^"]+)"/.exec(await (await fetch("/app/hello")).text())[1]);

  // Another name for the same address and port: what a page is left with that has had its
  // name lead there. It is told nothing, and has no session.
  const rebound = await context.newPage();
  for (const path of ["/", "/login", "/stream", "/static/live.js", "/rows"]) {
    const answer = await rebound.goto(`http://rebound.test:${port}${path}`);
    assert.equal(answer.status(), 421, path);
    assert.doesNotMatch(await rebound.locator("body").innerText(), /hello/, path);
  }
  const tried = await rebound.evaluate((t) => Promise.all([
    fetch("/rows").then((a) => a.status),
    fetch("/app/hello", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: `token=${t}&verb=stop&confirm=hello` }).then((a) => a.status),
    new Promise((done) => {
      const stream = new EventSource("/stream");
      stream.onopen = () => done("open");
      stream.onerror = () => done("refused");
    }),
  ]), token);
  assert.deepEqual(tried, [421, 421, "refused"]);

  // A page of another site, and one of another port of the console's own address, whose
  // requests bring the cookie along.
  for (const origin of [`http://elsewhere.test:${env.OTHER}`, `http://127.0.0.1:${env.OTHER}`]) {
    const other = await context.newPage();
    await other.goto(origin);
    const got = await other.evaluate(async ([to, t]) => {
      const read = (path, how) => fetch(to + path, { credentials: "include", ...how }).then((a) => a.text(), () => "refused");
      const framed = await new Promise((done) => {
        const frame = document.createElement("iframe");
        frame.onload = () => { try { done(frame.contentDocument?.body.innerText ?? "of another origin"); } catch { done("of another origin"); } };
        frame.src = to + "/";
        document.body.append(frame);
      });
      const stream = await new Promise((done) => {
        const s = new EventSource(to + "/stream", { withCredentials: true });
        s.onopen = () => done("open");
        s.onerror = () => done("refused");
      });
      const script = await import(to + "/static/live.js").then(() => "loaded", () => "refused");
      const body = `token=${t}&verb=stop&confirm=hello`;
      return { rows: await read("/rows"), framed, stream, script,
        post: await read("/app/hello", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body }),
        blind: await fetch(to + "/app/hello", { method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body }).then((a) => a.type, () => "refused") };
    }, [home, token]);
    assert.deepEqual({ ...got, blind: "" }, { rows: "refused", framed: "of another origin", stream: "refused", script: "refused", post: "refused", blind: "" }, origin);
    for (const frame of other.frames().slice(1)) assert.doesNotMatch(await frame.locator("body").innerText().catch(() => ""), /hello/, origin);
    // A form needs no leave to be sent.
    await other.evaluate(([to, t]) => {
      const form = document.createElement("form");
      form.method = "post";
      form.action = to + "/app/hello";
      for (const [name, value] of [["token", t], ["verb", "stop"], ["confirm", "hello"]]) {
        const field = document.createElement("input");
        field.name = name;
        field.value = value;
        form.append(field);
      }
      document.body.append(form);
      form.submit();
    }, [home, token]);
    await shows(other, "refused");
    await other.close();
  }
  await outside("see that hello serves");
  await state(page, "hello", "ready");
  await context.close();
});
