// The messages: rows in the order of seq, what is not sent yet below them, then the typing dots and the choices.
import { h, icon, rich } from "./nodes.js";

const JOINED = 120_000; // messages of one author within this time stand together
const NEAR = 80; // px from the end that still count as being there

// `does`: choose(button), older(before), and later(name, …), which does what is not needed for the first answer.
export const logOf = (does) => {
  const rows = new Map(); // seq, or client id while there is none → row
  const ratings = new Map(); // seq of an answer → rating, and the seq of the rating
  let texts, timeOf, dayOf, starters, dotsTimer, asking;
  let goal = 0; // where a smooth scroll under way will end
  let lowest = Infinity;
  let more = false;

  const head = h("div", { class: "row bot" });
  const list = h("div");
  const dots = h("div", { class: "row bot", hidden: "" }, h("div", { class: "bubble dots", role: "img" }, h("i"), h("i"), h("i")));
  const choices = h("div", { class: "choices", role: "group" });
  const latest = h("button", { type: "button", class: "latest", hidden: "", onclick: () => toEnd() }, icon("M12 5v14M6 13l6 6 6-6"));
  const scroller = h("div", { class: "log", role: "log", tabindex: 0, onscroll: () => scrolled() }, head, list, dots, choices);

  const atEnd = () => scroller.scrollHeight - Math.max(goal, scroller.scrollTop) - scroller.clientHeight < NEAR;
  const scrollTo = (top, smoothly) => {
    goal = top;
    latest.hidden = atEnd();
    setTimeout(() => (goal = 0), 500);
    const still = !smoothly || matchMedia("(prefers-reduced-motion: reduce)").matches;
    scroller.scrollTo({ top, behavior: still ? "instant" : "smooth" });
  };
  // Smoothly, unless the window has just been opened.
  const toEnd = (smoothly = true) => scrollTo(scroller.scrollHeight, smoothly);
  const scrolled = () => {
    if (atEnd()) latest.hidden = true;
    if (scroller.scrollTop > 200 || !more || asking || !does.older(lowest)) return;
    asking = true;
    // Lost with its connection: then it may be asked for again.
    setTimeout(() => (asking = false), 5000);
  };

  // What stands around the rows: the greeting above the first one, the choices below the last.
  const settle = () => {
    head.hidden = more || !head.firstChild;
    const last = list.lastChild;
    const buttons = last ? last.author !== "visitor" && last.buttons : starters;
    const choice = (button) => {
      if (button.link) return rich([["a", new URL(button.link, location).href, button.text]])[0];
      return h("button", { type: "button", onclick: () => does.choose(button) }, button.text);
    };
    choices.replaceChildren(...(buttons || []).map(choice));
  };

  const make = ({ kind, author, text, nodes, seq, client_id: client, question, buttons, name, attachments: files, asks }) => {
    // The question is below, with stars.
    if (asks) nodes.pop();
    if (kind && kind !== "message") author = "system";
    const bubble = h("div", { class: "bubble" }, ...(nodes ? rich(nodes) : [text || ""]));
    const row = h("div", { class: "row " + author }, h("div", { class: "day" }), h("span", { class: "unseen" }), bubble, h("div"));
    return Object.assign(row, { author, client, buttons, files, more: author === "bot" ? question : name, thumb: ratings.get(seq)?.[0] });
  };

  // The small print below a message.
  const word = async (row) => {
    const { author, at, state } = row;
    row.children[1].textContent = texts[author] + " ";
    const failed = state === "failed";
    const meta = h("div", { class: "meta" }, failed ? row.why || texts.failed : h("time", { datetime: new Date(at).toISOString() }, timeOf(at)));
    row.classList.toggle("failed", failed);
    row.lastChild.replaceWith(meta);
    if (failed) await does.later("failed", meta, row);
    else if (state) meta.append(h("span", { class: state }, "· " + texts[state]));
    if (row.more || row.files) await does.later("thumbs", meta, row);
  };

  // The day above it, and whether it belongs to the one before.
  const place = (row) => {
    const before = row.previousSibling;
    const day = dayOf(row.at);
    const newDay = !before || dayOf(before.at) !== day;
    row.firstChild.textContent = newDay ? day : "";
    row.classList.toggle("joined", !newDay && before.author === row.author && row.at - before.at < JOINED);
  };

  // The row of a message, which is made, or told what is new of it.
  const put = (event) => {
    const { seq, client_id: id, at } = event;
    const row = rows.get(seq) || rows.get(id) || make(event);
    if (seq < row.seq || !row.parentNode) {
      Object.assign(row, { seq, at });
      rows.delete(id);
      rows.set(seq < Infinity ? seq : id, row);
      let before = null;
      for (let last = list.lastChild; last && (last === row || last.seq > seq); last = last.previousSibling) if (last !== row) before = last;
      if (!row.parentNode || row.nextSibling !== before) list.insertBefore(row, before);
      word(row);
      place(row);
      if (before) place(before);
      settle();
    }
    return row;
  };

  const setState = (id, state) => {
    const row = rows.get(id);
    if (!row || row.state === state) return;
    row.state = state;
    word(row);
  };
  const setThumb = async (row, thumb) => {
    if (row.thumb === thumb) return;
    row.thumb = thumb;
    await word(row);
  };

  // Leaves what is not sent yet, unless that is to go as well.
  const clear = (all) => {
    ratings.clear();
    lowest = Infinity;
    more = false;
    for (const [key, row] of rows) {
      if (!all && row.seq === Infinity) continue;
      rows.delete(key);
      row.remove();
    }
    settle();
  };

  // The row of an event, if there is one to be seen.
  const take = (event) => {
    const { kind, seq, nodes, answer, thumb } = event;
    if (kind === "erased") clear();
    if (kind === "rated" && !(ratings.get(answer)?.[1] > seq)) {
      ratings.set(answer, [thumb, seq]);
      const row = rows.get(answer);
      if (row) setThumb(row, thumb);
    }
    if (kind === "message" || nodes) return put(event);
  };

  // Shows the dots, for a while.
  const typing = (on = true) => {
    clearTimeout(dotsTimer);
    const stay = atEnd();
    dots.hidden = !on;
    if (on && stay) toEnd();
    dotsTimer = on && setTimeout(typing, 20_000, false);
  };

  return {
    scroller,
    latest,
    toEnd,
    clear,
    typing,
    state: setState,
    thumb: setThumb,

    // Says everything in this language.
    speak(said, language) {
      texts = said;
      const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
      const date = new Intl.DateTimeFormat(language, { weekday: "long", day: "numeric", month: "long" });
      const time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
      const days = (at) => Math.floor((at - new Date(at).getTimezoneOffset() * 60_000) / 86_400_000);
      timeOf = (at) => time.format(at);
      dayOf = (at) => {
        const ago = days(at) - days(Date.now());
        return ago > -2 && ago < 1 ? relative.format(ago, "day") : date.format(at);
      };
      for (const [element, name] of [[scroller, "log"], [choices, "choices"], [dots.firstChild, "typing"], [latest, "latest"]]) element.ariaLabel = texts[name];
      for (const row of list.children) {
        word(row);
        place(row);
      }
    },

    get isEmpty() {
      return !list.firstChild;
    },

    greet(nodes, buttons) {
      starters = buttons;
      head.replaceChildren(h("div", { class: "bubble" }, ...rich(nodes)));
      settle();
    },

    // What the visitor says, or said before a reload or in another tab, and what became of it.
    pending(id, { text, failed }, state) {
      const isNew = !rows.has(id);
      if (isNew && !text) return;
      put({ author: "visitor", text, client_id: id, at: Date.now(), seq: Infinity }).why = failed;
      setState(id, failed ? "failed" : state);
      if (isNew) toEnd();
    },

    ack(event) {
      setState(event.client_id, "sent");
      if (rows.has(event.client_id)) put(event);
    },

    // Another tab has thrown it away, or has sent it: then it comes back as an event.
    gone(id) {
      rows.get(id)?.remove();
      rows.delete(id);
      settle();
    },

    // An event as it happens. Returns its bubble if it is a message that was not there yet.
    add(event) {
      const isNew = !rows.has(event.seq);
      const mine = event.author === "visitor";
      const stay = atEnd();
      const row = take(event);
      if (!row || row.told) return;
      row.told = true;
      if (!mine) typing(false);
      // A long answer is read from its beginning.
      if (isNew && stay) scrollTo(row.offsetTop - 56, true);
      else if (isNew && !mine) latest.hidden = false;
      return event.kind === "message" && row.children[2];
    },

    // A page of what was before. The visitor stays at the same place, and nothing of it is read aloud.
    history({ events, more: isMore }) {
      const end = !list.firstChild || atEnd();
      const below = scroller.scrollHeight - scroller.scrollTop;
      scroller.ariaLive = "off";
      more = isMore;
      for (const event of events) {
        lowest = Math.min(lowest, event.seq);
        take(event);
      }
      asking = false;
      settle();
      scroller.scrollTop = scroller.scrollHeight - (end ? 0 : below);
      setTimeout(() => (scroller.ariaLive = null), 500);
      scrolled();
    },

    // Shows the dots if no answer has come in a moment.
    typingSoon() {
      dotsTimer ||= setTimeout(typing, 400);
    },
  };
};
