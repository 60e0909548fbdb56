// The line above the messages while a person is asked for or there: who it is, and the way back to the assistant.
// Fetched when a conversation has a person for the first time.

const TYPING = 4_000; // ms between two signs that the customer types
const NEAR = 80; // px from the end that still count as being there
const WORDS = {
  en: { waits: "You are waiting for a colleague", here: "You are talking to", back: "Back to the assistant" },
  de: { waits: "Sie warten auf jemanden aus unserem Team", here: "Sie sprechen mit", back: "Zurück zum Assistenten" },
};

export const look = new CSSStyleSheet();
look.replaceSync(`
.person{display:flex;align-items:center;gap:10px;padding:8px 16px;font-size:14px;border-bottom:1px solid var(--line);background:var(--surface)}
.person span{flex:1}
.person button{padding:5px 12px;border:1px solid var(--edge);border-radius:16px}`);

// `person` is nothing while the assistant answers, { name } while an agent does, and without a name while one waits.
export const personOf = ({ h, link, log, field }) => {
  let person, typed = 0;
  const said = h("span");
  const back = h("button", { type: "button", onclick: () => link.say(back.textContent, "person/back") });
  const bar = h("div", { class: "person", role: "status", hidden: "" }, said, back);
  log.scroller.before(bar);
  log.scroller.getRootNode().adoptedStyleSheets.push(look);
  field.addEventListener("input", () => {
    if (!person?.name || Date.now() - typed < TYPING) return;
    typed = Date.now();
    link.send("typing");
  });
  return {
    get is() {
      return !!person;
    },
    show(now) {
      person = now;
      const { scroller } = log;
      const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
      bar.hidden = !now;
      const words = WORDS[(bar.closest("[lang]")?.lang || "en").slice(0, 2)] || WORDS.en;
      said.replaceChildren(now?.name ? words.here + " " : words.waits, ...(now?.name ? [h("strong", {}, now.name)] : []));
      back.textContent = words.back;
      // The line takes of the messages' place.
      if (atEnd) log.toEnd(false);
      if (now) log.typing(false);
    },
  };
};
