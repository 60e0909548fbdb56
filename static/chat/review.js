// Asks how a chat with a person was, below the messages. Fetched when one is over.

const STAR = "M12 3.500l2.600 5.400 5.900.8-4.300 4.100 1.100 5.900-5.300-2.900-5.300 2.900 1.100-5.900-4.300-4.100 5.900-.8z";
const DECLINED = "purser unrated"; // the chat that is not to be rated
const WORDS = {
  en: { ask: "How was this chat?", of: "of 5 stars", comment: "What could we do better? (optional)", send: "Send", thanks: "Thank you for your rating!", close: "Don’t rate" },
  de: { ask: "Wie war dieser Chat?", of: "von 5 Sternen", comment: "Was können wir besser machen? (optional)", send: "Senden", thanks: "Vielen Dank für Ihre Bewertung!", close: "Nicht bewerten" },
};

const look = new CSSStyleSheet();
look.replaceSync(`
.review{display:flex;flex-wrap:wrap;align-items:center;gap:4px 8px;padding:10px 16px;border-top:1px solid var(--line);background:var(--surface)}
.review p{flex:1;margin:0;min-width:130px}
.review button{border-radius:16px;color:inherit}
.stars{display:flex;width:100%;margin-inline-start:-8px}
.stars button{width:40px;height:40px;padding:8px;border-radius:50%;color:var(--soft)}
.stars button:hover,.stars .lit{color:var(--ink)}
.stars .lit svg{fill:currentColor}
.review form{display:flex;gap:8px;width:100%;padding:0;border:0}
.review input{flex:1;min-width:0;padding:8px 12px;font:inherit;font-size:16px;color:inherit;background:none;border:1px solid var(--edge);border-radius:16px}
.review form button{padding:6px 14px;border:1px solid var(--edge)}
.review .close{width:32px;height:32px;padding:8px}`);

export const reviewOf = ({ h, icon, link, log, field }) => {
  let words, asked, waits, stars = 0;
  const said = h("p", { role: "status" });
  const star = (count) => h("button", { type: "button", onclick: () => give(count) }, icon(STAR));
  const row = h("div", { class: "stars", role: "group" }, ...[1, 2, 3, 4, 5].map(star));
  const comment = h("input", { maxlength: 1000, autocomplete: "off" });
  const send = h("button", {});
  const form = h("form", { hidden: "", onsubmit: (event) => tell(event) }, comment, send);
  const close = h("button", { type: "button", class: "close", onclick: () => decline() }, icon("M6 6l12 12M18 6L6 18"));
  const bar = h("div", { class: "review", hidden: "" }, said, close, row, form);
  field.form.before(bar);
  field.getRootNode().adoptedStyleSheets.push(look);

  const declined = () => {
    try {
      return sessionStorage[DECLINED];
    } catch {}
  };
  const decline = () => {
    try {
      sessionStorage[DECLINED] = link.kept.visitor.conversation;
    } catch {}
    show(null);
  };
  const draw = () => {
    [...row.children].forEach((button, at) => {
      button.classList.toggle("lit", at < stars);
      button.ariaPressed = at + 1 === stars;
    });
  };
  // While there is no connection the rating waits for the next one.
  const rate = (rating) => (waits = link.send("review", rating) ? null : rating);
  const give = (count) => {
    rate({ stars: count });
    stars = count;
    form.hidden = false;
    draw();
    log.toEnd();
  };
  const tell = (event) => {
    event.preventDefault();
    const text = comment.value.trim();
    if (text) rate({ stars, comment: text });
    form.hidden = true;
    comment.value = "";
    said.textContent = words.thanks;
    field.focus();
  };
  // `ended` is { stars } of the chat that is over, or nothing when there is none to be rated any more.
  const show = (ended) => {
    const { conversation } = link.kept.visitor;
    if (asked !== conversation) waits = null;
    if (ended && waits) rate(waits);
    // Only the connection is back: what is half written stays. Once rated or declined, it is not asked again.
    if (ended && (asked === conversation ? !bar.hidden : ended.stars || declined() === conversation)) return;
    asked = ended && conversation;
    const hadFocus = bar.contains(bar.getRootNode().activeElement);
    bar.hidden = !ended;
    if (!ended) return hadFocus && field.focus();
    words = WORDS[(bar.closest("[lang]")?.lang || "en").slice(0, 2)] || WORDS.en;
    stars = ended.stars || 0;
    form.hidden = true;
    said.textContent = row.ariaLabel = words.ask;
    comment.placeholder = comment.ariaLabel = words.comment;
    send.textContent = words.send;
    close.title = close.ariaLabel = words.close;
    [...row.children].forEach((button, at) => (button.title = button.ariaLabel = `${at + 1} ${words.of}`));
    draw();
    // What was said last stays in sight above it.
    log.toEnd();
  };
  return {
    show,
    // Rated here, in another tab, or in a message.
    rated(count) {
      stars = count;
      said.textContent = words.thanks;
      draw();
    },
  };
};
