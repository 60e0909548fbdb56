// Pictures and documents: shown in messages, and sent. Fetched when there is the first one to show, or the customer is
// about to send one.

const PAGE = "M6 3h8l5 5v13H6zM14 3v5h5";
const CLOSE = "M6 6l12 12M18 6L6 18";
const SAVE = "M12 4v11M7 11l5 5 5-5M5 20h14";
const IDENTITY = 10_000; // ms that the page may take for its token
const TAKEN = /^(image\/(jpeg|png|webp)|application\/pdf)$/;
const NEAR = 80; // px from the end that count as being there
const KNOWN = 30_000; // ms that it is taken for good

const WORDS = {
  en: {
    open: "Show large", save: "Save", close: "Close", gone: "This file cannot be loaded.",
    empty: "This file is empty.", too_large: "This file is larger than {most} MB.", too_many: "No more files can be sent in this chat.",
    kind: "Only pictures (JPEG, PNG, WebP) and PDFs can be sent.", broken: "This picture cannot be read.",
    too_many_pixels: "This picture is too large.", other: "That did not get through. Please try again.",
  },
  de: {
    open: "Groß zeigen", save: "Speichern", close: "Schließen", gone: "Diese Datei lässt sich nicht laden.",
    empty: "Diese Datei ist leer.", too_large: "Diese Datei ist größer als {most} MB.", too_many: "In diesem Chat können keine weiteren Dateien gesendet werden.",
    kind: "Nur Bilder (JPEG, PNG, WebP) und PDFs können gesendet werden.", broken: "Dieses Bild lässt sich nicht lesen.",
    too_many_pixels: "Dieses Bild ist zu groß.", other: "Das ist nicht angekommen. Bitte noch einmal versuchen.",
  },
};

const look = new CSSStyleSheet();
look.replaceSync(`
.bubble:has(.pic){padding:4px}
.bubble:has(.pic)>:not(.pic){margin:5px 9px}
.pic{display:block;padding:0;border-radius:12px;overflow:hidden;max-width:100%;line-height:0;color:inherit}
.pic+.pic,.pic+.file,.file+.file{margin-top:4px}
.pic img{display:block;max-width:100%;width:auto;height:auto;max-height:240px;object-fit:cover;background:color-mix(in srgb,currentColor 12%,#0000)}
.pic,.file{white-space:normal}
.file{display:flex;align-items:center;gap:10px;max-width:100%;padding:4px 0;color:inherit;text-align:start;border-radius:8px}
.file svg{flex:none;width:24px}
.file span{min-width:0;overflow-wrap:anywhere}
.file small{display:block;font-size:12px;opacity:.85}
.bubble progress{display:block;width:160px;max-width:100%;height:6px;margin:6px 0 2px;accent-color:currentColor}
.over-all{position:fixed;inset:0;z-index:2;display:flex;flex-direction:column;background:#000d;color:#fff}
.over-all header{color:inherit}
.over-all h2{font-weight:500}
.over-all .icon,.over-all .icon:hover{background:none;color:#fff}
.over-all>div{flex:1;min-height:0;display:flex;align-items:center;justify-content:center;padding:0 12px 12px}
.over-all img{max-width:100%;max-height:100%;object-fit:contain}
.over-all :focus-visible{outline-color:#fff!important}`);

let now; // of whom the page said that they are signed in, and when
const identity = ({ link }) => {
  if (!now || Date.now() - now.at > KNOWN) {
    const late = new Promise((_, fail) => setTimeout(fail, IDENTITY, new Error("no token")));
    now = { at: Date.now(), who: Promise.race([link.hears.identity(), late]) };
    now.who.catch(() => (now = null));
  }
  return now.who;
};
const who = async (tools) => {
  const token = await identity(tools);
  const headers = { Authorization: "Bearer " + tools.link.kept.visitor.token };
  if (token) headers["Purser-Identity"] = token.trim ? token : JSON.stringify(token);
  return headers;
};

const wordsOf = ({ log }) => WORDS[(log.scroller.parentNode.lang || "en").slice(0, 2).toLowerCase()] || WORDS.en;
const dress = ({ log }) => {
  const shadow = log.scroller.getRootNode();
  if (!shadow.adoptedStyleSheets.includes(look)) shadow.adoptedStyleSheets.push(look);
};
const sizeOf = (bytes, { log }) => {
  const large = bytes >= 1e6;
  const format = { style: "unit", unit: large ? "megabyte" : "kilobyte", maximumFractionDigits: large ? 1 : 0 };
  return new Intl.NumberFormat(log.scroller.parentNode.lang || "en", format).format(Math.max(1, bytes / (large ? 1e6 : 1e3)));
};
const save = (href, name, { h }) => h("a", { href, download: name }).click();

// The picture over the whole page, until it is closed.
const enlarge = (href, name, tools) => {
  const { h, icon, log } = tools;
  const words = wordsOf(tools);
  const frame = log.scroller.parentNode;
  const opener = frame.getRootNode().activeElement;
  const button = (name, shape, onclick) => h("button", { type: "button", class: "icon", title: name, "aria-label": name, onclick }, icon(shape));
  const close = () => {
    over.remove();
    frame.inert = false;
    opener?.focus();
  };
  const shut = button(words.close, CLOSE, close);
  const img = h("img", { src: href, alt: name });
  const over = h("div", { class: "over-all", role: "dialog", "aria-modal": "true", "aria-label": name, onclick: ({ target }) => target !== img && target === img.parentNode && close() },
    h("header", {}, h("h2", {}, h("bdi", {}, name)), button(words.save, SAVE, () => save(href, name, tools)), shut), h("div", {}, img));
  over.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close();
  });
  frame.inert = true;
  frame.after(over);
  shut.focus();
};

const picture = (name, width, height, tools) => {
  const { h } = tools;
  const img = h("img", { alt: name, width, height });
  const button = h("button", { type: "button", class: "pic", title: wordsOf(tools).open, "aria-label": `${wordsOf(tools).open}: ${name}` }, img);
  return { img, button };
};
const row = (name, bytes, tools, onclick) => {
  const { h, icon } = tools;
  return h("button", { type: "button", class: "file", title: wordsOf(tools).save, onclick }, icon(PAGE), h("span", {}, h("bdi", {}, name), h("small", {}, bytes ? sizeOf(bytes, tools) : "")));
};

// Puts what is attached into a bubble.
export const fill = (bubble, files, tools) => {
  dress(tools);
  const { link } = tools;
  const words = wordsOf(tools);
  const load = async (id) => {
    const answer = await fetch(new URL("api/chat/attachments/" + id, link.server), { headers: await who(tools), credentials: "omit" });
    if (!answer.ok) throw new Error(answer.status);
    return URL.createObjectURL(await answer.blob());
  };
  for (const { id, name, type, bytes, width, height } of files) {
    let loading;
    const href = () => (loading ||= load(id).catch(() => (loading = null)));
    // What cannot be loaded says so where its size stands.
    const offer = row(name, bytes, tools, async () => {
      const got = await href();
      got ? save(got, name, tools) : (offer.querySelector("small").textContent = words.gone);
    });
    if (!/^image\//.test(type)) {
      bubble.append(offer);
      continue;
    }
    const { img, button } = picture(name, width, height, tools);
    bubble.append(button);
    // A page may forbid such pictures: then they can still be saved.
    img.onerror = () => button.replaceWith(offer);
    href().then((got) => {
      if (!got) return img.onerror();
      img.src = got;
      button.onclick = () => enlarge(got, name, tools);
    });
  }
};

// The message of a row that came.
export const show = (row, tools) => {
  if (row.filled) return;
  row.filled = true;
  // Whoever was at the end stays there: room is made for pictures before they come.
  const { scrollHeight, scrollTop, clientHeight } = tools.log.scroller;
  fill(row.children[2], row.files, tools);
  if (scrollHeight - scrollTop - clientHeight < NEAR) tools.log.toEnd(false);
};

const rowOf = (id, { log }) => [...log.scroller.querySelectorAll(".row")].find(({ client }) => client === id);

// What the customer chose goes up, and then into the chat as a message of its own.
export const send = (list, tools) => {
  dress(tools);
  for (const file of list) sendOne(file, tools);
};
let number = 0;
// One after the other: the server takes few at once from one customer.
let queue = Promise.resolve();
const sendOne = async (file, tools) => {
  const { h, link, log } = tools;
  const { kept, hears } = link;
  const words = wordsOf(tools);
  const most = hears.met.attachments;
  const id = `f${Date.now().toString(36)}-${number++}-${Math.random().toString(36).slice(2, 10)}`;
  const isPicture = TAKEN.test(file.type) && !/pdf$/.test(file.type);
  const href = isPicture && URL.createObjectURL(file);
  // What it looks like from here, until it is loaded again.
  const preview = (bubble, ...more) => {
    bubble.textContent = "";
    if (!isPicture) return bubble.append(row(file.name, file.size, tools, () => {}), ...more);
    const { img, button } = picture(file.name, null, null, tools);
    img.onerror = () => button.replaceWith(row(file.name, file.size, tools, () => {}));
    button.onclick = () => enlarge(href, file.name, tools);
    img.onload = () => log.toEnd();
    img.src = href;
    bubble.append(button, ...more);
  };

  const bar = h("progress", { max: 1, value: 0, "aria-label": file.name });
  const fail = (code) => {
    const text = (words[code] || words.other).replace("{most}", Math.floor(most / 2 ** 20));
    bar.remove();
    log.pending(id, { text: file.name, failed: text });
  };
  const upload = () => (queue = queue.then(goUp, goUp));
  const goUp = async () => {
    // What will be refused need not go up for that.
    if (file.size > most) return fail("too_large");
    if (file.type && !TAKEN.test(file.type)) return fail("kind");
    const row = rowOf(id, tools);
    // Thrown away before it was its turn.
    if (!row) return;
    preview(row.children[2], bar);
    bar.value = 0;
    let sent;
    try {
      sent = await post(file, id, await who(tools), link.server, (part) => (bar.value = part));
    } catch ({ message }) {
      return fail(message);
    }
    // Thrown away meanwhile.
    if (!row.isConnected) return;
    log.gone(id);
    const said = { text: " ", attachments: [sent.id], conversation: kept.visitor.conversation };
    const message = kept.add(said);
    hears.pending(message, said);
    const mine = rowOf(message, tools);
    mine.filled = true;
    preview(mine.children[2]);
    link.retry(message);
  };
  log.pending(id, { text: file.name }, "sending");
  Object.assign(rowOf(id, tools), {
    retry() {
      log.state(id, "sending");
      upload();
    },
    discard: () => log.gone(id),
  });
  preview(rowOf(id, tools).children[2]);
  upload();
};

// One that is sent again under its id is kept once.
const post = (file, id, headers, server, progress) => new Promise((done, fail) => {
  const request = new XMLHttpRequest();
  const no = (code) => fail(new Error(code));
  request.open("POST", new URL("api/chat/attachments?" + new URLSearchParams({ client_id: id, name: file.name.slice(-200) }), server));
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.upload.onprogress = ({ loaded, total }) => progress(loaded / total);
  request.onload = () => {
    try {
      const answer = JSON.parse(request.responseText);
      request.status === 201 ? done(answer) : no(answer.code);
    } catch {
      no("other");
    }
  };
  request.onerror = request.onabort = () => no("other");
  request.send(file);
});
