// The window: a heading, the messages, a place to write. Fetched when the launcher is first wanted.
import { Link } from "./link.js";
import { Log } from "./log.js";
import { h, icon, rich } from "./nodes.js";
import { look } from "./look.js";

const LONGEST = 4000; // code points, as on the server
const RTL = /^(ar|dv|fa|he|ps|sd|ug|ur|yi)\b/i;
const CLOSE = "M6 6l12 12M18 6L6 18";
const BIN = "M4 7h16M10 7V4h4v3M6 7l1 13h10l1-13M10 11v5M14 11v5";
const SEND = "M12 20V5M5 12l7-7 7 7";

export const make = async ({ host, root, launcher, server, key, language, languages, tell, count, api }) => {
  const textsOf = async () => {
    const tag = language().slice(0, 2).toLowerCase();
    return (await import(`./text.${languages.includes(tag) ? tag : "en"}.js`)).default;
  };
  let spoken = language();
  let texts = await textsOf();
  let erasing = false;
  let unread = 0;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 480px), (max-height: 420px)");

  const link = new Link({ server, key, language }, {
    welcome({ site, seq }, anew) {
      if (anew) log.clear();
      if (!site) return;
      log.greet(site.greeting, site.starters);
      privacy.replaceChildren(rich(site.privacy || ""));
      fill();
    },
    history(frame) {
      log.history(frame);
      fill();
    },
    event(event) {
      const said = log.add(event);
      if (said) tell("message", { seq: event.seq, at: event.at, author: event.author, text: event.text });
      if (said && event.author !== "visitor" && !isRead()) count(++unread);
      fill();
    },
    ack(id, frame) {
      log.acked(id, frame);
      log.typing(true);
    },
    failed(id, why) {
      log.fail(id, why);
    },
    gone: (id) => log.gone(id),
    state(now) {
      clearTimeout(state.timer);
      frame.dataset.state = now;
      for (const [id, { failed }] of link.outbox) if (!failed) log.state(id, now === "online" ? "sending" : "waiting");
      // A connection that is back in a moment is not worth a word.
      if (now === "online") state.hidden = true;
      else state.timer = setTimeout(() => (state.hidden = false), 1500);
    },
  });
  const log = new Log(texts, spoken, {
    choose({ text, choice }) {
      say(text, choice);
      settleFocus();
    },
    older: (before) => link.send("older", { before }),
    rate: (seq, rating) => link.send("rate", { seq, rating }),
    retry: (id) => link.retry(id),
    discard: (id) => link.discard(id),
  });

  const button = (className, shape, onclick) => h("button", { type: "button", class: className, onclick }, shape && icon(shape));
  const title = h("h2");
  const bin = button("icon", BIN, () => ask(true));
  const shut = button("icon", CLOSE, () => api.close());
  const state = h("div", { class: "state", role: "status", hidden: true }, h("span"), button("plain", "", () => link.wake()));
  const yes = button("danger", "", () => {
    if (link.send("erase")) ask(false);
  });
  const no = button("", "", () => ask(false));
  const question = h("div", { class: "ask", role: "alertdialog", hidden: true }, h("p"), h("div", {}, yes, no));
  const field = h("textarea", { rows: 1, enterkeyhint: "send", oninput: () => typed(), onkeydown: (event) => pressed(event) });
  const over = h("span", { class: "over", role: "status" });
  const send = h("button", { class: "send", disabled: true }, icon(SEND));
  const form = h("form", { onsubmit: (event) => submit(event) }, field, send);
  const privacy = h("div", { class: "privacy" });
  const frame = h("div", { class: "window", role: "dialog", hidden: true, tabindex: -1 },
    h("header", {}, h("span", { class: "mark", "aria-hidden": "true" }, icon("M12 4v16M5 12a7 7 0 0 0 14 0M9 9h6M12 4a1 1 0 1 1 0 .1")), title, bin, shut),
    log.scroller, log.latest, state, question, over, form, privacy);

  const isRead = () => !frame.hidden && !document.hidden;
  const fill = () => {
    bin.hidden = log.isEmpty;
    if (!isRead()) return;
    link.seen();
    count((unread = 0));
  };
  const settleFocus = () => (matchMedia("(pointer: coarse)").matches ? frame : field).focus({ preventScroll: true });
  const ask = (now) => {
    question.hidden = !(erasing = now);
    (now ? no : field).focus();
  };

  const speak = () => {
    const heading = host.getAttribute("heading") || texts.heading;
    title.textContent = heading;
    frame.setAttribute("aria-label", heading);
    frame.lang = spoken;
    frame.dir = RTL.test(spoken) ? "rtl" : "ltr";
    const named = [[bin, texts.erase], [shut, texts.close], [send, texts.send], [field, texts.placeholder]];
    for (const [element, name] of named) element.setAttribute("aria-label", name);
    bin.title = texts.erase;
    shut.title = texts.close;
    field.placeholder = texts.placeholder;
    state.firstChild.textContent = texts.offline;
    state.lastChild.textContent = texts.again;
    question.setAttribute("aria-label", texts.erase);
    question.firstChild.textContent = texts.sure;
    yes.textContent = texts.yes;
    no.textContent = texts.no;
  };
  const dress = async () => {
    const theme = host.getAttribute("theme");
    frame.classList.toggle("dark", theme ? theme === "dark" : dark.matches);
    if (language() !== spoken) {
      spoken = language();
      texts = await textsOf();
      log.speak(texts, spoken);
      // The greeting and the answers come in the new language too.
      link.reconnect();
    }
    speak();
  };

  const say = (text, choice) => {
    // Half a surrogate pair is no text that JSON could carry.
    text = text.replace(/\p{Cs}/gu, "\ufffd");
    log.pending(link.say(text, choice), { text });
    fill();
  };
  const tooLong = (text) => Math.max(0, text.length > LONGEST ? [...text].length - LONGEST : 0);
  const typed = () => {
    const more = tooLong(field.value);
    send.disabled = !field.value.trim() || more;
    over.textContent = more ? `${more} ${texts.left}` : "";
    field.setAttribute("aria-invalid", !!more);
    field.style.height = "auto";
    field.style.height = Math.min(field.scrollHeight + 2, 140) + "px";
    try {
      sessionStorage[key + " draft"] = field.value;
    } catch {}
  };
  const submit = (event) => {
    event?.preventDefault();
    if (send.disabled) return;
    say(field.value);
    field.value = "";
    typed();
    field.focus();
  };
  const pressed = (event) => {
    // While an input method is open, Enter takes its word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    submit();
  };
  const keys = (event) => {
    // The page's own shortcuts are not for what is typed here.
    event.stopPropagation();
    if (event.key === "Escape" && !event.isComposing) erasing ? ask(false) : api.close();
    if (event.key !== "Tab" || !narrow.matches) return;
    // Full screen there is nothing else to go to.
    const stops = [...frame.querySelectorAll("button, textarea, a, [tabindex='0']")].filter((stop) => !stop.disabled && stop.offsetParent);
    const end = stops[event.shiftKey ? 0 : stops.length - 1];
    if (root.getRootNode().activeElement !== end) return;
    event.preventDefault();
    stops[event.shiftKey ? stops.length - 1 : 0].focus();
  };
  for (const name of ["keydown", "keyup", "keypress"]) frame.addEventListener(name, name === "keydown" ? keys : (event) => event.stopPropagation());

  // A phone's keyboard covers the page instead of making it smaller.
  let overflow;
  const fit = () => {
    const full = narrow.matches && !frame.hidden;
    const page = document.documentElement.style;
    if (full && overflow === undefined) {
      overflow = page.overflow;
      page.overflow = "hidden";
    } else if (!full && overflow !== undefined) {
      page.overflow = overflow;
      overflow = undefined;
    }
    launcher.hidden = full;
    frame.ariaModal = full ? "true" : null;
    const { height, offsetTop } = visualViewport;
    frame.style.setProperty("--height", height + "px");
    frame.style.setProperty("--top", offsetTop + "px");
  };
  visualViewport.addEventListener("resize", fit);
  visualViewport.addEventListener("scroll", fit);
  narrow.addEventListener("change", fit);
  dark.addEventListener("change", dress);
  document.addEventListener("visibilitychange", fill);

  root.getRootNode().adoptedStyleSheets.push(look);
  root.insertBefore(frame, launcher);
  try {
    field.value = sessionStorage[key + " draft"] || "";
  } catch {}
  for (const [id, said] of link.outbox) log.pending(id, said);
  dress();

  return {
    show(focus) {
      const opened = frame.hidden;
      if (opened) {
        frame.hidden = false;
        fit();
        link.wake();
        typed();
        fill();
        log.toEnd();
      }
      if (focus) settleFocus();
      return opened;
    },
    // Says whether the focus was in the window, and goes back to where it came from.
    hide() {
      const inside = frame.contains(root.getRootNode().activeElement);
      frame.hidden = true;
      fit();
      return inside;
    },
    say: (text) => tooLong(text) || !text.trim() || say(text),
    forget: () => {
      link.forget();
      field.value = "";
      typed();
      fill();
    },
    moved: () => log.toEnd(),
    dress,
  };
};
