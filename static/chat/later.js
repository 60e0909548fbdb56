// What is not needed for the first answer: thumbs, what to do about a message that was not sent, deleting the chat.
// Fetched when the first answer is there. The window hands in its texts, its parts, and what nodes are built with.

const UP = "M7 11v9H4v-9zM7 11l4-8a2.500 2.500 0 0 1 2.500 2.500V9H19a2 2 0 0 1 2 2.300l-1.200 7A2 2 0 0 1 17.800 20H7";
const DOWN = "M17 13V4h3v9zM17 13l-4 8a2.500 2.500 0 0 1-2.500-2.500V15H5a2 2 0 0 1-2-2.300l1.200-7A2 2 0 0 1 6.200 4H17";

export const look = new CSSStyleSheet();
look.replaceSync(`
.thumb{width:26px;height:26px;padding:5px;border-radius:50%;color:var(--soft)}
.thumb:hover{background:var(--line);color:var(--ink)}
.thumb[aria-pressed=true]{color:var(--ink)}
.thumb[aria-pressed=true] svg{fill:color-mix(in srgb,currentColor 30%,#0000)}
.ask{padding:16px;border-top:1px solid var(--line)}
.ask p{margin:0 0 12px}
.ask div{display:flex;gap:8px}
.ask button{padding:8px 16px;border:1px solid var(--edge);border-radius:20px}
.ask .danger{background:#b42323;border-color:#0000;color:#fff}`);

export const thumbs = (meta, row, { texts, h, icon, link, log }) => {
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

export const failed = (meta, { client }, { texts, h, link, log }) => {
  const retry = () => {
    log.state(client, "sending");
    link.retry(client);
  };
  const discard = () => {
    link.kept.drop(client);
    log.gone(client);
  };
  for (const [name, onclick] of [[texts.again, retry], [texts.discard, discard]])
    meta.append(" ", h("button", { type: "button", class: "plain", onclick }, name));
};

// Asks whether the chat is to be deleted, in place of where one writes.
export const erase = (form, { texts, h, link, log, field }) => {
  const close = () => {
    question.replaceWith(form);
    field.focus();
  };
  const really = () => {
    if (!link.send("erase")) return;
    // What is not sent yet would come after it.
    for (const [id] of link.kept.outbox) link.kept.drop(id);
    log.clear(true);
    close();
  };
  const no = h("button", { type: "button", onclick: close }, texts.no);
  const yes = h("button", { type: "button", class: "danger", onclick: really }, texts.erase);
  const question = h("div", { class: "ask", role: "alertdialog", "aria-label": texts.erase }, h("p", {}, texts.sure), h("div", {}, yes, no));
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  form.replaceWith(question);
  no.focus();
};
