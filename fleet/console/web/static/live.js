// Keeps an open page fresh. One tab of a browser has the stream of events, since a
// browser opens six connections to a server at most; it passes what comes to the
// others. A tab that nobody sees asks for nothing.
//
// The stream tells of changes of the fleet only: a message that tells nothing costs a
// browser more than a second of its own clock, which moves ages on and has parts of a page
// asked for.
import morphdom from "./npm/morphdom.js";

const body = document.body;
const every = Number(body.dataset.live);
const rows = "rows" in body.dataset;
const lost = document.getElementById("lost");
const name = "wsgid-console";
const channel = new BroadcastChannel(name);
let version = Number(body.dataset.rows || 0);
let newest = version; // that the stream has told of
let seconds = 0;
let asking = false;
let day = Date.now(); // when the fleet's rows and its day were asked for last
let missed = 0;
let away = false; // the daemon does not answer, or the session is over
let leave = null; // gives the stream up
let heard = Date.now();

function tellLost(text) {
  if (lost.textContent !== text) lost.textContent = text;
  lost.hidden = !text;
}

// shift takes the lines out of a log that are not in a fresh one any more, so that those
// that stay are the same elements. The last one may have been half a line.
function shift(log, fresh) {
  const was = Array.from(log.children, (l) => l.textContent);
  const is = Array.from(fresh.children, (l) => l.textContent);
  let out = 0;
  while (out < was.length - 1 && !was.every((t, i) => i < out || i === was.length - 1 || t === is[i - out])) out++;
  for (; out > 0; out--) log.firstElementChild.remove();
}

// become makes an element what a fresh one is, and leaves alone what is equal: what somebody
// has marked, has the focus on, has opened or scrolled to.
function become(old, fresh, options) {
  const log = old.querySelector("pre.log");
  const next = fresh.querySelector("pre.log");
  const atEnd = log && log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  if (log && next) shift(log, next);
  morphdom(old, fresh, {
    getNodeKey: (n) => n.id || n.dataset?.app,
    onBeforeElUpdated: (was, is) => {
      if (was.localName === "details") is.open = was.open;
      return !was.isEqualNode(is);
    },
    ...options,
  });
  if (atEnd) log.scrollTop = log.scrollHeight;
}

// held tells whether somebody has marked something in an element, or has the focus there.
function held(e) {
  const marked = getSelection();
  return e.contains(document.activeElement) || (!marked.isCollapsed && marked.containsNode(e, true));
}

// inside has what is in an element be what this says.
function inside(old, html) {
  const fresh = document.createElement("div");
  fresh.innerHTML = html;
  become(old, fresh, { childrenOnly: true });
}

function over() {
  missed++;
  away = true;
  tellLost("The session is over. Get another URL by: wsgid-fleet console");
}

async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "*/*" }, redirect: "error", signal: AbortSignal.timeout(15000) });
  if (answer.status === 401) {
    over();
    throw new Error("no session");
  }
  if (!answer.ok) throw new Error(answer.status);
  return answer;
}

async function freshRows() {
  day = Date.now();
  const q = new URLSearchParams(body.dataset.query);
  q.set("since", version);
  q.set("day", document.querySelector("[data-day]")?.dataset.day ?? "");
  const a = await (await ask("/rows?" + q)).json();
  for (const [part, html] of Object.entries(a.parts)) {
    const old = document.querySelector(`[data-part="${part}"]`);
    if (old) inside(old, html);
  }
  const table = document.querySelector("[data-table]");
  if (a.table) inside(table, a.table);
  for (const [app, html] of Object.entries(a.rows || {})) {
    const old = table.querySelector(`[data-app="${CSS.escape(app)}"]`);
    if (!old) continue;
    const t = document.createElement("table");
    t.innerHTML = html;
    // What is in the row, not the row: the styles of a thousand rows are looked at again
    // when one of them comes or goes. That happens too while the row becomes another one
    // piece by piece, which takes three times as long as to have all of it anew.
    if (held(old)) become(old, t.tBodies[0]);
    else old.replaceChildren(...t.tBodies[0].children);
  }
  version = a.v;
}

async function freshParts() {
  const text = await (await ask(location.pathname + location.search)).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const part of page.querySelectorAll("[data-part]")) {
    const old = document.querySelector(`[data-part="${part.dataset.part}"]`);
    if (old) become(old, part, { childrenOnly: true });
  }
  // What is over needs no more questions.
  body.dataset.live = page.body.dataset.live;
}

const times = document.getElementsByTagName("time"); // kept by the browser: nothing is searched
function ages() {
  const now = Date.now() / 1000;
  for (const t of times) {
    if (!t.dataset.age) continue;
    const s = Math.max(0, Math.floor(now - t.dataset.age));
    const two = (n) => String(n).padStart(2, "0");
    const text = s < 60 ? `${s}s` : s < 3600 ? `${Math.floor(s / 60)}m`
      : s < 86400 ? `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m` : `${Math.floor(s / 86400)}d${Math.floor(s / 3600) % 24}h`;
    if (t.textContent !== text) t.textContent = text;
  }
}

async function refresh() {
  if (asking) return;
  asking = true;
  const told = newest;
  try {
    if (rows) await freshRows();
    else if (every) await freshParts();
    // What was told meanwhile is due.
    if (newest === told) newest = version;
    missed = 0;
    tellLost("");
  } catch (e) {
    missed++;
  } finally {
    asking = false;
  }
}

// tick is news of the fleet.
function tick(v) {
  heard = Date.now();
  away = false;
  newest = v;
  if (!document.hidden && (missed > 0 || (rows && newest !== version))) refresh();
}

function second() {
  ages();
  seconds++;
  // The last 24 hours go on where nothing else is new.
  const late = rows && !document.hidden && Date.now() - day > 60000;
  const due = rows ? late || newest !== version : Number(body.dataset.live) > 0 && seconds % every === 0;
  if (!away && (due || missed > 0)) refresh();
}

function gone() {
  missed++;
  away = true;
  const at = new Date(heard).toLocaleTimeString();
  tellLost(`The daemon does not answer; this is how it was at ${at}. It is asked again until it does.`);
}

// lead has the stream until it is given up.
function lead() {
  return new Promise((resolve) => {
    let again;
    let stream;
    const open = () => {
      stream = new EventSource("/stream");
      stream.addEventListener("tick", (e) => {
        const v = JSON.parse(e.data).v;
        channel.postMessage({ v });
        tick(v);
      });
      stream.addEventListener("error", async () => {
        let refused = false;
        // A refusal closes it for good, and does not tell what it is: there may be no
        // session any more, or the daemon may be starting.
        if (stream.readyState === EventSource.CLOSED) {
          again = setTimeout(open, 3000);
          refused = await fetch("/who", { redirect: "error", signal: AbortSignal.timeout(2500) }).then((a) => a.status === 401, () => false);
        }
        channel.postMessage(refused ? { over: true } : { gone: true });
        if (refused) over();
        else gone();
      });
    };
    open();
    leave = () => {
      clearTimeout(again);
      stream.close();
      leave = null;
      resolve();
    };
  });
}

let wanted = null;
let clock = 0;
function follow() {
  if (!(every || rows)) return;
  if (document.hidden) {
    clearInterval(clock);
    wanted?.abort();
    wanted = null;
    leave?.();
    return;
  }
  if (wanted) return;
  wanted = new AbortController();
  if (navigator.locks) navigator.locks.request(name, { signal: wanted.signal }, lead).catch(() => {});
  else lead();
  clock = setInterval(second, 1000);
  // Who comes back has missed something.
  if (seconds > 0) { missed++; refresh(); }
}

channel.addEventListener("message", ({ data }) => (data.over ? over() : data.gone ? gone() : tick(data.v)));
document.addEventListener("visibilitychange", follow);
window.addEventListener("pagehide", () => leave?.());
for (const log of document.querySelectorAll("main > [data-part=log] pre.log")) log.scrollTop = log.scrollHeight;
follow();
