// The connection: it comes back by itself, says again what was not acknowledged, and knows what was seen last.
import { Kept, json, parsed } from "./kept.js";

const OPENS = 8_000; // how long a connection may take to open
const QUIET = 16_000; // silence after which we ask whether anybody is there
const DEAD = 8_000; // and how long the answer may take
const PATIENCE = 13_000; // a server whose store is away says so within this time
const SLOWEST = 30_000;

export class Link {
  #wire;
  #timer; // the next attempt
  #quiet; // the next ping, or the end after one
  #tries = 0; // attempts without a welcome
  #worked = false; // a WebSocket was welcomed on this page
  #heard = 0;
  #said = 0; // when the message under way was sent
  #ready = false; // welcome has come
  #underWay; // the message that is not acknowledged yet: one at a time keeps them in order
  #hold;
  #seq = 0;

  // `hears`: state(name, text), welcome(frame, anew), ack(frame), pending(id, said), gone(id), seen(), and what else
  // the server's frames are called.
  constructor({ server, key, language }, hears) {
    this.server = server;
    this.kept = new Kept(key);
    this.language = language;
    this.hears = hears;
    addEventListener("online", () => {
      this.#tries = 0;
      if (this.#ready) hears.state("online");
      this.wake();
    });
    addEventListener("offline", () => hears.state("offline"));
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    addEventListener("pagehide", () => this.#lose(0));
    addEventListener("pageshow", (event) => event.persisted && this.wake());
    // What the other tabs do.
    addEventListener("storage", ({ key: changed, newValue, oldValue }) => {
      if (changed === key) {
        if (oldValue && parsed(newValue).token !== parsed(oldValue).token) this.restart();
        else if (parsed(newValue).seen >= this.#seq) hears.seen();
      } else if (changed?.startsWith(key + " ")) {
        const id = changed.slice(key.length + 1);
        newValue ? hears.pending(id, parsed(newValue)) : hears.gone(id);
      }
    });
  }

  say(text, choice) {
    const said = { text, choice, conversation: this.kept.visitor.conversation };
    const id = this.kept.add(said);
    this.hears.pending(id, said);
    this.retry(id);
  }

  retry(id) {
    this.kept.change(id, { failed: undefined });
    this.#pump();
    this.wake();
  }

  // Everything up to here was shown to the visitor.
  seen() {
    if (!(this.#seq > (this.kept.visitor.seen || 0))) return;
    this.kept.update({ seen: this.#seq });
    this.send("seen", { seq: this.#seq });
  }

  send(type, fields) {
    if (this.#ready) this.#wire.send(json({ type, ...fields }));
    return this.#ready;
  }

  // Starts over as whoever is kept, or as somebody new. On a new connection: what the old one still brings is not for
  // the new one's eyes.
  restart() {
    this.#seq = 0;
    this.hears.welcome({ seq: 0 }, true);
    this.#lose(1);
    this.connect();
  }

  // Hears everything in the page's new language from now on.
  respeak() {
    if (this.#ready) this.#hello();
  }

  // Now is a good moment to be connected.
  wake() {
    if (!this.#wire) this.connect();
    else if (this.#ready && !this.#underWay && Date.now() - this.#heard > 3000) this.#ask();
  }

  connect() {
    clearTimeout(this.#timer);
    if (this.#wire) return;
    this.hears.state("connecting");
    const url = new URL("ws/chat/", this.server);
    url.protocol = url.protocol.replace("http", "ws");
    // Where no WebSocket comes through, every other attempt goes over HTTP.
    const http = navigator.onLine && this.#tries > (this.#worked ? 3 : 0) && this.#tries % 2;
    const wire = (this.#wire = http ? this.#overHttp() : new WebSocket(url, "purser.v1"));
    this.#lateAfter(OPENS);
    wire.onopen = () => {
      this.#hello();
      this.#lateAfter(QUIET);
    };
    wire.onmessage = ({ data }) => {
      this.#heard = Date.now();
      clearTimeout(this.#quiet);
      this.#quiet = setTimeout(() => this.#ask(), QUIET);
      this.#take(parsed(data), http);
    };
    wire.onclose = () => this.#lose();
  }

  #hello() {
    const { token, conversation } = this.kept.visitor;
    const [first] = this.kept.outbox;
    // What is not acknowledged belongs to the conversation in which it was said.
    const place = first?.[1].conversation || conversation;
    this.#wire.send(json({ type: "hello", token, conversation: place, seq: this.#seq, language: this.language(), form: "nodes" }));
  }

  #overHttp() {
    const wire = { close: () => (wire.closed = true) };
    const back = () => {
      this.#tries = 0;
      this.#lose(1);
    };
    import("./http.js").then(({ carry }) => wire.closed || carry(wire, this.server, back)).catch(() => wire.onclose?.());
    return wire;
  }

  #lateAfter(time) {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#lose(), time);
  }

  #ask() {
    this.send("ping");
    this.#lateAfter(Math.max(DEAD, this.#underWay ? this.#said + PATIENCE - Date.now() : 0));
  }

  // The connection is gone, or worth nothing. Comes back after `wait` ms; 0: not by itself.
  #lose(wait) {
    const wire = this.#wire;
    if (!wire) return;
    wire.onopen = wire.onmessage = wire.onclose = null;
    wire.close();
    for (const timer of [this.#quiet, this.#timer, this.#hold]) clearTimeout(timer);
    this.#wire = this.#underWay = this.#hold = null;
    this.#ready = false;
    this.hears.state("offline");
    // Spread, or everybody comes back at once after a restart.
    wait ??= Math.min(SLOWEST, 1000 * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
    if (wait) this.#timer = setTimeout(() => this.connect(), wait);
  }

  #take(frame, http) {
    const { type, conversation, client_id: id } = frame;
    if (type === "welcome") {
      const { token, conversation: ours, customer } = this.kept.visitor;
      // A log that ends before what we saw is another one.
      const anew = conversation !== ours || frame.seq < this.#seq;
      if (anew) {
        this.#seq = 0;
        this.kept.update({ token, conversation, customer, seen: 0 });
      }
      this.#tries = 0;
      this.#worked ||= !http;
      this.#ready = true;
      this.hears.welcome(frame, anew);
      this.hears.state("online");
      this.#pump();
    } else if (type === "ack") {
      this.kept.drop(id);
      this.#underWay = null;
      this.hears.ack(frame);
      this.#pump();
    } else if (type === "bye") this.#lose(Math.max(1, frame.back_in ?? SLOWEST));
    else if (type === "error") this.#trouble(frame, id);
    else {
      const last = type === "event" ? frame : frame.events?.at(-1);
      if (last?.seq > this.#seq) this.#seq = last.seq;
      this.hears[type]?.(frame);
    }
  }

  #trouble({ code, text, retry_after: after }, id) {
    if (code === "bad_token" || (code === "not_yours" && !id)) {
      // This identity leads nowhere; what is unsent goes out under the next one.
      this.kept.update({ token: "" });
      for (const [id] of this.kept.outbox) this.kept.change(id, { conversation: undefined });
      this.#seq = 0;
      this.#lose();
    } else if (after) {
      // It waits, and goes out again by itself.
      this.#underWay = null;
      this.hears.state("held", code === "not_stored" ? "" : text);
      clearTimeout(this.#hold);
      this.#hold = setTimeout(() => {
        this.#hold = null;
        if (!this.#ready) return this.#hello();
        this.hears.state("online");
        this.#pump();
      }, after);
    } else if (id) {
      this.kept.change(id, { failed: text });
      this.#underWay = null;
      this.hears.pending(id, { failed: text });
      this.#pump();
    }
  }

  #pump() {
    if (!this.#ready || this.#underWay || this.#hold) return;
    const next = this.kept.outbox.find(([, { failed }]) => !failed);
    if (!next) return;
    const [id, { text, choice }] = next;
    this.#underWay = id;
    this.#said = Date.now();
    this.send("say", { client_id: id, text, choice });
  }
}
