// What is the customer's own: earlier chats, what is known of them, all of it to take along or to delete. Fetched when the
// customer wants to see it.
import { h, icon, rich } from "./nodes.js";

const BACK = "M15 5l-7 7 7 7";
const IDENTITY = 10_000; // ms that the page may take for its token

const WORDS = {
  en: {
    title: "Your chats and data", back: "Back", chats: "Earlier chats", none: "There are no earlier chats.", older: "Show older ones",
    earlier: "Show what was before", known: "What we know about you", nothing: "Nothing, but for what is said in the chat.",
    account: "What comes from your account with us is not kept in the chat.", forget: "Delete", yours: "Take along or delete",
    download: "Download my data", preparing: "Being put together…", ready: "It is in your downloads.", failed: "That did not work. Please try again.",
    all: "Delete everything", sure: "Delete all your chats and what we remember for good? Nobody can bring them back.", no: "Keep them",
    soon: "All of it is deleted as soon as there is a connection.",
    one: "Delete this chat for good? Nobody can bring it back.", keep: "Keep it",
    gone: "This chat is not there any more.", forgotten: "Deleted.",
    names: { name: "Name", email: "E-mail", language: "Language", address: "Address", street: "Street", postcode: "Postcode", city: "City", region: "Region", country: "Country",
      tracking_number: "Parcel number", tracking_postcode: "Postcode of the parcel", tracking_tries: "Tries at the postcode" },
  },
  de: {
    title: "Ihre Chats und Daten", back: "Zurück", chats: "Frühere Chats", none: "Es gibt keine früheren Chats.", older: "Ältere zeigen",
    earlier: "Zeigen, was davor war", known: "Was wir über Sie wissen", nothing: "Nichts, außer dem, was im Chat steht.",
    account: "Was aus Ihrem Kundenkonto kommt, wird im Chat nicht gespeichert.", forget: "Löschen", yours: "Mitnehmen oder löschen",
    download: "Meine Daten herunterladen", preparing: "Wird zusammengestellt …", ready: "Die Datei ist bei Ihren Downloads.", failed: "Das hat nicht geklappt. Bitte noch einmal versuchen.",
    all: "Alles löschen", sure: "Alle Ihre Chats und was wir uns gemerkt haben endgültig löschen? Es lässt sich nicht wiederherstellen.", no: "Behalten",
    soon: "Alles wird gelöscht, sobald eine Verbindung da ist.",
    one: "Diesen Chat endgültig löschen? Er lässt sich nicht wiederherstellen.", keep: "Behalten",
    gone: "Diesen Chat gibt es nicht mehr.", forgotten: "Gelöscht.",
    names: { name: "Name", email: "E-Mail", language: "Sprache", address: "Adresse", street: "Straße", postcode: "Postleitzahl", city: "Ort", region: "Region", country: "Land",
      tracking_number: "Sendungsnummer", tracking_postcode: "Postleitzahl der Sendung", tracking_tries: "Versuche mit der Postleitzahl" },
  },
};

const look = new CSSStyleSheet();
look.replaceSync(`
.mine{position:absolute;inset:0;z-index:1;display:flex;flex-direction:column;background:var(--surface);outline:0}
.mine header{border-bottom:1px solid var(--line)}
section[dir=rtl] .mine header svg{transform:scaleX(-1)}
.pane{flex:1;overflow:hidden auto;overscroll-behavior:contain;padding:4px 20px 20px;background:var(--back);outline-offset:-3px!important}
.mine h3{margin:20px 0 8px;font-size:14px;color:var(--soft)}
.pane>p,.deeds p{margin:0 0 10px;color:var(--soft);font-size:14px;unicode-bidi:plaintext}
.mine ul{list-style:none;margin:0;padding:0;border-radius:14px;overflow:hidden;border:1px solid var(--line);background:var(--bubble)}
.pane :is(ul,p):empty{display:none}
.mine .told:empty{padding:0;border:0}
.mine ul+p{margin-top:8px}
.mine li{display:flex;align-items:center;gap:12px;min-height:44px;overflow-wrap:anywhere}
.mine li+li{border-top:1px solid var(--line)}
.mine li>div{flex:1;min-width:0;padding:8px 14px}
.mine li small{display:block;font-size:12px;color:var(--soft)}
.mine li>button{padding:6px 14px;border-radius:14px;text-decoration:underline;text-underline-offset:3px}
.mine li>.past{flex:1;min-width:0;padding:10px 14px;border-radius:0;text-align:start;text-decoration:none;outline-offset:-3px!important}
.past span{display:block;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;unicode-bidi:plaintext}
section[dir=rtl] :is(.past span,.pane>p,.deeds p){text-align:right}
.past:hover{background:color-mix(in srgb,var(--accent) 10%,var(--bubble))}
.mine bdi{unicode-bidi:plaintext}
.mine .more{margin:10px 0 0;padding:6px 14px;border:1px solid var(--edge)}
.deeds{display:flex;flex-wrap:wrap;gap:8px}
.deeds p{flex-basis:100%;margin:0}
.deeds button{scroll-margin:24px}
div+.deeds{margin-top:20px}
.deeds button{padding:10px 16px;border:1px solid var(--edge);background:var(--bubble)}
.deeds .danger{border-color:#0000;background:#b42323;color:#fff}
.mine .told{margin:0;padding:10px 20px;background:var(--surface);border-top:1px solid var(--line);color:var(--ink);font-size:14px}
.mine .row{margin-top:12px}`);

// The panel over the window. `opener` is the button that gets the focus back.
export const mine = (opener, { texts, link, log, field, wanted }) => {
  const frame = log.scroller.parentNode;
  const language = frame.lang || "en";
  const words = WORDS[language.slice(0, 2).toLowerCase()] || WORDS.en;
  const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });
  const { hears } = link;
  const before = { ...hears };
  // While the panel is open it hears more. Whoever takes the place of one of these meanwhile goes on hearing.
  const ours = {};
  const shadow = frame.getRootNode();
  if (!shadow.adoptedStyleSheets.includes(look)) shadow.adoptedStyleSheets.push(look);

  const button = (className, text, onclick) => h("button", { type: "button", class: className, onclick }, text);
  const title = h("h2", { id: "mine" });
  const back = h("button", { type: "button", class: "icon", title: words.back, "aria-label": words.back, onclick: () => leave() }, icon(BACK));
  const told = h("p", { class: "told", role: "status" });
  const pane = h("div", { class: "pane", tabindex: 0, role: "group", "aria-labelledby": "mine" });
  const panel = h("div", { class: "mine", role: "dialog", "aria-labelledby": "mine", tabindex: -1 }, h("header", {}, back, title), pane, told);

  const chats = h("ul");
  const none = h("p");
  const older = button("more", words.older, () => ask("conversations", { skip: chats.children.length }));
  const facts = h("ul");
  const source = h("p");
  const deeds = h("div", { class: "deeds" });
  const overview = [h("h3", {}, words.chats), none, chats, older, h("h3", {}, words.known), facts, source, h("h3", {}, words.yours), deeds];
  let reading; // the conversation that is read

  const tell = (text) => (told.textContent = text);
  const ask = (type, fields) => {
    const sent = link.send(type, fields);
    tell(sent ? "" : words.failed);
    return sent;
  };
  // A button that deletes something when it is asked once more, behind others.
  const deed = (box, name, question, no, really, ...others) => {
    const rest = () => box.replaceChildren(...others, button("", name, sure));
    const sure = () => {
      const keep = button("", no, () => {
        wanted(null);
        rest();
        box.lastChild.focus();
      });
      box.replaceChildren(h("p", {}, question), keep, button("danger", name, really));
      keep.scrollIntoView({ block: "nearest" });
      keep.focus();
    };
    rest();
  };

  const close = () => {
    if (!panel.isConnected) return;
    for (const name in ours) if (hears[name] === ours[name]) hears[name] = before[name];
    for (const element of frame.children) element.inert = false;
    const inside = panel.contains(shadow.activeElement);
    panel.remove();
    if (inside) (opener.checkVisibility() ? opener : field).focus();
  };
  const leave = () => {
    if (!reading) return close();
    show();
    (chats.querySelector(`[data-id="${reading}"]`) || back).focus();
    reading = null;
  };
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.stopPropagation();
    leave();
  });

  const show = () => {
    title.textContent = words.title;
    pane.replaceChildren(...overview);
    settle();
  };
  const settle = () => {
    const all = () => {
      if (wanted(true)) close();
      else tell(words.soon);
    };
    deed(deeds, words.all, words.sure, words.no, all, button("", words.download, download));
  };

  const download = async () => {
    tell(words.preparing);
    try {
      const late = new Promise((_, fail) => setTimeout(fail, IDENTITY, new Error("no token")));
      const identity = await Promise.race([hears.identity(), late]);
      const body = JSON.stringify({ __proto__: null, token: link.kept.visitor.token, identity });
      const answer = await fetch(new URL("api/chat/export", link.server), { method: "POST", body, credentials: "omit" });
      if (!answer.ok) throw new Error(answer.status);
      const href = URL.createObjectURL(await answer.blob());
      h("a", { href, download: "chat.json" }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60_000);
      tell(words.ready);
    } catch {
      tell(words.failed);
    }
  };

  const named = (name) => (Object.hasOwn(words.names, name) ? words.names[name] : name.replace(/_/g, " "));
  const fact = (name, value, last) => h("li", {}, h("div", {}, h("small", {}, h("bdi", {}, named(name))), h("bdi", {}, value)), ...last);
  ours.known = ({ account, remembered }) => {
    // What stands in the address is not told twice.
    const { address } = account;
    const news = Object.entries(account).filter(([name, value]) => !(/^(street|postcode|city|region|country)$/.test(name) && address?.includes(value)));
    const told = news.map(([name, value]) => fact(name, value, []));
    const kept = Object.entries(remembered).map(([name, value]) => {
      const forget = button("", words.forget, () => {
        if (!ask("forget", { name })) return;
        pane.focus();
        tell(words.forgotten);
      });
      forget.ariaLabel = `${words.forget}: ${named(name)}`;
      return fact(name, value, [forget]);
    });
    facts.replaceChildren(...told, ...kept);
    source.textContent = told.length ? words.account : kept.length ? "" : words.nothing;
  };
  ours.conversations = ({ conversations, more, erased }) => {
    if (erased) {
      chats.querySelector(`[data-id="${erased}"]`)?.parentNode.remove();
      if (reading === erased) {
        show();
        reading = null;
        back.focus();
      }
      tell(words.forgotten);
    }
    for (const { id, created_at: at, text } of conversations) {
      if (chats.querySelector(`[data-id="${id}"]`)) continue;
      const open = h("button", { type: "button", class: "past", "data-id": id, onclick: () => read(id, at) }, h("small", {}, moment.format(at)), h("span", {}, text));
      chats.append(h("li", {}, open));
    }
    none.textContent = chats.firstChild ? "" : words.none;
    older.hidden = !more;
  };

  let lowest, list, earlier;
  const read = (id, at) => {
    reading = id;
    title.textContent = day.format(at);
    list = h("div");
    earlier = button("more", words.earlier, () => ask("read", { conversation: id, before: lowest }));
    earlier.hidden = true;
    const end = h("div", { class: "deeds" });
    deed(end, texts.erase, words.one, words.keep, () => ask("erase", { conversation: id }));
    pane.replaceChildren(earlier, list, end);
    back.focus();
    ask("read", { conversation: id });
  };
  ours.read = ({ conversation, events, more }) => {
    if (conversation !== reading) return;
    const first = !list.firstChild;
    const below = pane.scrollHeight - pane.scrollTop;
    const rows = events.filter(({ kind, nodes }) => kind === "message" || nodes).map(({ kind, author, text, nodes, name, at, attachments, asks }) => {
      if (kind !== "message") author = "system";
      // It was asked with stars.
      if (asks) nodes.pop();
      const bubble = h("div", { class: "bubble" }, ...(nodes ? rich(nodes) : [text ?? ""]));
      if (attachments) import("./files.js").then(({ fill }) => fill(bubble, attachments, { h, icon, link, log })).catch(() => {});
      const by = h("span", { class: "unseen" }, (name || texts[author]) + " ");
      const time = h("time", { datetime: new Date(at).toISOString() }, (day.format(at) === title.textContent ? clock : moment).format(at));
      return h("div", { class: "row " + author }, by, bubble, h("div", { class: "meta" }, time));
    });
    list.prepend(...rows);
    if (!rows.length && first) tell(words.gone);
    lowest = events[0]?.seq;
    earlier.hidden = !more;
    pane.scrollTop = first ? 0 : pane.scrollHeight - below;
  };
  // The server takes nothing at the moment.
  ours.state = (state, text) => {
    before.state(state, text);
    if (state !== "online") tell(words.failed);
  };
  // Somebody else sits here now, or the connection is back.
  ours.welcome = (welcome, anew) => {
    before.welcome(welcome, anew);
    if (anew) close();
    else if (panel.isConnected) load();
  };
  const load = () => ask("known") && ask("conversations", { skip: 0 });

  Object.assign(hears, ours);
  for (const element of frame.children) element.inert = true;
  frame.append(panel);
  show();
  older.hidden = true;
  load();
  back.focus();
};
