// The messages: rows in the order of seq, what is not sent yet below them, then the typing dots and the choices.
import { h, icon, rich } from "./nodes.js";

const JOINED = 120_000; // messages of one author within this time stand together
const NEAR = 80; // px from the end that still count as being there
const UP = "M7 11v9H4v-9zM7 11l4-8a2.500 2.500 0 0 1 2.500 2.500V9H19a2 2 0 0 1 2 2.300l-1.200 7A2 2 0 0 1 17.800 20H7";
const DOWN = "M17 13V4h3v9zM17 13l-4 8a2.500 2.500 0 0 1-2.500-2.500V15H5a2 2 0 0 1-2-2.300l1.200-7A2 2 0 0 1 6.200 4H17";

export class Log {
  #rows = new Map(); // seq → row
  #waiting = new Map(); // client id → row
  #lowest = Infinity;
  #asking = false;
  #more = false;
  #typingTimer;

  // `does`: choose(button), older(before), rate(seq, rating), retry(id), discard(id)
  constructor(texts, language, does) {
    this.does = does;
    this.head = h("div", { class: "row bot greeting" });
    this.earlier = h("button", { type: "button", class: "plain", hidden: true, onclick: () => this.#older() });
    this.list = h("div");
    this.dots = h("div", { class: "row bot", hidden: true }, h("div", { class: "bubble dots" }, h("i"), h("i"), h("i")));
    this.choices = h("div", { class: "choices", role: "group" });
    this.latest = h("button", { type: "button", class: "latest", hidden: true, onclick: () => this.toEnd() });
    this.scroller = h("div", { class: "log", role: "log", tabindex: 0, onscroll: () => this.#scrolled() },
      this.earlier, this.head, this.list, this.dots, this.choices);
    this.speak(texts, language);
  }

  // Says everything in this language.
  speak(texts, language) {
    this.texts = texts;
    const day = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
    const date = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
    const time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
    const days = (at) => Math.floor((at - new Date(at).getTimezoneOffset() * 60_000) / 86_400_000);
    this.timeOf = (at) => time.format(at);
    this.dayOf = (at) => {
      const ago = days(at) - days(Date.now());
      return ago > -2 && ago < 1 ? day.format(ago, "day") : date.format(at);
    };
    this.scroller.setAttribute("aria-label", texts.log);
    this.choices.setAttribute("aria-label", texts.choices);
    this.dots.firstChild.setAttribute("aria-label", texts.typing);
    this.earlier.textContent = texts.older;
    this.latest.textContent = texts.latest + " ↓";
    for (const row of this.list.children) {
      this.#word(row);
      this.#place(row);
    }
  }

  get isEmpty() {
    return !this.list.firstChild;
  }

  greet(html, starters) {
    this.starters = starters || [];
    this.head.replaceChildren(html ? h("div", { class: "bubble" }, rich(html)) : "");
    this.#settle();
  }

  clear() {
    this.#rows.clear();
    this.#lowest = Infinity;
    this.#more = this.#asking = false;
    for (const row of [...this.list.children]) if (!this.#waiting.has(row.client)) row.remove();
    this.#settle();
  }

  // What the visitor just said, or said before a reload, and what became of it: sending, waiting or failed.
  pending(id, { text, failed }) {
    if (this.#waiting.has(id)) return;
    const row = this.#make({ author: "visitor", text, client_id: id, at: Date.now(), seq: Infinity });
    this.#waiting.set(id, row);
    this.#insert(row);
    this.state(id, failed ? "failed" : "sending");
    this.#settle();
    this.toEnd();
  }

  state(id, state) {
    const row = this.#waiting.get(id);
    if (!row || row.state === state) return;
    row.state = state;
    this.#word(row);
  }

  fail(id, why) {
    const row = this.#waiting.get(id);
    if (!row) return;
    row.why = why;
    this.state(id, "failed");
  }

  acked(id, { seq, at }) {
    const row = this.#waiting.get(id);
    if (!row) return;
    this.#waiting.delete(id);
    if (this.#rows.has(seq)) return row.remove();
    Object.assign(row, { seq, at, state: "sent" });
    this.#rows.set(seq, row);
    if (seq < this.#lowest) this.#lowest = seq;
    this.#insert(row);
    this.#word(row);
  }

  // Another tab has sent it, or thrown it away.
  gone(id) {
    this.#waiting.get(id)?.remove();
    this.#waiting.delete(id);
    this.#settle();
  }

  // An event as it happens. Says whether it is a message that was not there yet.
  add(event) {
    const { kind, seq, author, client_id: id } = event;
    if (kind === "erased") return this.clear();
    if (kind === "rated") return this.#rated(event);
    if (kind !== "message") return;
    if (author === "visitor" && this.#waiting.has(id)) return this.acked(id, event);
    if (this.#rows.has(seq)) return;
    const atEnd = this.#atEnd();
    const row = this.#make(event);
    this.#rows.set(seq, row);
    if (seq < this.#lowest) this.#lowest = seq;
    this.#insert(row);
    if (author !== "visitor") this.typing(false);
    this.#settle();
    // A long answer is read from its beginning.
    if (atEnd) this.#scrollTo(Math.min(this.scroller.scrollHeight, row.offsetTop - 56));
    else if (author !== "visitor") this.latest.hidden = false;
    return true;
  }

  // A page of what was before. The visitor stays at the same place, and nothing of it is read aloud.
  history({ events, more }) {
    const { scroller } = this;
    const atEnd = this.isEmpty || this.#atEnd();
    const below = scroller.scrollHeight - scroller.scrollTop;
    scroller.setAttribute("aria-live", "off");
    for (const event of events) {
      this.#lowest = Math.min(this.#lowest, event.seq);
      if (event.kind === "rated") this.#rated(event);
      if (event.kind !== "message" || this.#rows.has(event.seq)) continue;
      if (this.#waiting.has(event.client_id)) {
        this.acked(event.client_id, event);
        continue;
      }
      const row = this.#make(event);
      this.#rows.set(event.seq, row);
      this.#insert(row);
    }
    this.#more = more;
    this.#asking = false;
    this.#settle();
    scroller.scrollTop = atEnd ? scroller.scrollHeight : scroller.scrollHeight - below;
    setTimeout(() => scroller.removeAttribute("aria-live"), 500);
  }

  // Shows the dots if no answer has come after a moment.
  typing(on) {
    clearTimeout(this.#typingTimer);
    if (!on) this.dots.hidden = true;
    else
      this.#typingTimer = setTimeout(() => {
        const atEnd = this.#atEnd();
        this.dots.hidden = false;
        if (atEnd) this.toEnd();
        this.#typingTimer = setTimeout(() => (this.dots.hidden = true), 20_000);
      }, 400);
  }

  toEnd() {
    this.#scrollTo(this.scroller.scrollHeight);
  }

  #scrollTo(top) {
    this.latest.hidden = true;
    this.scroller.scrollTo({ top, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  #atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  #scrolled() {
    if (this.#atEnd()) this.latest.hidden = true;
    if (this.scroller.scrollTop < 200) this.#older();
  }

  #older() {
    if (!this.#more || this.#asking || !this.does.older(this.#lowest)) return;
    this.#asking = true;
    // Lost with its connection: then it may be asked for again.
    setTimeout(() => (this.#asking = false), 5000);
  }

  #make({ author, text, html, client_id: client, at, seq, question, buttons }) {
    const bubble = h("div", { class: "bubble" }, html ? rich(html) : text);
    if (author === "visitor") bubble.dir = "auto";
    const row = h("div", { class: "row " + author }, h("div", { class: "day" }), h("span", { class: "unseen" }), bubble, h("div", { class: "meta" }));
    Object.assign(row, { author, client, at, seq, buttons, rateable: author === "bot" && question });
    this.#word(row);
    return row;
  }

  // The small print below a message.
  #word(row) {
    const { texts, does } = this;
    const { author, at, seq, state, client, rateable, rating } = row;
    row.children[1].textContent = (author === "visitor" ? texts.you : author === "agent" ? texts.agent : texts.bot) + " ";
    const button = (name, onclick) => h("button", { type: "button", class: "plain", onclick }, name);
    const meta = h("div", { class: "meta" });
    if (state === "failed") {
      const again = () => (this.state(client, "sending"), does.retry(client));
      const away = () => (this.gone(client), does.discard(client));
      meta.append(row.why || texts.failed, " ", button(texts.retry, again), " ", button(texts.discard, away));
    } else {
      meta.append(h("time", { datetime: new Date(at).toISOString() }, this.timeOf(at)));
      if (state) meta.append(h("span", { class: state }, "· " + texts[state]));
    }
    const thumb = (value, shape, label) => {
      const pressed = rating === value;
      const press = () => {
        if (does.rate(seq, pressed ? null : value)) this.#rated({ answer: seq, rating: pressed ? null : value }, label);
      };
      return h("button", { type: "button", class: "thumb", title: label, "aria-label": label, "aria-pressed": `${pressed}`, onclick: press }, icon(shape));
    };
    if (rateable) meta.append(thumb("up", UP, texts.good), thumb("down", DOWN, texts.bad));
    row.classList.toggle("failed", state === "failed");
    row.lastChild.replaceWith(meta);
  }

  #rated({ answer, rating }, focused) {
    const row = this.#rows.get(answer);
    if (!row || row.rating === rating) return;
    row.rating = rating;
    this.#word(row);
    if (focused) row.querySelector(`[title="${focused}"]`).focus();
  }

  #insert(row) {
    let before = null;
    let last = this.list.lastChild;
    while (last && (last === row || last.seq > row.seq)) {
      if (last !== row) before = last;
      last = last.previousSibling;
    }
    if (!row.parentNode || row.nextSibling !== before) this.list.insertBefore(row, before);
    this.#place(row);
    if (before) this.#place(before);
  }

  // The day above it, and whether it belongs to the one before.
  #place(row) {
    const before = row.previousSibling;
    const day = this.dayOf(row.at);
    const newDay = !before || this.dayOf(before.at) !== day;
    row.firstChild.textContent = newDay ? day : "";
    row.classList.toggle("joined", !newDay && before.author === row.author && row.at - before.at < JOINED);
  }

  // What stands around the rows: the greeting above the first one, the choices below the last.
  #settle() {
    this.earlier.hidden = !this.#more;
    this.head.hidden = this.#more || !this.head.firstChild;
    const last = this.list.lastChild;
    const buttons = last ? last.author !== "visitor" && last.buttons : this.starters;
    this.choices.replaceChildren();
    for (const button of buttons || []) {
      this.choices.append(h("button", { type: "button", onclick: () => this.does.choose(button) }, button.text));
    }
  }
}
