// The console: what stands at the top, what belongs together, and the keys.
import { h } from "./nodes.js";
import { act, follow, get, logOut } from "./net.js";
import { alertsOf } from "./alerts.js";
import { boardOf } from "./board.js";
import { talkOf } from "./talk.js";

const KEYS = [
  ["j, k", "next and previous conversation"], ["1 to 5", "waiting, mine, others, closed, all"], ["/", "search"], ["t", "take"],
  ["r", "reply"], ["n", "note"], ["x", "pass on"], ["Shift+B", "give back to the assistant"], ["Shift+C", "close"],
  ["Enter", "send; Shift+Enter begins a line"], ["/ in an empty field", "pick a reply"], ["Esc", "leave the field, or the conversation"],
  ["i", "the customer, where the side is not shown"], ["e", "more: save, block"], ["g", "ratings, for editors"], ["a", "away or back"], ["m", "sound on or off"], ["?", "this list"],
];
const SHOWN = 6_000; // how long trouble is shown

let me = { id: "", name: "", role: "agent", away: false, max_chats: 5, teams: [] };
let openId = decodeURIComponent(location.hash.slice(1));
let seenWaiting = new Set();
let troubleTimer;

const alerts = alertsOf("purser");
const trouble = h("p", { class: "trouble", role: "alert", hidden: "" });
const complain = (text) => {
  trouble.textContent = text;
  trouble.hidden = false;
  clearTimeout(troubleTimer);
  troubleTimer = setTimeout(() => (trouble.hidden = true), SHOWN);
};

const open = (id) => {
  if (id === openId && talk.id) return;
  openId = id || "";
  history.replaceState(null, "", "#" + openId);
  document.body.classList.toggle("opened", !!openId);
  talk.begin(openId);
  board.draw();
  connect();
};
const board = boardOf({ me: () => me, open, opened: () => openId, trouble: complain, changed: () => call() });
const talk = talkOf({ me: () => me, board: () => board, shut: () => open(""), trouble: complain, changed: () => call() });

// What calls for the agent: whoever waits and was not seen to, and what was said to the agent and not read.
const call = () => {
  const looks = !document.hidden && document.hasFocus();
  const waiting = board.waiting.map(({ id }) => id);
  seenWaiting = new Set(waiting.filter((id) => looks || seenWaiting.has(id)));
  const fresh = me.away ? [] : waiting.filter((id) => !seenWaiting.has(id));
  const unread = board.mine.filter(({ unread, id }) => unread && !(looks && id === openId)).map(({ id }) => id + " said");
  alerts.show([...fresh, ...unread]);
};
addEventListener("focus", () => call());
document.addEventListener("visibilitychange", () => call());

const state = h("span", { class: "state", role: "status" });
const name = h("b");
const duty = (change) => act({ do: "duty", away: me.away, max_chats: me.max_chats, ...change }).then(() => (Object.assign(me, change), dress())).catch(({ message }) => complain(message));
const away = h("button", { type: "button", onclick: () => duty({ away: !me.away }) });
const most = h("input", { type: "number", min: 1, max: 100, "aria-label": "Chats at once", title: "How many chats you take at once", onchange: () => duty({ max_chats: Number(most.value) }) });
const sound = h("button", { type: "button", title: "Sound (m)", onclick: () => (alerts.toggle(), dress()) });
const keys = h("dialog", { class: "keys", "aria-label": "Keys" }, h("h2", {}, "Keys"), h("dl", {}, ...KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])), h("form", { method: "dialog" }, h("button", {}, "Close")));
// Fetched when it is first wanted.
let ratings;
const rated = async () => {
  if (me.role === "agent") return;
  try {
    ratings ||= (await import("/static/ratings.js")).ratingsOf({ h, get, open, trouble: complain });
    ratings();
  } catch {
    complain("The server cannot be reached.");
  }
};
const means = h("button", { type: "button", title: "Ratings (g)", hidden: "", onclick: rated }, "Ratings");
const bar = h("header", { class: "bar" }, h("strong", {}, "purser"), state, h("span", { class: "grow" }), name,
  h("label", { class: "most" }, "chats ", most), means, away, sound, h("button", { type: "button", title: "Keys (?)", "aria-label": "Keys", onclick: () => keys.showModal() }, "?"),
  h("button", { type: "button", onclick: logOut }, "Log out"));

const dress = () => {
  name.textContent = me.name;
  means.hidden = me.role === "agent";
  away.textContent = me.away ? "Away" : "Here";
  away.title = me.away ? "You take no chats; press to come back (a)" : "You take chats; press to be away (a)";
  away.className = me.away ? "away" : "here";
  sound.textContent = alerts.quiet ? "Sound off" : "Sound on";
  if (document.activeElement !== most) most.value = me.max_chats;
  call();
};

const connect = follow(() => (openId ? { conversation: openId, after: talk.seq } : {}), {
  online(on) {
    state.textContent = on ? "" : "No connection, trying again…";
    state.classList.toggle("bad", !on);
  },
  me(now) {
    me = now;
    dress();
    board.draw();
  },
  board(lists) {
    board.take(lists);
    talk.draw();
    call();
  },
  change(lists) {
    board.change(lists);
    talk.draw();
    call();
  },
  opened: (now) => talk.opened(now),
  event: (event) => talk.event(event),
  signed_in: (signed) => talk.signedIn(signed),
  typing: (who) => talk.typing(who),
  part: (part) => talk.part(part),
  looking: (who) => talk.looking(who),
  gone() {
    complain("There is no such conversation.");
    open("");
  },
  over: () => location.reload(),
});

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  // The field of a page that was closed a moment ago may still get the key.
  const target = event.target.closest("input, textarea, select");
  const field = target?.checkVisibility() ? target : null;
  if (event.key === "Escape" && !event.defaultPrevented) return field ? field.blur() : talk.leave() || open("");
  if (field) return;
  const does = {
    j: () => board.step(1), k: () => board.step(-1), t: () => talk.take(), r: () => talk.reply(), n: () => talk.note(), i: () => talk.about(), x: () => talk.passOn(), e: () => talk.more(), g: rated,
    B: () => talk.back(), C: () => talk.close(), "/": () => board.focusSearch(), a: () => duty({ away: !me.away }), m: () => (alerts.toggle(), dress()), "?": () => keys.showModal(),
    1: () => board.choose("waiting"), 2: () => board.choose("mine"), 3: () => board.choose("others"), 4: () => board.choose("closed"), 5: () => board.choose("all"),
  }[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});
for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, () => alerts.permit(), { once: true });

document.body.append(bar, h("main", { class: "desk" }, h("h1", { class: "unseen" }, "Conversations"), board.element, talk.element, talk.side, h("p", { class: "empty" }, "Pick a conversation.")), trouble, keys);
document.body.classList.toggle("opened", !!openId);
talk.begin(openId);
dress();
board.draw();
connect();
