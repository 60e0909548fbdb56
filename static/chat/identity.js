// Who is signed in. Fetched when the page has a word about that: `customer`, any id, keeps people apart in this browser;
// `identity`, where the page gets a token of its server, makes them the same on every device. Also fetched when the page was
// opened by the link of a mail.

// Whom a token is about. The server checks it; here it only tells one customer from the next.
const subject = (token) => {
  try {
    const claims = atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(claims, (c) => c.charCodeAt(0)))).sub;
  } catch {
    return token.identifier;
  }
};

// The page's token, which is asked for anew each time: one that was kept might have expired. Nothing where nobody is
// signed in.
const ask = async (host) => {
  if (host.identity?.call) return host.identity();
  const answer = await fetch(host.getAttribute("identity"));
  if (answer.ok) return (await answer.text()).trim();
  if (answer.status >= 500 || answer.status === 429) throw new Error(answer.status);
};
// Never ready: the connection waits for its hello, gives up after a while, and the next one asks anew.
const never = () => new Promise(() => {});

export const tokenOf = (host) => (host.hasAttribute("identity") ? ask(host) : undefined);

// While the window was not opened nobody is connected, and the loader's own count knows no token.
const badge = async (host, { kept: { visitor }, server }, identity, count) => {
  const isUsed = () => host.shadowRoot.querySelector(".window")?.dataset.state;
  if (isUsed()) return;
  const body = JSON.stringify({ __proto__: null, token: visitor.token, seen: visitor.seen, identity });
  const answer = await fetch(new URL("api/chat/unread", server), { method: "POST", body, credentials: "omit" });
  const { unread } = await answer.json();
  if (!isUsed()) count(unread);
};

// What hello says of the customer. `forget` leaves nothing in this browser of the one before.
export const who = async (host, link, forget, count) => {
  const { kept } = link;
  const vouched = host.hasAttribute("identity");
  const token = vouched ? await ask(host).catch(never) : undefined;
  const customer = vouched ? token && subject(token) : host.getAttribute("customer");
  const before = kept.visitor.customer;
  // Who signs in keeps what was said before; whoever comes after another customer, or after nobody any more, does not see
  // what that one said.
  if (before && customer !== before && (customer || vouched)) forget();
  if (customer) kept.update({ customer });
  if (/^#purser=/.test(location.hash)) import("./back.js").then((back) => back.ask(host, link, token)).catch(() => {});
  if (token) badge(host, link, token, count).catch(() => {});
  return token || undefined;
};
