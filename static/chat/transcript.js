// Has what was said sent by mail. Fetched when the customer wants that.
const WORDS = {
  en: {
    ask: "Send this chat by mail to", send: "Send", no: "Cancel", sent: "It is on its way to you.",
    wrong: "That does not look like an e-mail address.", often: "It was sent a few times already. Please try again tomorrow.",
    failed: "That did not work. Please try again.",
  },
  de: {
    ask: "Diesen Chat per Mail schicken an", send: "Schicken", no: "Abbrechen", sent: "Er ist zu Ihnen unterwegs.",
    wrong: "Das sieht nicht nach einer E-Mail-Adresse aus.", often: "Er wurde schon einige Male geschickt. Bitte morgen wieder versuchen.",
    failed: "Das hat nicht geklappt. Bitte noch einmal versuchen.",
  },
};

const look = new CSSStyleSheet();
look.replaceSync(`
.mail{display:block;padding:16px;border-top:1px solid var(--line)}
.mail label{display:block}
.mail input{width:100%;margin:8px 0 12px;padding:8px 12px;border:1px solid var(--edge);border-radius:8px;background:var(--surface);color:inherit;font:inherit}
.mail div{display:flex;gap:8px}
.mail button{padding:8px 16px;border:1px solid var(--edge);border-radius:20px}
.mail .go{background:var(--accent);border-color:#0000;color:var(--on-accent)}`);

// What the site says of who is signed in.
const identityOf = (host) =>
  host.hasAttribute("identity") ? import("./identity.js").then(({ tokenOf }) => tokenOf(host)) : undefined;

export const wants = (form, { h, link, field }) => {
  const { host, adoptedStyleSheets } = form.getRootNode();
  if (!adoptedStyleSheets.includes(look)) adoptedStyleSheets.push(look);
  const words = WORDS[(form.closest("[lang]")?.lang || "en").slice(0, 2)] || WORDS.en;
  const close = () => {
    asked.replaceWith(form);
    field.focus();
  };
  const told = h("span", { role: "status" });
  const input = h("input", { type: "email", autocomplete: "email", required: "", maxlength: 254, dir: "ltr" });
  const send = h("button", { class: "go" }, words.send);
  const no = h("button", { type: "button", onclick: close }, words.no);
  const submit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    const { token, conversation } = link.kept.visitor;
    let status;
    try {
      const body = JSON.stringify({ token, conversation, email: input.value.trim(), identity: await identityOf(host) });
      // Plain text: no preflight.
      ({ status } = await fetch(new URL("api/chat/transcript", link.server), { method: "POST", body, credentials: "omit" }));
    } catch {}
    send.disabled = false;
    told.textContent = status === 202 ? words.sent : status === 422 ? words.wrong : status === 429 ? words.often : words.failed;
    if (status !== 202) return input.focus();
    asked.firstChild.hidden = send.hidden = true;
    no.textContent = "OK";
    no.focus();
  };
  const asked = h("form", { class: "mail", novalidate: "", onsubmit: submit },
    h("label", {}, words.ask, input), h("p", {}, told), h("div", {}, send, no));
  asked.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  form.replaceWith(asked);
  input.focus();
};
