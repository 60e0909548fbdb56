// Building nodes: elements, icons, and the server's HTML. Nothing here parses HTML with the browser.

// What an answer may hold, the same list as the server's. Everything else is left out, its text stays.
const ALLOWED = /^(p|br|strong|em|del|code|pre|ul|ol|li|a|blockquote|h3|table|thead|tbody|tr|th|td|hr)$/;
const PARTS = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"]*")?)*)\s*\/?>|[^<]+|</gi;
const NAMED = { lt: "<", gt: ">", amp: "&", quot: '"', nbsp: "\u00a0" };

const unescaped = (text) =>
  text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|([a-z]+));/gi, (all, decimal, hex, name) => {
    if (name) return NAMED[name] || all;
    const point = parseInt(decimal || hex, decimal ? 10 : 16);
    return point < 0x110000 ? String.fromCodePoint(point) : all;
  });

export const h = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element[name] = value;
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children) if (child != null) element.append(child);
  return element;
};

export const icon = (shape) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(svg.namespaceURI, "path")).setAttribute("d", shape);
  return svg;
};

// Sanitised HTML as nodes. A parser of our own for the few tags there are: the browser's would need a Trusted Types
// policy, and it would believe whatever it is given.
export const rich = (html) => {
  const top = document.createDocumentFragment();
  let at = top;
  for (const [part, closing, name, attributes] of html.matchAll(PARTS)) {
    const tag = name?.toLowerCase();
    if (!tag) at.append(unescaped(part));
    else if (!ALLOWED.test(tag)) continue;
    else if (closing) {
      let open = at;
      while (open !== top && open.localName !== tag) open = open.parentNode;
      if (open !== top) at = open.parentNode;
    } else {
      const element = document.createElement(tag);
      const link = tag === "a" && unescaped(/\shref="([^"]*)"/i.exec(attributes)?.[1] || "");
      if (link && /^(https?:|mailto:|tel:)/i.test(link)) {
        element.href = link;
        element.target = "_blank";
        element.rel = "noopener noreferrer nofollow";
      }
      const start = tag === "ol" && /\sstart="(\d+)"/i.exec(attributes)?.[1];
      if (start) element.start = start;
      at.append(element);
      if (!/^[bh]r$/.test(tag)) at = element;
    }
  }
  for (const table of top.querySelectorAll("table")) {
    // A wide table scrolls by itself, with the keyboard too.
    const frame = h("div", { class: "wide", tabindex: 0, role: "group" });
    table.replaceWith(frame);
    frame.append(table);
  }
  return top;
};
