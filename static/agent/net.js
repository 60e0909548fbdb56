// What the console asks the server for, and the stream that tells it what happens.
import { forgetDrafts } from "./unsent.js";

const AGAIN = 1_500; // how long after a broken stream it is tried again
const SLOWEST = 15_000;

export const hex = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const answered = async (request) => {
  const answer = await request.catch(() => null);
  if (!answer) throw new Error("The server cannot be reached.");
  if (answer.status === 401) location.reload();
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error || body.text || `The server says ${answer.status}.`);
  return body;
};

// Does something; throws what the server says against it.
export const act = (what) => {
  const headers = { "Content-Type": "application/json", "X-Purser-Console": "1" };
  return answered(fetch("/agent/act", { method: "POST", headers, body: JSON.stringify(what) }));
};

// Sends a file, for a reply to name.
export const upload = (file, id) => {
  const query = new URLSearchParams({ client_id: id, name: file.name.slice(-200) });
  return answered(fetch(`/agent/attachments?${query}`, { method: "POST", headers: { "X-Purser-Console": "1" }, body: file }));
};

export const get = (path, query) => answered(fetch(`/agent/${path}?${new URLSearchParams(query)}`));

export const logOut = async () => {
  forgetDrafts();
  await fetch("/agent/logout", { method: "POST", headers: { "X-Purser-Console": "1" } });
  location.reload();
};

// The stream. `place()` says which conversation is open and its last seq; `hears` has a function for each name.
export const follow = (place, hears) => {
  let source, timer, wait = AGAIN;
  const close = () => {
    clearTimeout(timer);
    source?.close();
  };
  const open = () => {
    close();
    source = new EventSource("/agent/live?" + new URLSearchParams(place()));
    for (const name of Object.keys(hears)) {
      source.addEventListener(name, ({ data }) => {
        wait = AGAIN;
        if (data !== undefined) hears[name](JSON.parse(data));
      });
    }
    source.onopen = () => hears.online(true);
    source.onerror = () => {
      close();
      hears.online(false);
      // Whoever is not logged in any more gets the log-in.
      get("list", { shelf: "waiting" }).catch(() => {});
      timer = setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(SLOWEST, wait * 2);
    };
  };
  addEventListener("online", open);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  return open;
};
