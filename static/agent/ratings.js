// What customers gave their chats: a page over the console, for editors and admins. Fetched when it is first wanted.

const DAYS = [[7, "7 days"], [30, "30 days"], [90, "90 days"], [366, "A year"]];

export const ratingsOf = ({ h, get, open, trouble }) => {
  const number = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const dayOf = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
  const shown = h("div", { class: "ratings" });
  const span = h("select", { "aria-label": "Time", onchange: () => load() }, ...DAYS.map(([days, name]) => h("option", { value: days, selected: days === 30 ? "" : null }, name)));
  const dialog = h("dialog", { class: "page", "aria-label": "Ratings" }, h("h2", {}, "Ratings ", span), shown, h("form", { method: "dialog" }, h("button", {}, "Close")));
  document.body.append(dialog);

  const starsOf = (count) => h("span", { class: "starred", role: "img", "aria-label": `${count} of 5 stars` }, "★".repeat(count), h("i", {}, "★".repeat(5 - count)));
  const bar = (part, of) => h("span", { class: "bar-of" }, h("meter", { min: 0, max: of || 1, value: part, "aria-hidden": "true" }));
  const table = (title, name, rows, named) => h("section", {}, h("h3", {}, title),
    h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, name), h("th", { scope: "col" }, "Chats"), h("th", { scope: "col" }, "Average"), h("td"))),
      h("tbody", {}, ...rows.map(({ of, chats, average }) => h("tr", {}, h("th", { scope: "row" }, named(of)), h("td", {}, `${chats}`), h("td", {}, number.format(average)), h("td", {}, bar(average, 5)))))));
  const draw = ({ chats, average, stars, by_day, by_agent, by_answer, comments }) => {
    if (!chats) return shown.replaceChildren(h("p", { class: "hint" }, "No chat was rated in this time."));
    const went = (conversation) => {
      dialog.close();
      open(conversation);
    };
    shown.replaceChildren(
      h("p", { class: "mean" }, h("b", {}, number.format(average)), ` on average, of ${chats} ${chats === 1 ? "chat" : "chats"}`),
      h("ul", { class: "spread", "aria-label": "How many of each" }, ...stars.map((count, at) => h("li", {}, starsOf(at + 1), bar(count, chats), ` ${count}`)).reverse()),
      table("By day", "Day", by_day, (day) => dayOf.format(new Date(day + "T12:00"))),
      table("By agent", "Agent", by_agent, (name) => name || "an agent"),
      table("By what the assistant had answered", "Answer", by_answer, ([responder, entry]) => (entry ? `${responder}: ${entry}` : responder)),
      h("section", {}, h("h3", {}, "What they said"), comments.length ? h("ul", { class: "comments" }, ...comments.map(({ conversation, at, stars: given, agent, text }) =>
        h("li", {}, h("button", { type: "button", onclick: () => went(conversation) }, starsOf(given || 0), " ", h("time", {}, `${agent || ""} · ${dayOf.format(at)}`), h("span", {}, text))))) : h("p", { class: "hint" }, "Nobody said anything.")));
  };
  const load = async () => {
    try {
      draw(await get("ratings", { days: span.value }));
    } catch ({ message }) {
      dialog.close();
      trouble(message);
    }
  };
  return () => {
    dialog.showModal();
    load();
  };
};
