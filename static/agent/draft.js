// The assistant's answer while it is being written, below the messages of the open conversation.
import { h, rich } from "./nodes.js";

export const draftOf = ({ log, atEnd, toEnd }) => {
  const said = h("div", { class: "said" });
  // Of what may be taken back nothing is read aloud.
  const row = h("article", { class: "msg bot draft", "aria-live": "off", "aria-busy": "true" }, h("header", {}, h("b", {}, "Assistant"), " is writing…"), said);
  const remove = () => {
    row.remove();
    said.replaceChildren();
  };
  return {
    remove,
    part({ offset, nodes = [], withdrawn }) {
      if (withdrawn) return remove();
      const stay = atEnd();
      while (said.childNodes.length > offset) said.lastChild.remove();
      said.append(...rich(nodes));
      log.append(row);
      if (stay) toEnd();
    },
  };
};
