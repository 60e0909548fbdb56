// The connection: it comes back by itself, says again what was not acknowledged, and knows what was seen last.
import { keep, json, parsed } from "./kept.js";

const OPENS = 8_000; // how long a connection may take to open
const QUIET = 16_000; // silence after which we ask whether anybody is there
const DEAD = 8_000; // and how long the answer may take
const PATIENCE = 13_000; // a server whose store is away says so within this time
const SLOWEST = 30_000;

// `hears`: state(name, text), welcome(frame, anew), ack(frame), pending(id, said), gone(id), seen(), and what else the
// server's frames are called.
export const connect = ({ server, key, language, who }, hears) => {
  const kept = keep(key);
  let wire;
  let timer; // the next attempt
  let silence; // the next ping, or the end after one
  let tries = 0; // attempts without a welcome
  let worked = false; // a WebSocket was welcomed on this page
  let heard = 0;
  let said = 0; // when the message under way was sent
  let ready = false; // welcome has come
  let underWay; // the message that is not acknowledged yet: one at a time keeps them in order
  let hold;
  let seq = 0;
  let vouched = null; // what the page said of who is signed in, when it was asked last

  const send = (type, fields) => {
    if (ready) wire.send(json({ type, ...fields }));
    return ready;
  };
  const lateAfter = (time, then = lose) => {
    clearTimeout(silence);
    silence = setTimeout(then, time);
  };
  const ask = () => {
    send("ping");
    lateAfter(Math.max(DEAD, underWay ? said + PATIENCE - Date.now() : 0));
  };

  const hello = async () => {
    const mine = wire;
    const identity = (vouched = who()) && (await hears.identity());
    // Meanwhile it may be gone, or somebody else sit here.
    if (wire !== mine) return;
    // What is not acknowledged belongs to the conversation in which it was said.
    const { token, conversation } = { ...kept.visitor, ...kept.outbox[0]?.[1] };
    wire.send(json({ type: "hello", token, conversation, seq, language: language(), form: "nodes", identity }));
  };

  const start = () => {
    clearTimeout(timer);
    if (wire) return;
    hears.state("connecting");
    const url = new URL("ws/chat/", server);
    url.protocol = url.protocol.replace("http", "ws");
    // Where no WebSocket comes through, every other attempt goes over HTTP.
    const http = navigator.onLine && tries > (worked ? 3 : 0) && tries % 2;
    wire = http ? overHttp() : new WebSocket(url, "purser.v1");
    lateAfter(OPENS);
    wire.onopen = () => {
      hello();
      lateAfter(QUIET);
    };
    wire.onmessage = ({ data }) => {
      heard = Date.now();
      lateAfter(QUIET, ask);
      take(parsed(data), http);
    };
    wire.onclose = () => lose();
  };

  const overHttp = () => {
    const wire = { close: () => (wire.closed = true) };
    const back = () => {
      tries = 0;
      lose(1);
    };
    import("./http.js").then(({ carry }) => wire.closed || carry(wire, server, back)).catch(() => wire.onclose?.());
    return wire;
  };

  // The connection is gone, or worth nothing. Comes back after `wait` ms; 0: not by itself.
  const lose = (wait) => {
    const old = wire;
    if (!old) return;
    old.onmessage = old.onclose = null;
    // A browser complains of a socket that is closed while it connects.
    old.onopen = () => old.close();
    if (old.readyState !== 0) old.close();
    [silence, timer, hold].forEach(clearTimeout);
    wire = underWay = hold = null;
    ready = false;
    hears.state("offline");
    // Spread, or everybody comes back at once after a restart.
    wait ??= Math.min(SLOWEST, 1000 * 2 ** tries++) * (0.5 + Math.random() / 2);
    if (wait) timer = setTimeout(start, wait);
  };

  // Now is a good moment to be connected.
  const wake = () => {
    if (!wire) start();
    else if (ready && !underWay && Date.now() - heard > 3000) ask();
  };

  // Starts over as whoever is kept, or as somebody new. On a new connection: what the old one still brings is not for
  // the new one's eyes.
  const restart = () => {
    seq = 0;
    hears.welcome({}, true);
    lose(1);
    start();
  };

  const pump = () => {
    if (!ready || underWay || hold) return;
    const [id, fields] = kept.outbox.find(([, { failed }]) => !failed) || [];
    if (!id) return;
    underWay = id;
    said = Date.now();
    send("say", { client_id: id, ...fields });
  };
  const retry = (id) => {
    kept.change(id, { failed: undefined });
    pump();
    wake();
  };

  const take = (frame, http) => {
    const { type, conversation, client_id: id } = frame;
    if (type === "welcome") {
      // A log that ends before what we saw is another one.
      const anew = conversation !== kept.visitor.conversation || frame.seq < seq;
      if (anew) {
        seq = 0;
        kept.update({ conversation, seen: 0 });
      }
      tries = 0;
      worked ||= !http;
      ready = true;
      hears.met = frame;
      hears.welcome(frame, anew);
      hears.state("online");
      pump();
    } else if (type === "ack") {
      kept.drop(id);
      underWay = null;
      // Stored in another conversation than the one that is shown.
      if (conversation !== kept.visitor.conversation) hears.gone(id);
      else hears.ack(frame);
      pump();
    } else if (type === "bye") lose(Math.max(1, frame.back_in ?? SLOWEST));
    else if (type === "error") trouble(frame, id);
    else {
      const last = type === "event" ? frame : frame.events?.at(-1);
      if (last?.seq > seq) seq = last.seq;
      hears[type]?.(frame);
    }
  };

  const trouble = ({ code, text, reason, retry_after: after }, id) => {
    // With a fresh token of the page it is another matter.
    if (/^sign/.test(code)) {
      lose();
      // For whoever makes the page.
      reason && console.warn(reason);
      return hears.state("offline", text);
    }
    if (code === "bad_token" || (code === "not_yours" && !id)) {
      // This identity leads nowhere; what is unsent goes out under the next one.
      kept.update({ token: "" });
      for (const [id] of kept.outbox) kept.change(id, { conversation: undefined });
      seq = 0;
      lose();
    } else if (after) {
      // It waits, and goes out again by itself.
      underWay = null;
      hears.state("held", code === "not_stored" ? "" : text);
      clearTimeout(hold);
      hold = setTimeout(() => {
        hold = null;
        if (!ready) return hello();
        hears.state("online");
        pump();
      }, after);
    } else if (id) {
      kept.change(id, { failed: text });
      underWay = null;
      hears.pending(id, { failed: text });
      pump();
    }
  };

  addEventListener("online", () => {
    tries = 0;
    if (ready) hears.state("online");
    wake();
  });
  addEventListener("offline", () => hears.state("offline"));
  document.addEventListener("visibilitychange", () => document.hidden || wake());
  addEventListener("pagehide", () => lose(0));
  addEventListener("pageshow", (event) => event.persisted && wake());
  // What the other tabs do.
  addEventListener("storage", ({ key: changed, newValue, oldValue }) => {
    if (changed === key) {
      if (oldValue && parsed(newValue).token !== parsed(oldValue).token) restart();
      else if (parsed(newValue).seen >= seq) hears.seen();
    } else if (changed?.startsWith(key + " ")) {
      const id = changed.slice(key.length + 1);
      newValue ? hears.pending(id, parsed(newValue)) : hears.gone(id);
    }
  });

  return {
    server,
    kept,
    hears,
    send,
    wake,
    retry,
    restart,
    say(text, choice) {
      const said = { text, choice, conversation: kept.visitor.conversation };
      const id = kept.add(said);
      hears.pending(id, said);
      retry(id);
    },
    // Everything up to here was shown to the visitor.
    seen() {
      if (!(seq > (kept.visitor.seen || 0))) return;
      kept.update({ seen: seq });
      send("seen", { seq });
    },
    // The page speaks another language, or may say something else of who is signed in.
    greet(anew) {
      if (anew || who() !== vouched) ready ? hello() : hears.identity((vouched = who()));
    },
  };
};
