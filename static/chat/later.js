// What is not needed for the first answer: thumbs, names of agents, what to do about a message that was not sent, deleting
// the chat, the way to what is the customer's own, files. Fetched when the first answer is there, or the first file. From the
// answer on it also looks whether a person is called. The window hands in its texts, its parts, and what nodes are built with.

const UP = "M7 11v9H4v-9zM7 11l4-8a2.500 2.500 0 0 1 2.500 2.500V9H19a2 2 0 0 1 2 2.300l-1.200 7A2 2 0 0 1 17.800 20H7";
const MINE = "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8M5 20c.600-4 3.500-6 7-6s6.400 2 7 6";
const DOWN = "M17 13V4h3v9zM17 13l-4 8a2.500 2.500 0 0 1-2.500-2.500V15H5a2 2 0 0 1-2-2.300l1.200-7A2 2 0 0 1 6.200 4H17";

export const look = new CSSStyleSheet();
look.replaceSync(`
.row:not(:last-child) .sent{display:none}
.bubble:has(.wide){max-width:100%}
.wide{overflow-x:auto}
table{min-width:100%;border-collapse:collapse;font-size:14px;overflow-wrap:normal}
th,td{max-width:170px;padding:6px 0 6px 16px;padding-inline:0 16px;border-top:1px solid var(--line)}
th{border:0;font-size:13px;color:var(--soft)}
:is(th,td):last-child{padding-inline-end:0}
.bubble .number{text-align:end;white-space:nowrap;font-variant-numeric:tabular-nums}
.failed .bubble{background:none;border:1px dashed var(--bad);color:var(--ink)}
.failed .meta{color:var(--bad)}
.system{align-items:center}
.system .bubble{border:0;background:none;color:var(--soft);font-size:13px;text-align:center}
h3{font-size:15px}
code,pre{font:13px ui-monospace,monospace;white-space:pre-wrap}
blockquote{padding-inline-start:10px;border-inline-start:3px solid var(--line)}
hr{border:0;border-top:1px solid var(--line)}
.latest{align-self:center;margin:-48px 0 8px;position:relative;padding:8px;width:40px;background:var(--surface);border-color:var(--line);box-shadow:0 4px 12px var(--shade)}
.thumb{width:26px;height:26px;padding:5px;border-radius:50%;color:var(--soft)}
.thumb:hover{background:var(--line);color:var(--ink)}
.thumb[aria-pressed=true]{color:var(--ink)}
.thumb[aria-pressed=true] svg{fill:color-mix(in srgb,currentColor 30%,#0000)}
.dropping:after{content:"";position:absolute;inset:8px;border:3px dashed var(--accent);border-radius:12px;pointer-events:none}
.by{display:block;font-size:13px}
.ask{padding:16px;border-top:1px solid var(--line)}
.ask p{margin:0 0 12px}
.ask div{display:flex;gap:8px}
.ask button{padding:8px 16px;border:1px solid var(--edge);border-radius:20px}
.ask .danger{background:#b42323;border-color:#0000;color:#fff}`);

// A button is called so, also after the language was changed.
const named = (button, frame, name) => {
  const call = () => (button.title = button.ariaLabel = name());
  new MutationObserver(call).observe(frame, { attributeFilter: ["lang"] });
  call();
};

const OWN = { en: "Your chats and data", de: "Ihre Chats und Daten" };
// The way to what is the customer's own, which is another module.
const own = (tools) => {
  const { h, icon, log } = tools;
  const frame = log.scroller.parentNode;
  let opening;
  const open = () => (opening ||= import("./mine.js").then(({ mine }) => mine(button, { ...tools, texts: worded(tools), wanted: (everything) => wanted(tools, everything) })).catch(() => {}).finally(() => (opening = null)));
  const button = h("button", { type: "button", class: "icon", onclick: open }, icon(MINE));
  frame.querySelector("header").lastChild.before(button);
  named(button, frame, () => OWN[(frame.lang || "en").slice(0, 2)] || OWN.en);
};

const OWNERS = /^(handover|joined|transferred|left|closed|erased|reopened)$/;
let watched, person;

// A person is there, or not any more: that is the business of a module which comes with the first one.
const show = async (tools, now) => {
  if (!now && !person) return;
  person ||= import("./person.js").then(({ personOf }) => personOf(tools));
  const shown = await person.catch(() => (person = null));
  shown?.show(now);
  return shown;
};
// And so it is with a chat that is over and may be rated.
let review;
const ask = async (tools, ended) => {
  if (!ended && !review) return;
  review ||= import("./review.js").then(({ reviewOf }) => reviewOf(tools));
  const shown = await review.catch(() => (review = null));
  shown?.show(ended);
};
// The page's own words stand over these.
const WORDS = {
  en: {
    up: "Helpful", down: "Not helpful", erase: "Delete this chat", discard: "Discard", attachFailed: "That did not work. Please try again.", mail: "Send this chat by mail",
    sure: "Delete this chat for good? Nobody can bring it back.", no: "Keep it",
    soon: "This chat is deleted as soon as there is a connection.",
  },
  de: {
    up: "Hilfreich", down: "Nicht hilfreich", erase: "Diesen Chat löschen", discard: "Verwerfen", attachFailed: "Das hat nicht geklappt. Bitte noch einmal versuchen.", mail: "Diesen Chat per Mail schicken",
    sure: "Diesen Chat endgültig löschen? Er lässt sich nicht wiederherstellen.", no: "Behalten",
    soon: "Dieser Chat wird gelöscht, sobald eine Verbindung da ist.",
  },
};
const worded = ({ texts, log }) => ({ ...(WORDS[(log.scroller.parentNode.lang || "en").slice(0, 2)] || WORDS.en), ...texts });

const LETTER = "M4 6h16v12H4zM4 7l8 6 8-6";
// What was said, by mail: a button beside the one that deletes it.
const offerMail = (tools) => {
  const { h, icon, log, link } = tools;
  const frame = log.scroller.parentNode;
  // While something else is asked, there is no form to put aside.
  const wants = () => {
    const form = frame.querySelector(":scope > form:not(.mail)");
    if (form && !log.isEmpty) import("./transcript.js").then(({ wants }) => wants(form, { h, link, field: tools.field })).catch(() => {});
  };
  const button = h("button", { type: "button", class: "icon", onclick: wants }, icon(LETTER));
  frame.querySelector("header .icon").before(button);
  named(button, frame, () => worded(tools).mail);
};

const BIN = "M4 7h16M10 7V4h4v3M6 7l1 13h10l1-13M10 11v5M14 11v5";
// The way to delete the chat, while there is something to delete.
const offerErase = (tools) => {
  const { h, icon, log, field } = tools;
  const frame = log.scroller.parentNode;
  const button = h("button", { type: "button", class: "icon", onclick: () => field.form.isConnected && erase(field.form, tools) }, icon(BIN));
  const draw = () => (button.hidden = log.isEmpty);
  new MutationObserver(draw).observe(log.scroller.children[1], { childList: true });
  draw();
  frame.querySelector("header .icon").before(button);
  named(button, frame, () => worded(tools).erase);
};

// What is sent and shown of files is another module.
let filing;
const filer = () => (filing ||= import("./files.js").catch((error) => {
  filing = null;
  throw error;
}));
let told, pick; // what is wrong with files, and what they are chosen with
// These were pasted or dropped; or some are being dragged over the window, and are not known yet, or are to be chosen.
export const files = async (list, how, tools) => {
  const { h, log, field } = tools;
  const frame = log.scroller.parentNode;
  if (!told) {
    const chosen = () => {
      files([...pick.files], "", tools);
      pick.value = "";
    };
    pick = h("input", { type: "file", accept: "image/jpeg,image/png,image/webp,application/pdf", multiple: "", hidden: "", onchange: chosen });
    field.after(pick);
    told = h("div", { class: "over", role: "alert" });
    frame.addEventListener("dragleave", ({ relatedTarget }) => frame.contains(relatedTarget) || frame.classList.remove("dropping"));
  }
  frame.classList.toggle("dropping", how === "dragover");
  if (how === "click") pick.click();
  if (how === "dragover") list = [];
  // While something is asked in the place where one writes, nothing is put there.
  if (!list.length || !field.form.isConnected) return filer().catch(() => {});
  field.form.before(told);
  try {
    told.textContent = (await filer()).stage(list, tools);
  } catch {
    told.textContent = worded(tools).attachFailed;
  }
};
const watch = (tools) => {
  if (watched) return;
  watched = true;
  offerErase(tools);
  own(tools);
  const { hears } = tools.link;
  const { event, welcome, ack, state } = hears;
  const now = (person) => {
    show(tools, person?.ended ? null : person);
    ask(tools, person?.ended);
  };
  const happened = async ({ kind, name, reason, stars, asks, client_id: client, attachments }) => {
    // It was said before a reload, and its row knows no files.
    const said = attachments && [...tools.log.scroller.querySelectorAll(".row")].find((row) => row.client === client && !row.filled);
    if (said) filer().then(({ show }) => show(Object.assign(said, { files: attachments }), tools)).catch(() => {});
    if (kind === "reviewed") (await review)?.rated(stars);
    if (OWNERS.test(kind) && reason !== "message") {
      show(tools, kind === "joined" || (kind === "transferred" && name) ? { name } : kind === "handover" || kind === "transferred" ? {} : null);
      ask(tools, asks && {});
    }
  };
  hears.event = (frame) => {
    event(frame);
    hears.met.since = null;
    if (frame.kind === "erased") {
      wish(null);
      settle?.();
    }
    return happened(frame);
  };
  hears.welcome = (frame, anew) => {
    welcome(frame, anew);
    now(frame.person);
    if (anew) wish(null);
  };
  hears.state = (now, text) => {
    state(now, text);
    if (now === "online" && wish()) sendErase(tools);
  };
  // The dots stand for the assistant.
  hears.ack = async (frame) => {
    ack(frame);
    if ((await person)?.is) tools.log.typing(false);
  };
  now(hears.met.person);
  // What happened between the greeting and now.
  hears.met.since?.forEach(happened);
  if (hears.met.mail) offerMail(tools);
};

// An answer that is being written: the module that shows it comes with the first one.
let draft;
export const part = async (frame, rich, tools) => {
  draft ||= import("./draft.js").then(({ draftOf }) => draftOf({ ...tools, rich }));
  const take = await draft.catch(() => (draft = null));
  take?.(frame);
};

export const thumbs = (meta, row, tools) => {
  const { h, icon, link, log } = tools;
  const texts = worded(tools);
  watch(tools);
  if (row.files) filer().then(({ show }) => show(row, tools)).catch(() => {});
  // An agent's message says whose it is.
  if (row.author !== "bot") {
    const bubble = row.children[2];
    if (row.author === "agent" && !bubble.querySelector(".by")) bubble.prepend(h("b", { class: "by" }, row.more));
    return;
  }
  const thumb = (value, shape) => {
    const pressed = row.thumb === value;
    const press = () => {
      const thumb = pressed ? undefined : value;
      if (!link.send("rate", { seq: row.seq, thumb })) return;
      log.thumb(row, thumb).then(() => row.querySelector("." + value).focus());
    };
    const named = { title: texts[value], "aria-label": texts[value], "aria-pressed": pressed };
    return h("button", { type: "button", class: "thumb " + value, ...named, onclick: press }, icon(shape));
  };
  meta.append(thumb("up", UP), thumb("down", DOWN));
};

export const failed = (meta, row, tools) => {
  const { h, link, log } = tools;
  const { client } = row;
  const texts = worded(tools);
  // What is still to go up knows best how.
  const retry = row.retry || (() => {
    log.state(client, "sending");
    link.retry(client);
  });
  const discard = row.discard || (() => {
    link.kept.drop(client);
    log.gone(client);
  });
  for (const [name, onclick] of [[texts.again, retry], [texts.discard, discard]])
    meta.append(" ", h("button", { type: "button", class: "plain", onclick }, name));
};

// What is to be deleted is asked for again whenever the server can be reached, in this tab, until it has done it: the id of
// the conversation, and whether everything else is, too.
const WISH = "purser erase";
const wish = (wanted) => {
  try {
    if (wanted) sessionStorage[WISH] = wanted;
    else if (wanted === null) delete sessionStorage[WISH];
    return sessionStorage[WISH];
  } catch {}
};
const sendErase = ({ link, log }) => {
  const [conversation, everything] = wish().split(" ");
  if (conversation !== link.kept.visitor.conversation) return wish(null);
  if (!link.send("erase", everything ? { everything: true } : {})) return;
  // What is not sent yet would come after it. The rest goes when the server says that it is gone.
  for (const [id] of link.kept.outbox) {
    link.kept.drop(id);
    log.gone(id);
  }
  return true;
};
// Says whether it is under way; with null nothing is to be deleted any more.
const wanted = (tools, everything) => {
  if (everything === null) return wish(null);
  const { conversation } = tools.link.kept.visitor;
  wish(everything ? conversation + " everything" : conversation);
  return sendErase(tools);
};
let settle; // takes the question away

// Asks whether the chat is to be deleted, in place of where one writes.
export const erase = (form, tools) => {
  const { h, field } = tools;
  const texts = worded(tools);
  const close = () => {
    settle = null;
    question.replaceWith(form);
    field.focus();
  };
  const keep = () => {
    wish(null);
    close();
  };
  const really = () => {
    if (wanted(tools)) return close();
    settle = close;
    yes.remove();
    sure.textContent = texts.soon;
    no.focus();
  };
  const no = h("button", { type: "button", onclick: keep }, texts.no);
  const yes = h("button", { type: "button", class: "danger", onclick: really }, texts.erase);
  const sure = h("p", { role: "status" }, texts.sure);
  const question = h("div", { class: "ask", role: "alertdialog", "aria-label": texts.erase }, sure, h("div", {}, yes, no));
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    keep();
  });
  form.replaceWith(question);
  no.focus();
};
