// Building nodes: elements, icons, and what the server says. No HTML is parsed anywhere.

// What an answer may hold, the same list as the server's. Of everything else the text stays.
const ALLOWED = /^(p|br|strong|em|del|code|pre|ul|ol|li|a|blockquote|h3|table|thead|tbody|tr|th|td|hr)$/;

export const h = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (typeof value === "function") element[name] = value;
    else if (value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

export const icon = (shape) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.appendChild(document.createElementNS(svg.namespaceURI, "path")).setAttribute("d", shape);
  return svg;
};

// A list of texts and elements; an element is a list of its name and what it holds: ["p", "Hello ", ["strong", "you"]].
export const rich = (nodes) => nodes.map((node) => {
  if (!node.pop) return node;
  const [tag, ...held] = node;
  const element = h(ALLOWED.test(tag) ? tag : "span");
  if (tag === "a") {
    const address = held.shift();
    if (/^(https?:|mailto:|tel:)/i.test(address)) {
      element.href = address;
      element.rel = "noopener noreferrer nofollow";
      // The chat goes on over pages of the same site.
      if (element.origin !== location.origin) element.target = "_blank";
    }
  }
  if (tag === "ol") element.start = held.shift();
  // Bullets and columns stand on the side on which their text begins.
  if (/^(ul|ol|table)$/.test(tag)) element.dir = "auto";
  element.append(...rich(held));
  if (tag === "td" && /^[^\p{L}]*\d[^\p{L}]*$/u.test(element.textContent)) element.className = "number";
  if (tag !== "table") return element;
  for (const { cellIndex, classList } of element.querySelectorAll("th"))
    if (element.querySelector(`.number:nth-child(${cellIndex + 1})`)) classList.add("number");
  // A wide table scrolls by itself, with the keyboard too.
  return h("div", { class: "wide", tabindex: 0, role: "group" }, element);
});
