// Looks at an app whose name is as long as names may be, and whose reason is very long.
//
// Environment: that of visitor.mjs, LOGIN (a one-time URL), NAME (of the app), REASON (the
// end of the reason).
import assert from "node:assert/strict";
import { accessible, env, until, visit, visitor } from "./visitor.mjs";

await visit(async () => {
  const context = await visitor({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(env.LOGIN);
  for (const [path, name, reason] of [
    ["/", `[data-app="${env.NAME}"] th`, `[data-app="${env.NAME}"] .why`],
    ["/?q=" + env.REASON, `[data-app="${env.NAME}"] th`, `[data-app="${env.NAME}"] .why`],
    ["/app/" + env.NAME, "h1", ".reason"],
    ["/plan", "main", null],
    ["/logs?app=" + env.NAME, "main", "pre.log"],
  ]) {
    await page.goto(new URL(path, page.url()).href);
    for (const width of [1280, 800, 390]) {
      await page.setViewportSize({ width, height: 900 });
      if (reason) await until(page, `${path} has the whole reason`, ([s, r]) => document.querySelector(s)?.innerText.includes(r), [reason, env.REASON]);
      await accessible(page, `${path} (${width})`);
      // Each text is within the window and within what it stands in: nothing is cut off or
      // covered by its neighbour.
      const bad = await page.evaluate(([...where]) => where.filter((s) => s).flatMap((s) => [...document.querySelectorAll(s)].flatMap((e) => {
        const range = document.createRange();
        range.selectNodeContents(e);
        const text = range.getBoundingClientRect(), box = e.getBoundingClientRect();
        return text.right > Math.min(innerWidth, box.right) + 1 || text.left < box.left - 1 || e.scrollWidth > e.clientWidth + 1
          ? [`${s}: text ${text.left} to ${text.right}, box ${box.left} to ${box.right}, ${e.scrollWidth} of ${e.clientWidth}`] : [];
      })), [name, reason]);
      assert.deepEqual(bad, [], `${path} (${width})`);
      const row = await page.evaluate((n) => {
        const cells = [...document.querySelectorAll(`[data-app="${n}"] tr:first-child > *`)].map((e) => e.getBoundingClientRect());
        return cells.flatMap((a, i) => cells.slice(i + 1).filter((b) => a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 1 && b.bottom > a.top + 1));
      }, env.NAME);
      assert.deepEqual(row, [], `${path} (${width}): cells cover each other`);
    }
  }
  await context.close();
});
