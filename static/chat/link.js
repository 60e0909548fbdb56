// The connection: who the visitor is, what is not acknowledged yet, and a socket that comes back by itself.

const QUIET = 15_000; // silence after which we ask whether anybody is there
const DEAD = 8_000; // and how long the answer may take
const SLOWEST = 30_000;

// What storage does not take, because it is forbidden or full, this page remembers by itself.
const memory = new Map();
const trying = (call) => {
  try {
    return call(localStorage);
  } catch {}
};
const keep = (key, value) => {
  if (trying((storage) => (storage.setItem(key, value), true))) memory.delete(key);
  else memory.set(key, value);
};
const drop = (key) => {
  memory.delete(key);
  trying((storage) => storage.removeItem(key));
};
const kept = (key) => memory.get(key) ?? trying((storage) => storage.getItem(key));
const keysOf = (prefix) =>
  [...memory.keys(), ...(trying(Object.keys) || [])].filter((key) => key.startsWith(prefix)).sort();
// A page that gives Object.prototype a toJSON does not change what we send.
const json = (value) => JSON.stringify({ __proto__: null, ...value });
const parsed = (text) => {
  try {
    return JSON.parse(text) || {};
  } catch {
    return {};
  }
};
const bytes = (n) => crypto.getRandomValues(new Uint8Array(n));
const hex = (array) => [...array].map((byte) => byte.toString(16).padStart(2, "0")).join("");
// randomUUID is missing on pages without TLS.
const uuid = () => {
  const b = bytes(16);
  b[6] = (b[6] & 15) | 64;
  b[8] = (b[8] & 63) | 128;
  return hex(b).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
};
let count = 0;
// Sorts by when it was said.
const messageId = () => "m" + Date.now().toString(36).padStart(9, "0") + (count++).toString(36).padStart(3, "0") + hex(bytes(8));

export class Link {
  #socket;
  #timer; // the next attempt
  #quiet; // the next ping, or the end after one
  #tries = 0;
  #since = 0;
  #ready = false; // welcome has come
  #underWay; // the message that is not acknowledged yet: one at a time keeps them in order
  #hold;
  #seq = 0;

  // `hears`: state(name), welcome(frame, anew), history(frame), event(frame), ack(id, frame), failed(id, text), gone(id)
  constructor({ server, key, language }, hears) {
    this.url = new URL("ws/chat/", server);
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.key = key;
    this.language = language;
    this.hears = hears;
    addEventListener("online", () => this.wake());
    addEventListener("offline", () => hears.state("offline"));
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    addEventListener("pagehide", () => this.#lose(0));
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    addEventListener("storage", ({ key, newValue, oldValue }) => {
      if (key === this.key && parsed(newValue).token !== parsed(oldValue).token && oldValue) this.#restart();
      else if (key?.startsWith(this.key + " ") && !newValue) hears.gone(key.slice(this.key.length + 1));
    });
  }

  get visitor() {
    const visitor = parsed(kept(this.key));
    if (visitor.token && visitor.conversation) return visitor;
    return this.#save({ token: hex(bytes(32)), conversation: uuid() });
  }

  // What was said and is not acknowledged, in order: [id, { text, choice, failed }].
  get outbox() {
    const prefix = this.key + " ";
    return keysOf(prefix).map((key) => [key.slice(prefix.length), parsed(kept(key))]);
  }

  say(text, choice) {
    const id = messageId();
    keep(`${this.key} ${id}`, json({ text, choice }));
    this.#pump();
    this.wake();
    return id;
  }

  retry(id) {
    const { text, choice } = parsed(kept(`${this.key} ${id}`));
    keep(`${this.key} ${id}`, json({ text, choice }));
    this.#pump();
    this.wake();
  }

  discard(id) {
    drop(`${this.key} ${id}`);
  }

  // Everything up to here was shown to the visitor.
  seen() {
    const { visitor } = this;
    if (this.#seq > (visitor.seen || 0)) this.#save({ ...visitor, seen: this.#seq });
  }

  send(type, fields) {
    if (this.#ready) this.#socket.send(json({ type, ...fields }));
    return this.#ready;
  }

  // Another person sits here now: nothing of the one before is left in this browser.
  forget() {
    drop(this.key);
    for (const [id] of this.outbox) this.discard(id);
    this.#restart();
  }

  // Now is a good moment to be connected.
  wake() {
    if (!this.#socket) this.connect();
    else if (this.#ready && Date.now() - this.#since > QUIET) this.#ask();
  }

  // Says hello anew, with another language for example.
  reconnect() {
    this.#lose(1);
    this.connect();
  }

  connect() {
    clearTimeout(this.#timer);
    if (this.#socket) return;
    this.hears.state("connecting");
    const socket = (this.#socket = new WebSocket(this.url, "purser.v1"));
    this.#quiet = setTimeout(() => this.#lose(), QUIET);
    socket.onopen = () => {
      const { token, conversation } = this.visitor;
      socket.send(json({ type: "hello", token, conversation, seq: this.#seq, language: this.language() }));
    };
    socket.onmessage = ({ data }) => {
      this.#since = Date.now();
      clearTimeout(this.#quiet);
      this.#quiet = setTimeout(() => this.#ask(), QUIET);
      this.#take(parsed(data));
    };
    socket.onclose = () => this.#lose();
  }

  #ask() {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#lose(), DEAD);
    this.send("ping");
  }

  // The connection is gone, or worth nothing. Comes back after `wait` ms; 0: not by itself.
  #lose(wait) {
    const socket = this.#socket;
    if (!socket) return;
    if (this.#ready && Date.now() - this.#since < QUIET) this.#tries = 0;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#socket = this.#underWay = null;
    this.#ready = false;
    clearTimeout(this.#quiet);
    clearTimeout(this.#timer);
    clearTimeout(this.#hold);
    this.#hold = 0;
    this.hears.state("offline");
    // Spread, or everybody comes back at once after a restart.
    wait ??= Math.min(SLOWEST, 1000 * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
    if (wait) this.#timer = setTimeout(() => this.connect(), wait);
  }

  #restart() {
    this.#seq = 0;
    this.hears.welcome({ seq: 0 }, true);
    this.reconnect();
  }

  #save(visitor) {
    keep(this.key, json(visitor));
    return visitor;
  }

  #take(frame) {
    const { type, conversation, client_id: id } = frame;
    if (type === "welcome") {
      const { visitor } = this;
      // A log that ends before what we saw is another one.
      const anew = conversation !== visitor.conversation || frame.seq < this.#seq;
      if (anew) {
        this.#seq = 0;
        this.#save({ token: visitor.token, conversation });
      }
      this.#ready = true;
      this.hears.welcome(frame, anew);
      this.hears.state("online");
      this.#pump();
    } else if (type === "event" || type === "history") {
      const last = type === "event" ? frame : frame.events[frame.events.length - 1];
      if (last?.seq > this.#seq) this.#seq = last.seq;
      this.hears[type](frame);
    } else if (type === "ack") {
      this.discard(id);
      this.#underWay = null;
      this.hears.ack(id, frame);
      this.#pump();
    } else if (type === "bye") this.#lose(Math.max(1, frame.back_in ?? SLOWEST));
    else if (type === "error") this.#trouble(frame, id);
  }

  #trouble({ code, text, retry_after: after }, id) {
    if (code === "bad_token" || (code === "not_yours" && !id)) {
      // This identity leads nowhere; what is unsent goes out under the next one.
      drop(this.key);
      this.#seq = 0;
      this.#lose();
    } else if (after) {
      this.hears.state("held");
      this.#hold = setTimeout(() => {
        this.#hold = 0;
        if (!this.#ready) return this.reconnect();
        this.hears.state("online");
        this.#pump();
      }, after);
      this.#underWay = null;
    } else if (id) {
      const key = `${this.key} ${id}`;
      keep(key, json({ ...parsed(kept(key)), failed: true }));
      this.#underWay = null;
      this.hears.failed(id, text);
      this.#pump();
    }
  }

  #pump() {
    if (!this.#ready || this.#underWay || this.#hold) return;
    for (const [id, { text, choice, failed }] of this.outbox) {
      if (failed) continue;
      this.#underWay = id;
      this.send("say", { client_id: id, text, choice });
      return;
    }
  }
}
