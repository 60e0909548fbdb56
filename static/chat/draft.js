// An answer while it is being written: a row below the others, until the answer takes its place or it is withdrawn.
// Fetched with the first one.

const ABOVE = 56; // px that stay free above an answer which is read from its beginning
const NEAR = 80; // px from the end that still count as being there

const look = new CSSStyleSheet();
look.replaceSync(`.draft .meta i{width:6px;height:6px}`);

// `rich` builds nodes, the rest are the parts of the window. What is returned takes every `part` frame from now on.
export const draftOf = ({ h, rich, link, log, texts }) => {
  const { hears } = link;
  const { event, welcome, typing } = hears;
  const { scroller } = log;
  const [, list] = scroller.children;
  let row, bubble, question, follows, at;
  scroller.getRootNode().adoptedStyleSheets.push(look);

  const answerTo = (question) => [...list.children].find(({ author, more }) => author === "bot" && more === question);
  const remove = () => {
    row?.remove();
    row = null;
  };
  const isNear = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR;
  const begin = () => {
    follows = isNear();
    at = 0;
    log.typing(false);
    bubble = h("div", { class: "bubble" });
    const writes = h("div", { class: "meta", role: "img", "aria-label": texts.typing }, h("i"), h("i"), h("i"));
    // It is not read aloud piece by piece: the answer is, when it is there.
    row = h("div", { class: "row bot draft", "aria-live": "off", "aria-busy": "true" }, h("div", { class: "day" }), h("span", { class: "unseen" }, texts.bot + " "), bubble, writes);
    list.after(row);
  };
  // Where the end is in sight, but not so far that the beginning is not.
  const goal = (row) => Math.min(scroller.scrollHeight - scroller.clientHeight, row.offsetTop - ABOVE);

  hears.typing = (frame) => {
    // It is written where nobody here can read it.
    remove();
    typing(frame);
  };
  hears.welcome = (frame, anew) => {
    if (anew) remove();
    welcome(frame, anew);
  };
  hears.event = (frame) => {
    if (!row || frame.question !== question) return event(frame);
    const top = scroller.scrollTop;
    remove();
    event(frame);
    // It stands where the draft stood and is not faded in: nothing moves.
    const answer = answerTo(question);
    if (answer) answer.style.animation = "none";
    scroller.scrollTop = top;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // What is below it, such as buttons, comes into sight.
    if (answer && follows) scroller.scrollTo({ top: Math.max(top, goal(answer)), behavior: still ? "instant" : "smooth" });
  };
  return (hears.part = (part) => {
    if (part.withdrawn) return remove();
    // While this was fetched the answer may have come.
    if (answerTo(part.question)) return;
    if (part.question !== question) remove();
    question = part.question;
    if (!row) begin();
    // It goes along as it grows, unless the customer has gone elsewhere.
    follows = isNear() || (follows && scroller.scrollTop >= at - 1);
    while (bubble.childNodes.length > part.offset) bubble.lastChild.remove();
    bubble.append(...rich(part.nodes));
    if (!follows) return;
    scroller.scrollTop = Math.max(scroller.scrollTop, goal(row));
    at = scroller.scrollTop;
  });
};
