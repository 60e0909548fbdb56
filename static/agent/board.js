// The list on the left: who waits, mine, those of others, what is over, all there is; and the search.
import { h } from "./nodes.js";
import { get } from "./net.js";

const SHELVES = [["waiting", "Waiting"], ["mine", "Mine"], ["others", "Others"], ["closed", "Closed"], ["all", "All"]];
const SEARCH_AFTER = 250; // ms without a key

export const agoOf = (at, now) => {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
};

export const boardOf = ({ me, open, opened, trouble, changed }) => {
  let lists = { waiting: [], taken: [], agents: [] };
  let shelf = "waiting";
  let found; // rows that were looked up; nothing while the lists of the stream are shown
  let further; // where the search goes on that has not come to the end
  let searching;

  const tabs = SHELVES.map(([name, title]) => h("button", { type: "button", role: "tab", id: "tab-" + name, onclick: () => choose(name) }, h("span", {}, title), h("b")));
  const search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search conversations", maxlength: 100, oninput: () => later() });
  // Whose chats are shown: those of my teams, of all, or of one.
  let teams = localStorage["purser teams"] || "mine";
  const choice = h("select", { "aria-label": "Teams", hidden: "", onchange: () => ((teams = localStorage["purser teams"] = choice.value), draw(), changed()) });
  const rows = h("ul", { class: "rows", role: "list", "aria-label": "Conversations" });
  const element = h("nav", { class: "board", "aria-label": "Conversations" }, h("div", { class: "tabs", role: "tablist", "aria-label": "Lists" }, ...tabs), h("div", { class: "search" }, search, choice), rows);

  const mine = () => lists.taken.filter(({ agent }) => agent === me().id);
  const others = () => lists.taken.filter(({ agent }) => agent !== me().id);
  const allTeams = () => [...new Set(lists.agents.flatMap((agent) => agent.teams))].sort();
  // What is for no team, or for one that nobody is in, is for everybody; and who is in no team sees to everything.
  const isOurs = ({ team }) => {
    if (!team || teams === "all" || !allTeams().includes(team)) return true;
    return teams === "mine" || !allTeams().includes(teams) ? !me().teams.length || me().teams.includes(team) : teams === team;
  };
  const waiting = () => lists.waiting.filter(isOurs);
  const shown = () => found?.filter(isOurs) || { waiting: waiting(), mine: mine(), others: others().filter(isOurs) }[shelf] || [];
  const agentOf = (id) => lists.agents.find((agent) => agent.id === id)?.name;

  const look = async (from) => {
    const q = search.value.trim();
    const [before, asked] = [shelf, shelf === "mine" || shelf === "others" ? "taken" : shelf];
    if (!q && !["closed", "all"].includes(shelf)) {
      found = further = undefined;
      return draw();
    }
    try {
      const all = await get("list", { shelf: asked, q, ...(from && { from }) });
      if (shelf !== before || search.value.trim() !== q) return;
      further = all.further;
      found = (from && found ? found : []).concat(all.rows).filter(({ status, agent }) => asked !== "taken" || status !== "agent" || (agent === me().id) === (shelf === "mine"));
      draw();
    } catch ({ message }) {
      trouble(message);
    }
  };
  const later = () => {
    clearTimeout(searching);
    searching = setTimeout(() => look(), SEARCH_AFTER);
  };
  const choose = (name) => {
    shelf = name;
    found = further = undefined;
    draw();
    look();
  };

  const titleOf = (row) => row.name || "Visitor " + row.id.slice(-4);
  const rowOf = (row) => {
    const said = { visitor: "", bot: "Assistant: ", agent: "Agent: ", system: "" };
    const state = row.message ? "left word" : { waiting: "waits", agent: row.agent === me().id ? "yours" : agentOf(row.agent) || "taken", closed: "closed", bot: "assistant" }[row.status];
    const text = row.last ? said[row.last.author] + row.last.text.replace(/\s+/g, " ") : "";
    const unread = row.unread && row.status !== "bot" && row.status !== "closed" ? h("b", { class: "unread", title: "not read yet" }, `${row.unread}`) : "";
    return h("li", {}, h("button", { type: "button", class: "row", "aria-current": row.id === opened() ? "true" : null, onclick: () => open(row.id), "data-id": row.id },
      h("span", { class: "who" }, titleOf(row)), h("time", {}, agoOf(row.status === "agent" || row.status === "bot" ? row.last_at : row.since, Date.now())),
      h("span", { class: "what" }, text), unread,
      h("span", { class: "chips" }, h("i", { class: "chip " + row.status }, state), ...(row.team ? [h("i", { class: "chip team" }, row.team)] : []), ...(row.stars ? [h("i", { class: "chip" }, `★ ${row.stars}`)] : []), ...row.tags.map((tag) => h("i", { class: "chip" }, tag)))));
  };

  const draw = () => {
    const counts = { waiting: waiting().length, mine: mine().length, others: others().filter(isOurs).length };
    SHELVES.forEach(([name], at) => {
      tabs[at].setAttribute("aria-selected", `${name === shelf}`);
      tabs[at].lastChild.textContent = counts[name] ?? "";
      tabs[at].lastChild.hidden = !counts[name];
    });
    const named = [["mine", me().teams.length ? `My teams: ${me().teams.join(", ")}` : "My teams: all"], ["all", "All teams"], ...allTeams().map((name) => [name, name])];
    if (choice.shape !== (choice.shape = JSON.stringify(named))) choice.replaceChildren(...named.map(([value, name]) => h("option", { value }, name)));
    choice.value = named.some(([value]) => value === teams) ? teams : "mine";
    choice.hidden = named.length < 3;
    const focused = document.activeElement?.dataset?.id;
    const all = shown();
    const nothing = { waiting: "Nobody waits.", mine: "You have no chats.", others: "Nobody else has any." }[shelf] || "Nothing is here.";
    rows.replaceChildren(...(all.length ? all.map(rowOf) : [h("li", { class: "nothing" }, search.value.trim() ? "Nothing was found." : nothing)]));
    if (further) rows.append(h("li", { class: "nothing" }, h("button", { type: "button", onclick: () => look(further) }, search.value.trim() ? "Search further back" : "Further back")));
    if (focused) rows.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  };
  setInterval(draw, 15_000);

  return {
    element,
    draw,
    choose,
    agentOf,
    get lists() {
      return lists;
    },
    get mine() {
      return mine();
    },
    get waiting() {
      return waiting();
    },
    get teams() {
      return allTeams();
    },
    take(next) {
      lists = next;
      // Whoever has searched far back does not lose that to every change.
      if (found && !further && found.length <= 200) later();
      draw();
    },
    // What is otherwise since: rows that are new or have changed, those that are gone, perhaps the agents.
    change({ set, gone, agents }) {
      const stale = new Set([...gone, ...set.map(({ id }) => id)]);
      const next = { waiting: [], taken: [], agents: agents || lists.agents };
      const kept = (rows) => rows.filter(({ id }) => !stale.has(id));
      next.taken = [...kept(lists.taken), ...set.filter(({ status }) => status === "agent")];
      next.waiting = [...kept(lists.waiting), ...set.filter(({ status }) => status !== "agent")];
      for (const list of [next.waiting, next.taken]) list.sort((a, b) => a.since - b.since);
      this.take(next);
    },
    focusSearch: () => search.focus(),
    // The row after or before the open one.
    step(by) {
      const all = shown();
      const at = all.findIndex(({ id }) => id === opened());
      const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
      if (next) open(next.id);
    },
    find: (id) => [...lists.waiting, ...lists.taken, ...(found || [])].find((row) => row.id === id),
  };
};
