// The loader: a launcher in its own shadow root; the window comes when it is wanted. No innerHTML, no eval: it runs
// under a strict Content-Security-Policy and Trusted Types. See docs/embed.md.
(() => {
  const NAME = "purser-chat";
  if (customElements.get(NAME)) return;
  const script = document.currentScript || document.querySelector('script[src*="/widget.js"]');
  const server = new URL(script.dataset.server || "../", script.src);
  // The server puts the revision of the files in, so that all of a set fit together.
  const files = new URL("chat/", script.src);
  const key = "purser " + server;
  const OPTIONS = ["accent", "customer", "heading", "identity", "language", "side", "theme"];
  // A further language: a line here and a file chat/text.<language>.js.
  const LABELS = {
    en: ["Open chat", "Close chat", "unread", "The chat cannot be reached. Please try again."],
    de: ["Chat öffnen", "Chat schließen", "ungelesen", "Der Chat ist nicht erreichbar. Bitte noch einmal versuchen."],
  };
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`:host{all:initial!important;position:fixed!important;z-index:var(--purser-layer,2147483000)!important}
:host([hidden]),[hidden]{display:none!important}
@media print{:host{display:none!important}}
*{box-sizing:border-box}
section{--accent:var(--purser-accent,#0b5fa5);--on-accent:var(--purser-on-accent,#fff);--x:var(--purser-x,20px);--y:var(--purser-y,20px);
font:15px/1.45 var(--purser-font,system-ui,"Segoe UI",Roboto,sans-serif)}
@supports (color:oklch(from red l 0 0)){section{--on-accent:var(--purser-on-accent,oklch(from var(--accent) clamp(0,(.57 - l)*999,1) 0 0))}}
.launcher,.trouble{position:fixed;bottom:calc(var(--y) + env(safe-area-inset-bottom));inset-inline-end:var(--x)}
.start>*{inset-inline:var(--x) auto!important}
.launcher{width:56px;height:56px;padding:14px;border-radius:50%;border:1px solid #0000;cursor:pointer;background:var(--accent);color:var(--on-accent);box-shadow:0 8px 24px #0004}
.launcher:hover{filter:brightness(1.1)}
.launcher:focus-visible{outline:3px solid var(--accent);outline-offset:3px}
svg{display:block;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
.badge{position:absolute;top:-5px;inset-inline-end:-5px;padding:0 7px;border-radius:11px;background:#c92a2a;color:#fff;font:600 13px/22px system-ui}
.trouble{margin-bottom:68px;max-width:260px;padding:10px 14px;border-radius:12px;background:#16202e;color:#fff}`);

  let host, root, launcher, path, badge, trouble, chat, loading, isOpen, opener, unread = 0;
  const said = [];
  const make = (tag, parent, className) => {
    const element = parent.appendChild(document.createElement(tag));
    element.className = className;
    return element;
  };
  const language = () => host.getAttribute("language") || document.documentElement.lang || navigator.language;
  const known = () => {
    const tag = language().slice(0, 2).toLowerCase();
    return LABELS[tag] ? tag : "en";
  };
  const file = (name) => import(new URL(`${name}.${known()}.js`, files));
  const visitor = () => {
    try {
      return JSON.parse(localStorage[key]);
    } catch {
      return {};
    }
  };
  // What the page hears: opened, closed, message, unread.
  const tell = (name, detail) => host.dispatchEvent(new CustomEvent("purser:" + name, { detail, bubbles: true }));
  const dress = () => {
    const [open, close, more] = LABELS[known()];
    const waiting = !isOpen && unread;
    launcher.ariaLabel = isOpen ? close : waiting ? `${open}, ${waiting} ${more}` : open;
    launcher.ariaExpanded = !!isOpen;
    badge.hidden = !waiting;
    badge.textContent = waiting;
    path.setAttribute("d", isOpen ? "M6 9.5l6 6 6-6" : "M12 4a8.5 7.5 0 1 1-3 14.5L4.5 20l1-4A8.5 7.5 0 0 1 12 4z");
    root.className = host.getAttribute("side") || "";
    root.dir = /^(ar|dv|fa|he|ps|sd|ug|ur|yi)\b/i.test(language()) ? "rtl" : "ltr";
    root.style.setProperty("--accent", host.getAttribute("accent"));
    const before = visitor().customer;
    if (chat) chat.dress();
    // The window forgets who was here before.
    else if (before && before !== host.getAttribute("customer")) warm();
  };
  const count = (n) => {
    if (n === unread) return;
    unread = n;
    dress();
    tell("unread", { count: n });
  };
  const setOpen = (now) => {
    isOpen = now;
    try {
      sessionStorage[key] = now ? "open" : "";
    } catch {}
    dress();
  };
  // The page may change its language while the window is fetched.
  const load = (spoken = language()) =>
    (loading ||= file("window").then(({ make }) => {
      const textsOf = () => file("text").then(({ texts }) => texts);
      chat = make({ host, root, launcher, server, key, language, spoken, textsOf, tell, count, api });
    }, (error) => {
      loading = 0;
      throw error;
    }));

  const warm = () => load().catch(() => {});

  const api = {
    async open(focus = true) {
      if (!isOpen) {
        opener = document.activeElement;
        setOpen(true);
      }
      trouble.hidden = true;
      try {
        await load();
        if (isOpen && chat.show(focus)) tell("opened");
        for (const text of said.splice(0)) chat.say(text);
      } catch {
        setOpen(false);
        trouble.hidden = false;
        trouble.textContent = LABELS[known()][3];
      }
    },
    close() {
      if (!isOpen) return;
      setOpen(false);
      if (chat?.hide()) (opener?.isConnected && opener !== host && opener !== document.body ? opener : launcher).focus();
      tell("closed");
    },
    toggle: () => (isOpen ? api.close() : api.open()),
    // It waits until the window can be fetched.
    say(text) {
      said.push(`${text}`);
      return api.open(false);
    },
    forget: () => load().then(() => chat.forget()),
    // purser.set({ language: "de", theme: "dark" }); null takes a value back. `texts`: other words in the window.
    set(values) {
      Object.assign(host, values);
      if (values.customer === null) api.forget();
      for (const name of OPTIONS)
        if (name in values) values[name] === null ? host.removeAttribute(name) : host.setAttribute(name, values[name]);
      dress();
    },
    push: (call) => call(api),
  };

  customElements.define(NAME, class extends HTMLElement {
    static observedAttributes = OPTIONS;
    attributeChangedCallback() {
      if (host === this) dress();
    }
    // A page that swaps its body while it navigates does not lose the chat.
    disconnectedCallback() {
      if (this.ours) setTimeout(() => this.isConnected || document.documentElement.appendChild(this));
    }
    connectedCallback() {
      if (host) return chat?.moved();
      host = this;
      const shadow = this.attachShadow({ mode: "open" });
      shadow.adoptedStyleSheets = [sheet];
      root = make("section", shadow, "");
      root.ariaLabel = "Chat";
      launcher = make("button", root, "launcher");
      const svg = launcher.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
      svg.setAttribute("viewBox", "0 0 24 24");
      path = svg.appendChild(document.createElementNS(svg.namespaceURI, "path"));
      badge = make("span", launcher, "badge");
      trouble = make("div", root, "trouble");
      trouble.role = "alert";
      trouble.hidden = true;
      launcher.onclick = api.toggle;
      // Whoever points at it is about to press it.
      launcher.onpointerenter = warm;
      dress();
      try {
        if (/^#purser/.test(location.hash) || (sessionStorage[key] && innerWidth > 480)) return api.open(false);
      } catch {}
      // Only somebody who was here before has anything unread. Plain text: no preflight.
      if (visitor().seen)
        fetch(new URL("api/chat/unread", server), { method: "POST", body: localStorage[key], credentials: "omit" })
          .then((answer) => answer.json())
          .then((answer) => chat || count(answer.unread))
          .catch(() => {});
    }
  });

  const start = () => {
    if (!host) {
      const element = document.createElement(NAME);
      element.ours = true;
      for (const name of OPTIONS) if (script.dataset[name]) element.setAttribute(name, script.dataset[name]);
      // Beside the body: pages that swap the body leave it alone.
      document.documentElement.appendChild(element);
    }
    const calls = window.purser;
    window.purser = api;
    for (const call of calls || []) call(api);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
