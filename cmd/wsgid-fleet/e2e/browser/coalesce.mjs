// Opens one site over HTTP/2 and asks from its page for another one, whose name is in
// the same certificate and leads to the same address: the browser asks over the
// connection that it has.
//
// Environment: MODULES (the folder of node_modules), CHROMIUM, PORT, SPKI (the hash of the
// certificate's key, which the browser is to trust), NETLOG (a file for what happens on
// its connections).
import { createRequire } from "node:module";

const env = process.env;
const { chromium } = createRequire(env.MODULES + "/")("playwright-core");
const browser = await chromium.launch({
  executablePath: env.CHROMIUM, timeout: 120_000,
  args: ["--host-resolver-rules=MAP *.test 127.0.0.1", "--ignore-certificate-errors-spki-list=" + env.SPKI, "--log-net-log=" + env.NETLOG],
});
try {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(120_000);
  const is = async (response, site) => {
    const text = await response.text();
    if (response.status() !== 200 || !text.startsWith(site + " ")) throw new Error(`${response.url()}: ${response.status()} ${text}`);
  };
  const url = (site) => `https://${site}.shop.test:${env.PORT}/`;
  await is(await page.goto(url("alpha")), "alpha");
  for (const site of ["beta", "alpha", "beta"]) {
    const answer = page.waitForResponse(url(site));
    await page.evaluate((u) => fetch(u, { mode: "no-cors", credentials: "include", cache: "no-store" }).then(() => {}), url(site));
    await is(await answer, site);
  }
} finally {
  await browser.close();
}
