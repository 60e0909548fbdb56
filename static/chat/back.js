// Back by the link of a mail. Fetched when the page was opened by one. Nothing happens before the customer has said so:
// what looks through mail opens links too, and a link may come from somebody who wants to read along.
const WORDS = {
  en: {
    sure: "You have followed a link from a mail of ours. Go on with that chat on this device?",
    yes: "Go on with it",
    no: "Not now",
    over: "This link is not good any more. Just ask us again here.",
    failed: "That did not work. Please try again.",
  },
  de: {
    sure: "Sie sind einem Link aus einer Mail von uns gefolgt. Den Chat auf diesem Gerät fortsetzen?",
    yes: "Fortsetzen",
    no: "Jetzt nicht",
    over: "Dieser Link gilt nicht mehr. Fragen Sie uns einfach hier noch einmal.",
    failed: "Das hat nicht geklappt. Bitte noch einmal versuchen.",
  },
};

const look = new CSSStyleSheet();
look.replaceSync(`
.back{padding:16px;border-top:1px solid var(--line)}
.back p{margin:0 0 12px}
.back div{display:flex;gap:8px}
.back button{padding:8px 16px;border:1px solid var(--edge);border-radius:20px}
.back .go{background:var(--accent);border-color:#0000;color:var(--on-accent)}`);

const element = (name, parent, text, values) => {
  const made = Object.assign(document.createElement(name), values);
  made.textContent = text;
  parent?.append(made);
  return made;
};

// `identity` is what the site says of who is signed in.
export const ask = (host, link, identity) => {
  const ticket = location.hash.slice(8);
  // Both the window and its connection want to know who is here.
  if (!ticket) return;
  // It is a key: it stays neither in the history nor in what the page reports.
  history.replaceState(history.state, "", location.pathname + location.search);
  const shadow = host.shadowRoot;
  const { form } = shadow.querySelector("textarea");
  const words = WORDS[(form.closest("[lang]")?.lang || "en").slice(0, 2)] || WORDS.en;
  shadow.adoptedStyleSheets.push(look);
  const question = element("div", null, "", { className: "back", role: "alertdialog", ariaLabel: words.yes });
  const said = element("p", question, words.sure);
  said.setAttribute("role", "status");
  const buttons = element("div", question, "");
  const close = () => question.replaceWith(form);
  const go = element("button", buttons, words.yes, { type: "button", className: "go" });
  element("button", buttons, words.no, { type: "button", onclick: close });
  go.onclick = async () => {
    go.disabled = true;
    try {
      const body = JSON.stringify({ token: link.kept.visitor.token, ticket, identity });
      // Plain text: no preflight.
      const answer = await fetch(new URL("api/chat/back", link.server), { method: "POST", body, credentials: "omit" });
      if (answer.ok) {
        const { conversation } = await answer.json();
        link.kept.update({ conversation, seen: 0 });
        close();
        link.restart();
        return;
      }
      said.textContent = answer.status === 404 ? words.over : words.failed;
      go.hidden = answer.status === 404;
    } catch {
      said.textContent = words.failed;
    }
    go.disabled = false;
  };
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  form.replaceWith(question);
  go.focus();
};
