// The messages: rows in the order of seq, what is not sent yet below them, then the typing dots and the choices.
import { h, icon, rich } from "./nodes.js";

const JOINED = 120_000; // messages of one author within this time stand together
const NEAR = 80; // px from the end that still count as being there

export class Log {
  #rows = new Map(); // seq, or client id while there is none → row
  #thumbs = new Map(); // seq of an answer → rating, and the seq of the rating
  #lowest = Infinity;
  #more = false;
  #asking;
  #dotsTimer;

  // `does`: choose(button), older(before), and later(name, …), which does what is not needed for the first answer
  constructor(texts, language, does) {
    this.does = does;
    this.head = h("div", { class: "row bot" });
    this.list = h("div");
    this.dots = h("div", { class: "row bot", hidden: "" }, h("div", { class: "bubble dots", role: "img" }, h("i"), h("i"), h("i")));
    this.choices = h("div", { class: "choices", role: "group" });
    this.latest = h("button", { type: "button", class: "latest", hidden: "", onclick: () => this.toEnd() }, icon("M12 5v14M6 13l6 6 6-6"));
    this.scroller = h("div", { class: "log", role: "log", tabindex: 0, onscroll: () => this.#scrolled() },
      this.head, this.list, this.dots, this.choices);
    this.speak(texts, language);
  }

  // Says everything in this language.
  speak(texts, language) {
    this.texts = texts;
    const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
    const date = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
    const time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
    const days = (at) => Math.floor((at - new Date(at).getTimezoneOffset() * 60_000) / 86_400_000);
    this.timeOf = (at) => time.format(at);
    this.dayOf = (at) => {
      const ago = days(at) - days(Date.now());
      return ago > -2 && ago < 1 ? relative.format(ago, "day") : date.format(at);
    };
    this.scroller.setAttribute("aria-label", texts.log);
    this.choices.setAttribute("aria-label", texts.choices);
    this.dots.firstChild.setAttribute("aria-label", texts.typing);
    this.latest.setAttribute("aria-label", texts.latest);
    for (const row of this.list.children) {
      this.#word(row);
      this.#place(row);
    }
  }

  get isEmpty() {
    return !this.list.firstChild;
  }

  greet(nodes, starters) {
    this.starters = starters;
    this.head.replaceChildren(h("div", { class: "bubble" }, ...rich(nodes)));
    this.#settle();
  }

  // Leaves what is not sent yet, unless that is to go as well.
  clear(all) {
    this.#thumbs.clear();
    this.#lowest = Infinity;
    this.#more = false;
    for (const [key, row] of this.#rows) {
      if (!all && row.seq === Infinity) continue;
      this.#rows.delete(key);
      row.remove();
    }
    this.#settle();
  }

  // What the visitor says, or said before a reload or in another tab, and what became of it.
  pending(id, { text, failed }, state) {
    const isNew = !this.#rows.has(id);
    if (isNew && !text) return;
    const row = this.#put({ author: "visitor", text, client_id: id, at: Date.now(), seq: Infinity });
    row.why = failed;
    this.state(id, failed ? "failed" : state);
    if (isNew) this.toEnd();
  }

  state(id, state) {
    const row = this.#rows.get(id);
    if (!row || row.state === state) return;
    row.state = state;
    this.#word(row);
  }

  ack(event) {
    this.state(event.client_id, "sent");
    if (this.#rows.has(event.client_id)) this.#put(event);
  }

  // Another tab has thrown it away, or has sent it: then it comes back as an event.
  gone(id) {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
    this.#settle();
  }

  // An event as it happens. Returns its text if it is a message that was not there yet.
  add(event) {
    const isNew = !this.#rows.has(event.seq);
    const mine = event.author === "visitor";
    const atEnd = this.#atEnd();
    const row = this.#take(event);
    if (!row || row.told) return;
    row.told = true;
    if (!mine) this.typing(false);
    // A long answer is read from its beginning.
    if (isNew && atEnd) this.#scrollTo(row.offsetTop - 56);
    else if (isNew && !mine) this.latest.hidden = false;
    return event.kind === "message" && row.children[2].innerText;
  }

  // A page of what was before. The visitor stays at the same place, and nothing of it is read aloud.
  history({ events, more }) {
    const { scroller } = this;
    const atEnd = this.isEmpty || this.#atEnd();
    const below = scroller.scrollHeight - scroller.scrollTop;
    scroller.setAttribute("aria-live", "off");
    this.#more = more;
    for (const event of events) {
      this.#lowest = Math.min(this.#lowest, event.seq);
      this.#take(event);
    }
    this.#asking = false;
    this.#settle();
    scroller.scrollTop = scroller.scrollHeight - (atEnd ? 0 : below);
    setTimeout(() => scroller.removeAttribute("aria-live"), 500);
    this.#scrolled();
  }

  // Shows the dots, for a while.
  typing(on = true) {
    clearTimeout(this.#dotsTimer);
    const atEnd = this.#atEnd();
    this.dots.hidden = !on;
    if (on && atEnd) this.toEnd();
    this.#dotsTimer = on && setTimeout(() => this.typing(false), 20_000);
  }

  // Shows them if no answer has come in a moment.
  typingSoon() {
    this.#dotsTimer ||= setTimeout(() => this.typing(), 400);
  }

  // Smoothly, unless the window has just been opened.
  toEnd(smoothly = true) {
    this.#scrollTo(this.scroller.scrollHeight, smoothly);
  }

  // What the visitor thinks of the answer in a row.
  async thumb(row, thumb) {
    if (row.thumb === thumb) return;
    row.thumb = thumb;
    await this.#word(row);
  }

  #scrollTo(top, smoothly = true) {
    this.latest.hidden = true;
    const still = !smoothly || matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.scroller.scrollTo({ top, behavior: still ? "instant" : "smooth" });
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

  // Its row, if there is one to be seen.
  #take(event) {
    const { kind, seq, nodes, answer, thumb } = event;
    if (kind === "erased") this.clear();
    if (kind === "rated" && !(this.#thumbs.get(answer)?.[1] > seq)) {
      this.#thumbs.set(answer, [thumb, seq]);
      const row = this.#rows.get(answer);
      if (row) this.thumb(row, thumb);
    }
    if (kind === "message" || nodes) return this.#put(event);
  }

  // The row of a message, which is made, or told what is new of it.
  #put(event) {
    const { seq, client_id: id, at } = event;
    const row = this.#rows.get(seq) || this.#rows.get(id) || this.#make(event);
    if (seq < row.seq || !row.parentNode) {
      Object.assign(row, { seq, at });
      this.#rows.delete(id);
      this.#rows.set(seq < Infinity ? seq : id, row);
      let before = null;
      for (let last = this.list.lastChild; last && (last === row || last.seq > seq); last = last.previousSibling) if (last !== row) before = last;
      if (!row.parentNode || row.nextSibling !== before) this.list.insertBefore(row, before);
      this.#word(row);
      this.#place(row);
      if (before) this.#place(before);
      this.#settle();
    }
    return row;
  }

  #make({ kind, author, text, nodes, seq, client_id: client, question, buttons }) {
    if (kind && kind !== "message") author = "system";
    const bubble = h("div", { class: "bubble" }, ...(nodes ? rich(nodes) : [text]));
    if (author === "visitor") bubble.dir = "auto";
    const row = h("div", { class: "row " + author }, h("div", { class: "day" }), h("span", { class: "unseen" }), bubble, h("div"));
    return Object.assign(row, { author, client, buttons, isAnswer: author === "bot" && question, thumb: this.#thumbs.get(seq)?.[0] });
  }

  // The small print below a message.
  async #word(row) {
    const { texts } = this;
    const { author, at, state } = row;
    row.children[1].textContent = texts[author] + " ";
    const meta = h("div", { class: "meta" }, state === "failed" ? row.why || texts.failed : h("time", { datetime: new Date(at).toISOString() }, this.timeOf(at)));
    row.classList.toggle("failed", state === "failed");
    row.lastChild.replaceWith(meta);
    if (state === "failed") await this.does.later("failed", meta, row);
    else if (state) meta.append(h("span", { class: state }, "· " + texts[state]));
    if (row.isAnswer) await this.does.later("thumbs", meta, row);
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
    this.head.hidden = this.#more || !this.head.firstChild;
    const last = this.list.lastChild;
    const buttons = last ? last.author !== "visitor" && last.buttons : this.starters;
    const choice = (button) => h("button", { type: "button", onclick: () => this.does.choose(button) }, button.text);
    this.choices.replaceChildren(...(buttons || []).map(choice));
  }
}
