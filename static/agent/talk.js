// The open conversation: what was said and how it came about, what is known of the customer, and where one writes.
import { h, rich } from "./nodes.js";
import { act, get, hex } from "./net.js";
import { draftOf } from "./draft.js";
import { draftsOf } from "./unsent.js";
import { attached, filesOf } from "./files.js";

const TYPING = 4_000; // ms between two signs that the agent types
const TYPES = 6_000; // how long a sign of the customer holds
const LOOKS = 25_000; // how long another agent is taken to look
const NEAR = 80; // px from the end that count as being there

const timeOf = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayOf = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const uuid = () => hex(16).replace(/^(.{8})(.{4}).(.{3}).(.{3})/, "$1-$2-4$3-8$4-");

export const talkOf = ({ me, board, shut, trouble, changed }) => {
  let head; // what is known of the open conversation; nothing while none is open
  let seq = 0;
  let lowest = 0;
  let mode = "reply";
  let mine = false; // whether the chat was mine when it was drawn last
  let unsent; // { text, id, mode }: a retry must not be said twice
  let typed = 0;
  let shown; // the conversation that the field belongs to
  const drafts = draftsOf(() => me().id); // what is half written: conversation → { text, mode }
  let typingTimer;
  let seenUpTo = 0;
  const others = new Map(); // agent → name and timer

  const log = h("div", { class: "log", role: "log", tabindex: 0, "aria-label": "Messages" });
  const older = h("button", { type: "button", class: "quiet", hidden: "", onclick: () => more() }, "Earlier messages");
  const typing = h("p", { class: "typing", role: "status" });
  const title = h("h2", { tabindex: -1 });
  const watchers = h("p", { class: "watchers", role: "status" });
  const actions = h("div", { class: "actions" });
  const field = h("textarea", { rows: 2, oninput: () => writes(), onkeydown: (event) => pressed(event) });
  const modes = ["reply", "note"].map((name) => h("button", { type: "button", "aria-pressed": "false", onclick: () => setMode(name) }, name === "reply" ? "Reply" : "Note"));
  const element = h("section", { class: "talk", hidden: "", "aria-label": "Conversation" });
  const attach = filesOf({
    element, field, trouble,
    may: () => isMine() && me().attachments,
    tell: (text) => (typing.textContent = text),
    reply() {
      const { id } = head;
      return (attachments) => act({ do: "reply", conversation: id, id: uuid(), text: "", attachments });
    },
  });
  const picker = h("ul", { class: "picker", hidden: "" });
  const send = h("button", { class: "primary" }, "Send");
  const form = h("form", { class: "compose", onsubmit: (event) => submit(event) },
    h("div", { class: "modes" }, ...modes, h("button", { type: "button", onclick: () => pick() }, "Replies…"), ...attach, h("span", { class: "hint" }, "Markdown, Enter sends")),
    picker, h("div", { class: "field" }, field, send));
  const account = h("dl", { class: "account" });
  const known = h("dl");
  const tags = h("input", { "aria-label": "Tags, separated by commas", placeholder: "tags, separated by commas", maxlength: 300, onchange: () => does({ do: "tags", tags: tags.value.split(",").map((tag) => tag.trim()).filter(Boolean) }) });
  // Where there is no room for it at the side, it comes when it is wanted.
  const about = h("button", { type: "button", class: "about", title: "Who the customer is, and tags (i)", "aria-expanded": "false", onclick: () => shows(!side.classList.contains("shown")) }, "Customer");
  const shows = (on) => {
    side.classList.toggle("shown", on);
    about.ariaExpanded = `${on}`;
    (on ? side.firstChild : about).focus();
  };
  const side = h("aside", { class: "side", "aria-label": "Customer" }, h("button", { type: "button", class: "about", onclick: () => shows(false) }, "Close"), h("h3", {}, "Customer"), account, known, h("h3", {}, "Tags"), tags);
  const sure = h("dialog", { "aria-label": "Block the customer" }, h("h2", {}, "Block this customer?"),
    h("p", {}, "The chat ends, and nothing this customer writes is taken any more, here or in another chat. A colleague can undo it here."),
    h("form", { method: "dialog" }, h("button", { autofocus: "" }, "No"), " ", h("button", { class: "danger", onclick: () => does({ do: "block" }) }, "Block")));
  element.append(
    h("header", {}, h("button", { type: "button", class: "quiet back", "aria-label": "Back to the list", onclick: () => shut() }, "‹"), h("div", {}, title, watchers), about, actions),
    log, typing, form, sure);

  const isMine = () => head?.status === "agent" && head.agent === me().id;
  const leads = () => me().role === "admin";
  const hasIt = () => head?.status === "agent" && (isMine() || leads());
  const mayClose = () => hasIt() || head?.status === "waiting";
  const does = async (what) => {
    try {
      return (await act({ conversation: head.id, ...what })) || true;
    } catch ({ message }) {
      trouble(message);
    }
  };

  const LINES = {
    reopened: () => "The chat was opened again",
    handover: ({ reason, team }) => (reason === "message" ? "The customer left word" : "A person was asked for") + (team ? ` (${team})` : ""),
    joined: ({ name }) => `${name} took the chat`,
    left: ({ name, reason }) => (name ? `${name} gave the chat back to the assistant` : reason === "forgotten" ? "Nobody was there any more: the customer was asked for an address" : "The customer went back to the assistant"),
    transferred: ({ name, reason, team }) => (reason === "forgotten" ? "The agent did not answer: back in the queue" : name ? `The chat went to ${name}` : team ? `The chat waits for ${team}` : "The chat went back into the queue"),
    closed: ({ name }) => (name ? `${name} closed the chat` : "Closed, since nothing was said"),
    tagged: ({ name, tags }) => `${name} tagged it: ${tags.length ? tags.join(", ") : "nothing"}`,
    attribute: ({ attribute: [name, value] }) => (value == null ? `${name} was forgotten` : `${name}: ${value}`),
    reviewed: ({ stars, text }) => `The customer gave the chat ${"★".repeat(stars)}${"☆".repeat(5 - stars)}${text ? `: ${text}` : ""}`,
    blocked: ({ name }) => `${name} has blocked the customer`,
    unblocked: ({ name }) => `${name} lets the customer write again`,
    rated: ({ answer, thumb }) => `Answer ${answer} was ${thumb === "up" ? "helpful" : thumb === "down" ? "not helpful" : "not rated any more"}`,
    erased: () => "The customer deleted everything before this",
  };
  const NAMES = { visitor: () => "Customer", bot: () => "Assistant", agent: ({ name }) => name || "Agent", system: () => "purser" };

  const rowOf = (event) => {
    const { kind, author, at, text, nodes, why, buttons, sources, usage, attachments } = event;
    if (kind !== "message" && kind !== "note") {
      const line = LINES[kind];
      return h("p", { class: "line", "data-seq": event.seq }, line ? line(event) : kind, " · ", h("time", {}, timeOf.format(at)));
    }
    const said = nodes || text ? [h("div", { class: "said" }, ...(nodes ? rich(nodes) : [text]))] : [];
    const row = h("article", { class: `msg ${kind === "note" ? "note" : author}`, "data-seq": event.seq },
      h("header", {}, h("b", {}, kind === "note" ? `Note by ${event.name || "an agent"}` : NAMES[author](event)), " ", h("time", {}, timeOf.format(at))), ...said);
    if (attachments) row.append(attached(attachments));
    if (buttons) row.append(h("div", { class: "chips" }, ...buttons.map((button) => h("i", { class: "chip" }, button.text))));
    if (why) {
      const { responder, entry, revision, micros } = why;
      const facts = [["Answered by", responder], ["Entry", entry], ["Content", revision], ["Sources", sources?.join(", ")], ["Took", `${(micros / 1000).toFixed(1)} ms`], ["Model", usage && `${usage.model}: ${usage.read} tokens read, ${usage.written} written`]].filter(([, value]) => value);
      row.append(h("details", { class: "why" }, h("summary", {}, "Why?"), h("dl", {}, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))));
    }
    return row;
  };
  const withDay = (event, before) => {
    const day = dayOf.format(event.at);
    const row = rowOf(event);
    row.day = day;
    return before === day ? [row] : [h("h3", { class: "day" }, day), row];
  };
  const lastDay = () => [...log.children].findLast((row) => row.day)?.day;
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
  const toEnd = () => (log.scrollTop = log.scrollHeight);
  const draft = draftOf({ log, atEnd, toEnd });

  const put = (event) => {
    if (event.seq <= seq) return;
    const stay = atEnd() || event.author === "agent";
    seq = event.seq;
    // The answer is here, or somebody else is.
    if (event.author !== "visitor" && event.kind !== "note") draft.remove();
    if (event.kind === "erased") log.replaceChildren();
    log.append(...withDay(event, lastDay()));
    take(event);
    if (event.author === "visitor" || event.author === "bot") typing.textContent = "";
    if (stay) toEnd();
  };
  // What an event changes of the state.
  const take = ({ kind, agent, tags: now, attribute, name, reason }) => {
    if (kind === "joined") Object.assign(head, { status: "agent", agent });
    if (kind === "transferred") Object.assign(head, name ? { status: "agent", agent } : { status: "waiting", agent: null });
    // With word that was left the assistant goes on.
    if (kind === "handover" && reason !== "message") head.status = "waiting";
    if (kind === "left" || kind === "reopened") Object.assign(head, { status: "bot", agent: null });
    if (kind === "closed" || kind === "erased") Object.assign(head, { status: "closed", agent: null });
    if (kind === "tagged") head.tags = now;
    if (kind === "blocked" || kind === "unblocked") head.blocked = kind === "blocked";
    if (kind === "attribute") attribute[1] == null ? delete head.known[attribute[0]] : (head.known[attribute[0]] = attribute[1]);
    if (!["message", "note", "rated"].includes(kind)) draw();
  };

  const button = (name, title, onclick, className) => h("button", { type: "button", class: className || "", title, onclick }, name);
  const draw = () => {
    if (!head) return;
    const { status } = head;
    const { signed_in: signed } = head;
    title.textContent = signed.name || head.known.name || signed.email || head.known.email || head.known.phone || "Visitor " + head.id.slice(-4);
    const all = [];
    if (status === "waiting" || status === "bot") all.push(button("Take", "Answer this customer (t)", () => take0(), "primary"));
    if (hasIt()) all.push(transferList(), button("To assistant", "Give the chat back to the assistant (Shift+B)", back));
    if (mayClose()) all.push(button("Close", "End the chat (Shift+C)", close));
    // Not where "Take" stood a moment ago: whoever is about to press that takes nothing away from a colleague.
    if (status === "agent" && !isMine() && leads()) all.push(button("Take over", "Answer in the place of the agent who has it", () => take0(true)));
    all.push(moreList());
    // A list that is open under the agent's hand stays.
    const shape = JSON.stringify([head.id, status, head.agent, head.blocked, all.map(({ textContent }) => textContent)]);
    if (shape !== actions.shape && !actions.querySelector("[open]")) {
      const held = actions.contains(document.activeElement) && document.activeElement.closest(".menu")?.className;
      actions.replaceChildren(...all);
      if (held) actions.querySelector(`[class="${held}"] summary`)?.focus();
      actions.shape = shape;
    }
    form.hidden = status === "closed" && !seq;
    // Whoever gets a chat wants to reply, and whoever lost one can only note. What is half written as a note stays one.
    if (isMine() !== mine && !(isMine() && field.value.trim())) setMode(isMine() ? "reply" : "note");
    mine = isMine();
    modes[0].disabled = attach[0].disabled = !isMine();
    attach[0].hidden = !me().attachments;
    const facts = { ...head.known, language: head.language, began: dayOf.format(head.created_at), conversation: head.id };
    const list = (facts) => Object.entries(facts).filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, h("bdi", {}, value))]);
    known.replaceChildren(...list(facts));
    account.replaceChildren(...list({ "signed in as": signed.name || (signed.account && "a customer of the site"), "e-mail of the account": signed.email }));
    if (document.activeElement !== tags) tags.value = head.tags.join(", ");
    changed();
  };
  // A button with a list below it. With a select, an arrow key would do the next best thing at once.
  const menuOf = (name, title, className, items) => {
    const pick = (does) => {
      menu.open = false;
      does();
    };
    const moves = (event) => {
      const all = [...menu.querySelectorAll("li button")];
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape" && menu.open) {
        menu.open = false;
        menu.firstChild.focus();
      } else if (by && menu.open) all[(all.indexOf(document.activeElement) + by + all.length) % all.length]?.focus();
      else return;
      event.preventDefault();
    };
    const menu = h("details", { class: "menu " + className, onkeydown: moves, ontoggle: () => menu.open || draw(), onfocusout: ({ relatedTarget }) => relatedTarget && !menu.contains(relatedTarget) && (menu.open = false) },
      h("summary", { title }, name), h("ul", {}, ...items.map(([name, does]) => h("li", {}, h("button", { type: "button", onclick: () => pick(does) }, name)))));
    return menu;
  };
  const opens = (menu) => {
    if (!menu) return;
    menu.open = true;
    menu.querySelector("li button")?.focus();
  };
  const transferList = () => {
    const here = board().lists.agents.filter(({ id, here, away }) => here && !away && id !== head.agent);
    const pass = (to, team) => () => does({ do: "transfer", to, team });
    return menuOf("Pass on", "Pass the chat on (x)", "pass", [["The queue", pass(null)], ...board().teams.map((name) => [`Team ${name}`, pass(null, name)]),
      ...here.map(({ id, name, chats, max_chats: most }) => [`${name} (${chats}/${most})`, pass(id)])]);
  };
  // What is not wanted often.
  const moreList = () => {
    const free = head.status !== "agent" || isMine() || leads();
    const file = (path, query) => () => h("a", { href: `/agent/${path}?${new URLSearchParams({ conversation: head.id, ...query })}`, download: "" }).click();
    const save = (form) => file("export", { form });
    const recording = me().role === "agent" ? [] : [["Save as a recording", file("recording")]];
    const block = head.blocked ? [["Let the customer write again", () => does({ do: "unblock" })]] : free ? [["Block the customer", () => sure.showModal()]] : [];
    return menuOf("More", "More (e)", "more", [["Save as a page", save("html")], ["Save as JSON", save("json")], ...recording, ...block]);
  };
  const take0 = async (over) => {
    const { id } = head;
    if (!(await does({ do: "take", over })) || head?.id !== id) return;
    Object.assign(head, { status: "agent", agent: me().id });
    draw();
    field.focus();
  };
  const back = () => does({ do: "back" });
  const close = () => does({ do: "close" });

  const setMode = (name) => {
    mode = name;
    modes.forEach((button, at) => button.setAttribute("aria-pressed", `${(at === 0) === (name === "reply")}`));
    form.classList.toggle("noting", name === "note");
    const says = name === "note" ? "A note for your colleagues; the customer never sees it" : "Write to the customer";
    field.placeholder = says;
    field.ariaLabel = says;
    send.textContent = name === "note" ? "Note" : "Send";
  };
  const writes = () => {
    field.style.height = "auto";
    field.style.height = Math.min(field.scrollHeight + 2, 220) + "px";
    drafts.set(shown, { text: field.value, mode });
    if (mode === "reply" && isMine() && field.value.trim() && Date.now() - typed > TYPING) {
      typed = Date.now();
      act({ do: "typing", conversation: head.id }).catch(() => {});
    }
  };
  const submit = async (event) => {
    event?.preventDefault();
    const text = field.value.trim();
    if (!head || !text || send.disabled) return;
    if (unsent?.text !== text || unsent.mode !== mode || unsent.conversation !== head.id) unsent = { text, mode, id: uuid(), conversation: head.id };
    // Whoever sends with the key may have left the field before the answer is there.
    const byButton = document.activeElement !== field;
    send.disabled = true;
    const [chat, sent] = [shown, unsent];
    const done = await does({ do: mode, id: sent.id, text });
    send.disabled = false;
    if (!done) return;
    if (unsent === sent) unsent = undefined;
    // What was written meanwhile, perhaps in another chat, is not sent yet.
    if (shown !== chat) return drafts.set(chat, { text: "", mode });
    if (field.value.trim() !== text) return;
    field.value = "";
    typed = 0;
    writes();
    if (byButton) field.focus();
  };
  const pressed = (event) => {
    if (event.key === "Escape") {
      // What closes the list does not leave the field, too.
      event.preventDefault();
      return picker.hidden ? field.blur() : (picker.hidden = true);
    }
    if (event.key === "/" && !field.value) {
      event.preventDefault();
      return pick();
    }
    // While an input method is open, Enter takes its word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  const pick = async () => {
    if (!picker.hidden || !head) return (picker.hidden = true);
    const { id } = head;
    try {
      const { replies, findings } = await get("replies", { conversation: id });
      // They are filled in for that customer.
      if (head?.id !== id) return;
      const choice = ({ title, text, language }) => h("li", {}, h("button", { type: "button", onclick: () => insert(text), onkeydown: (event) => event.key === "Escape" && (event.preventDefault(), (picker.hidden = true), field.focus()) }, h("b", {}, title), ` (${language}) `, h("span", {}, text)));
      const none = h("li", { class: "nothing" }, "There are no replies yet: see docs/agents.md.");
      picker.replaceChildren(...(replies.length ? replies.map(choice) : [none]), ...findings.map((finding) => h("li", { class: "finding" }, finding)));
      picker.hidden = false;
      picker.querySelector("button")?.focus();
    } catch ({ message }) {
      trouble(message);
    }
  };
  const insert = (text) => {
    picker.hidden = true;
    field.focus();
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    writes();
  };

  const more = async () => {
    const { id } = head;
    try {
      const page = await get("older", { conversation: id, before: lowest });
      if (head?.id !== id) return;
      const below = log.scrollHeight - log.scrollTop;
      older.hidden = !page.more;
      lowest = page.events[0]?.seq ?? lowest;
      let day;
      const rows = page.events.flatMap((event) => {
        const all = withDay(event, day);
        day = all.at(-1).day;
        return all;
      });
      older.after(...rows);
      log.scrollTop = log.scrollHeight - below;
    } catch ({ message }) {
      trouble(message);
    }
  };
  const watch = () => {
    const names = [...others.values()].map(({ name }) => name);
    watchers.textContent = names.length ? `${names.join(", ")} ${names.length === 1 ? "is" : "are"} looking at this too` : "";
  };
  const see = () => {
    if (!isMine() || document.hidden || seq <= seenUpTo) return;
    seenUpTo = seq;
    act({ do: "seen", conversation: head.id, seq }).catch(() => (seenUpTo = 0));
  };
  document.addEventListener("visibilitychange", () => head && see());

  return {
    element,
    side,
    draw,
    see,
    get id() {
      return head?.id;
    },
    get seq() {
      return seq;
    },
    get isMine() {
      return isMine();
    },
    // Shows nothing of it until it comes.
    begin(id) {
      if (head?.id !== id) {
        head = undefined;
        seq = seenUpTo = 0;
        draft.remove();
        log.replaceChildren();
        actions.replaceChildren();
        actions.shape = "";
        account.replaceChildren();
        known.replaceChildren();
        tags.value = "";
        form.inert = side.inert = true;
        for (const { timer } of others.values()) clearTimeout(timer);
        others.clear();
        watch();
        typing.textContent = title.textContent = "";
        picker.hidden = true;
        side.classList.remove("shown");
        about.ariaExpanded = "false";
        // What is half written waits for its chat.
        if (shown) drafts.set(shown, { text: field.value, mode });
        const half = drafts.get(id);
        field.value = half?.text ?? "";
        if (half) setMode(half.mode);
        shown = id;
      }
      element.hidden = !id;
      side.hidden = !id;
    },
    opened({ events, more, ...now }) {
      const again = head?.id === now.id && events.length === 0;
      head = now;
      form.inert = side.inert = false;
      // After a reload it is known only now who writes.
      const half = !field.value && drafts.get(now.id);
      if (half) {
        field.value = half.text;
        setMode(half.mode);
        shown = now.id;
      }
      draft.remove();
      if (!again) {
        log.replaceChildren(older);
        lowest = events[0]?.seq ?? 0;
        older.hidden = !more;
        seq = 0;
        for (const event of events) {
          seq = event.seq;
          log.append(...withDay(event, lastDay()));
        }
        mine = isMine();
        if (!(mine && field.value.trim())) setMode(mine ? "reply" : "note");
        toEnd();
      }
      draw();
      see();
    },
    event(event) {
      if (!head) return;
      put(event);
      see();
    },
    signedIn(signed) {
      if (!head) return;
      head.signed_in = signed;
      draw();
    },
    part: (part) => head && draft.part(part),
    typing({ author }) {
      typing.textContent = `The ${author === "bot" ? "assistant" : "customer"} is writing…`;
      clearTimeout(typingTimer);
      typingTimer = setTimeout(() => (typing.textContent = ""), TYPES);
    },
    looking({ agent, name, on }) {
      clearTimeout(others.get(agent)?.timer);
      others.delete(agent);
      if (on) others.set(agent, { name, timer: setTimeout(() => (others.delete(agent), watch()), LOOKS) });
      watch();
    },
    take: () => head && head.status !== "closed" && !isMine() && take0(),
    back: () => hasIt() && back(),
    close: () => mayClose() && close(),
    about: () => head && about.checkVisibility() && shows(!side.classList.contains("shown")),
    // Whether there was something to leave before the conversation itself.
    leave() {
      const shown = side.classList.contains("shown");
      if (shown) shows(false);
      return shown;
    },
    passOn: () => opens(actions.querySelector(".pass")),
    more: () => opens(actions.querySelector(".more")),
    reply() {
      if (isMine()) setMode("reply");
      field.focus();
    },
    note() {
      setMode("note");
      field.focus();
    },
  };
};
