// The window: a heading, the messages, a place to write. Fetched when the launcher is first wanted.
import { texts } from "./text.en.js";
import { look } from "./look.js";
import { h, icon, rich } from "./nodes.js";
import { connect } from "./link.js";
import { logOf } from "./log.js";

const LONGEST = 4000; // code points, as on the server
const CLOSE = "M6 6l12 12M18 6L6 18";
const CLIP = "M20 11l-8 8a5 5 0 0 1-7-7l8-8a3.5 3.5 0 0 1 5 5l-8 8a2 2 0 0 1-3-3l7-7";
const SEND = "M12 20V5M5 12l7-7 7 7";
const ANCHOR = "M12 4v16M5 12a7 7 0 0 0 14 0M9 9h6M12 4a1 1 0 1 1 0 .1";

// `host` is the element and `root` the section in its shadow; the rest is the loader's too.
export const make = ({ host, root, launcher, server, key, language, spoken, textsOf, tell, count, api }) => {
  let words = texts;
  let unread = 0;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 480px), (max-height: 420px)");
  const shadow = root.getRootNode();
  // What the page says instead stands over what is in the file of the language.
  const worded = () => ({ ...words, ...host.texts });

  // What the page says of who is signed in, or that it was opened by the link of a mail.
  const who = () => host.getAttribute("identity") ?? host.getAttribute("customer") ?? (/^#purser=/.test(location.hash) || null);

  const link = connect({ server, key, language, who }, {
    identity: () => import("./identity.js").then(({ who }) => who(host, link, forget, count)),
    welcome({ site, attachments }, anew) {
      if (anew) log.clear(!site);
      if (!site) return;
      clip.hidden = !attachments;
      log.greet(site.greeting, site.starters);
      privacy.replaceChildren(...rich(site.privacy));
      fill();
    },
    history(frame) {
      log.history(frame);
      fill();
    },
    event(event) {
      const { seq, at, author, kind } = event;
      // For later.js, which comes with the first answer: a person may be called before it is there.
      (link.hears.met.since ||= []).push(event);
      const bubble = log.add(event);
      if (bubble) {
        // Laid out only if the page wants to know.
        tell("message", { seq, at, author, get text() { return bubble.innerText; } });
        if (author !== "visitor" && !isRead()) count(++unread);
      }
      if (kind === "erased") count((unread = 0));
      fill();
    },
    ack(frame) {
      log.ack(frame);
      log.typingSoon();
    },
    typing: () => log.typing(),
    part: (frame) => later("part", frame, rich),
    pending(id, said) {
      log.pending(id, said, frame.dataset.state === "online" ? "sending" : "waiting");
      fill();
    },
    gone: (id) => log.gone(id),
    seen: () => count((unread = 0)),
    state(now, text) {
      clearTimeout(state.timer);
      frame.dataset.state = now;
      for (const [id, { failed }] of link.kept.outbox) if (!failed) log.state(id, now === "online" ? "sending" : "waiting");
      const held = now === "held";
      const show = () => {
        state.hidden = false;
        state.firstChild.textContent = text || worded()[held ? now : "offline"];
        state.lastChild.hidden = held;
      };
      // A connection that is back in a moment is not worth a word.
      if (now === "online") state.hidden = true;
      else if (held) show();
      else if (text || state.hidden) state.timer = setTimeout(show, 1500);
    },
  });
  let more;
  const later = async (name, ...rest) => {
    more ||= import("./later.js").then((module) => (shadow.adoptedStyleSheets.push(module.look), module));
    try {
      (await more)[name](...rest, { texts: worded(), h, icon, link, log, field });
    } catch {
      more = null;
    }
  };
  const log = logOf({
    choose({ text, choice }) {
      link.say(text, choice);
      settleFocus();
    },
    older: (before) => link.send("older", { before }),
    later,
  });

  const button = (className, shape, onclick) => h("button", { type: "button", class: className, onclick }, shape && icon(shape));
  const title = h("h2");
  const shut = button("icon", CLOSE, api.close);
  const state = h("div", { class: "state", role: "status", hidden: "" }, h("span"), button("plain", "", link.wake));
  const field = h("textarea", { rows: 1, enterkeyhint: "send", oninput: () => typed(), onkeydown: (event) => pressed(event) });
  const over = h("span", { class: "over", role: "status" });
  const send = h("button", { class: "send", disabled: "" }, icon(SEND));
  const clip = button("icon", CLIP, () => later("files", [], "click"));
  clip.hidden = true;
  const form = h("form", { onsubmit: (event) => submit(event) }, field, clip, send);
  const privacy = h("div", { class: "privacy" });
  const frame = h("div", { class: "window", role: "dialog", hidden: "", tabindex: -1 },
    h("header", {}, h("span", { class: "mark" }, icon(ANCHOR)), title, shut),
    log.scroller, log.latest, state, over, form, privacy);

  const isRead = () => !frame.hidden && !document.hidden;
  const fill = () => {
    if (!isRead()) return;
    link.seen();
    count((unread = 0));
  };
  // On a phone the field would call up the keyboard.
  const settleFocus = () => (matchMedia("(pointer: coarse)").matches ? frame : field).focus({ preventScroll: true });

  const dress = async () => {
    const theme = host.getAttribute("theme");
    frame.classList.toggle("dark", theme ? theme === "dark" : dark.matches);
    const anew = language() !== spoken;
    if (anew) {
      spoken = language();
      words = await textsOf();
    }
    // The greeting and the answers come in a new language too.
    link.greet(anew);
    const said = worded();
    const heading = host.getAttribute("heading") || said.heading;
    title.textContent = frame.ariaLabel = heading;
    frame.lang = spoken;
    for (const [element, name] of [[shut, said.close], [clip, said.attach], [send, said.send]]) element.title = element.ariaLabel = name;
    field.placeholder = field.ariaLabel = said.placeholder;
    state.lastChild.textContent = said.again;
    log.speak(said, spoken);
  };

  const tooLong = (text) => text.length > LONGEST && Math.max(0, [...text].length - LONGEST);
  // Half a surrogate pair is no text that JSON could carry.
  const say = (text) => link.say(text.replace(/\p{Cs}/gu, "\ufffd"));
  const typed = () => {
    const { value } = field;
    const more = tooLong(value);
    send.disabled = !(value.trim() || link.staged) || more;
    over.textContent = more ? `${more} ${worded().left}` : "";
    field.ariaInvalid = !!more;
    field.style.height = "auto";
    field.style.height = Math.min(field.scrollHeight + 2, 140) + "px";
    try {
      sessionStorage[key + " draft"] = value;
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
  frame.onkeydown = (event) => {
    if (event.key === "Escape" && !event.isComposing) api.close();
  };
  // The page's own shortcuts are not for what is typed here.
  for (const name of ["keydown", "keyup", "keypress"]) frame.addEventListener(name, (event) => event.stopPropagation());

  // What is copied as a text is pasted as one.
  frame.onpaste = frame.ondragover = frame.ondrop = (event) => {
    const { types, files } = event.clipboardData || event.dataTransfer;
    if (clip.hidden || !types.includes("Files") || types.includes("text/plain")) return;
    event.preventDefault();
    later("files", [...files], event.type);
  };

  const forget = () => {
    link.kept.forget();
    link.restart();
    field.value = "";
    typed();
    fill();
  };

  // A phone's keyboard covers the page instead of making it smaller.
  let overflow;
  const fit = () => {
    const full = narrow.matches && !frame.hidden;
    const page = document.documentElement.style;
    if (full !== (overflow !== undefined)) {
      const before = page.overflow;
      page.overflow = full ? "hidden" : overflow;
      overflow = full ? before : undefined;
    }
    launcher.hidden = full;
    // There is nothing else to go to.
    if (!document.body.contains(host)) document.body.inert = full;
    frame.ariaModal = full || null;
    frame.style.setProperty("--height", visualViewport.height + "px");
    frame.style.setProperty("--top", visualViewport.offsetTop + "px");
  };
  for (const name of ["resize", "scroll"]) visualViewport.addEventListener(name, fit);
  narrow.addEventListener("change", fit);
  dark.addEventListener("change", dress);
  document.addEventListener("visibilitychange", fill);

  shadow.adoptedStyleSheets.push(look);
  root.insertBefore(frame, launcher);
  try {
    field.value = sessionStorage[key + " draft"] || "";
  } catch {}
  log.speak(worded(), spoken);
  for (const [id, said] of link.kept.outbox) log.pending(id, said, "waiting");
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
        log.toEnd(false);
      }
      if (focus) settleFocus();
      return opened;
    },
    // Says whether the focus was in the window, and goes back to where it came from.
    hide() {
      const inside = frame.contains(shadow.activeElement);
      frame.hidden = true;
      fit();
      return inside;
    },
    say: (text) => tooLong(text) || !text.trim() || say(text),
    forget,
    // A page that moves the element about scrolls the messages to their beginning.
    moved: () => log.toEnd(false),
    dress,
  };
};
