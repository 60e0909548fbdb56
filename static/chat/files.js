// Pictures and documents: shown in messages, and sent. Fetched when there is the first one to show, or the customer is
// about to send one. What was chosen waits above the field, with a way to take it out again, and goes with the next message,
// which may have no words.

const PAGE = "M6 3h8l5 5v13H6zM14 3v5h5";
const CLOSE = "M6 6l12 12M18 6L6 18";
const SAVE = "M12 4v11M7 11l5 5 5-5M5 20h14";
const IDENTITY = 10_000; // ms that the page may take for its token
const TAKEN = /^(image\/(jpeg|png|webp)|application\/pdf)$/;
const NEAR = 80; // px from the end that count as being there
const KNOWN = 30_000; // ms that it is taken for good
const MOST = 10; // files in a message, as on the server
const UNFIT = /^(empty|too_large|kind|broken|too_many_pixels)$/; // it is of no use to send such a file again

const WORDS = {
  en: {
    tray: "Ready to be sent", remove: "Remove", say: "Say something about it…", most: "At most {most} files go in one message.",
    open: "Show large", save: "Save", close: "Close", gone: "This file cannot be loaded.",
    empty: "This file is empty.", too_large: "This file is larger than {most} MB.", too_many: "No more files can be sent in this chat.",
    kind: "Only pictures (JPEG, PNG, WebP) and PDFs can be sent.", broken: "This picture cannot be read.",
    too_many_pixels: "This picture is too large.", other: "That did not get through. Please try again.",
  },
  de: {
    tray: "Zum Senden bereit", remove: "Entfernen", say: "Etwas dazu schreiben …", most: "In eine Nachricht passen höchstens {most} Dateien.",
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
.pic+.pic,.pic+.file,.file+.file,.file+.words{margin-top:4px}
.words{white-space:pre-wrap;unicode-bidi:plaintext}
.tray{display:flex;flex:none;gap:12px;overflow:auto hidden;padding:12px 16px 2px}
.tray>div{position:relative;flex:none;animation:fade .18s}
.tray>div>:first-child{display:flex;align-items:center;gap:8px;height:64px;min-width:64px;max-width:200px;margin:0;border:1px solid var(--line);border-radius:12px;overflow:hidden;background:var(--back);font-size:13px}
.tray img{width:64px;height:100%;object-fit:cover}
.tray svg{flex:none;width:24px;margin-inline-start:10px}
.tray>div>:has(bdi){padding-inline-end:14px}
.tray bdi{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.tray button{position:absolute;inset:-8px -8px auto auto;width:26px;height:26px;padding:5px;border:2px solid var(--surface);background:var(--ink);color:var(--surface)}
section[dir=rtl] .tray button{inset:-8px auto auto -8px}
.tray button svg{width:auto;margin:0}
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

// Puts what is attached into a bubble. What a customer says about it stands below.
export const fill = (bubble, files, tools) => {
  dress(tools);
  const { h } = tools;
  const isVisitors = bubble.parentNode?.classList.contains("visitor");
  const said = isVisitors && bubble.textContent.trim();
  if (isVisitors) bubble.textContent = "";
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
  if (said) bubble.append(h("div", { class: "words" }, said));
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

// What was chosen and is not sent yet, the newest last: { file, href, element }.
const staged = [];
let tray;
// Takes more. Returns what is wrong with those that are not taken.
export const stage = (list, tools) => {
  dress(tools);
  const { link, field, h } = tools;
  const words = wordsOf(tools);
  if (!tray) {
    tray = h("div", { class: "tray", role: "group" });
    follow(tools);
  }
  const trouble = [];
  for (const file of list) {
    const code = file.size > link.hears.met.attachments ? "too_large" : file.type && !TAKEN.test(file.type) ? "kind" : "";
    if (code) trouble.push(`${file.name}: ${why(code, tools)}`);
    else if (staged.length === MOST) trouble.push(words.most.replace("{most}", MOST));
    else staged.push(entry(file, tools));
  }
  settle(tools);
  // On a phone the field would call up the keyboard, over the picture.
  if (!matchMedia("(pointer: coarse)").matches) field.focus();
  return [...new Set(trouble)].join(" ");
};

const why = (code, tools) => {
  const words = wordsOf(tools);
  return (words[code] || words.other).replace("{most}", Math.floor(tools.link.hears.met.attachments / 2 ** 20));
};
const isPicture = (file) => TAKEN.test(file.type) && !/pdf$/.test(file.type);

const entry = (file, tools) => {
  const { h, icon, field } = tools;
  const href = isPicture(file) && URL.createObjectURL(file);
  const name = h("span", { title: file.name }, icon(PAGE), h("bdi", {}, file.name));
  const img = href && h("img", { src: href, alt: file.name });
  // A page may forbid to show it.
  if (img) img.onerror = () => img.replaceWith(icon(PAGE), h("bdi", {}, file.name));
  const drop = () => {
    staged.splice(staged.indexOf(one), 1);
    settle(tools);
    field.focus();
  };
  const words = wordsOf(tools);
  const button = h("button", { type: "button", title: words.remove, "aria-label": `${words.remove}: ${file.name}`, onclick: drop }, icon(CLOSE));
  const one = { file, href, element: h("div", {}, img ? h("span", { title: file.name }, img) : name, button) };
  return one;
};

// Shows what waits, or that nothing does.
let placeholder;
const settle = ({ link, field, log }) => {
  const stay = log.scroller.scrollHeight - log.scroller.scrollTop - log.scroller.clientHeight < NEAR;
  const words = wordsOf({ log });
  tray.replaceChildren(...staged.map(({ element }) => element));
  tray.ariaLabel = words.tray;
  if (!tray.isConnected && staged.length) {
    field.form.before(tray);
    placeholder = field.placeholder;
    field.placeholder = field.ariaLabel = words.say;
  } else if (tray.isConnected && !staged.length) {
    tray.remove();
    // What was wrong with others is settled, too.
    for (const told of log.scroller.parentNode.querySelectorAll("[role=alert].over")) told.textContent = "";
    field.placeholder = field.ariaLabel = placeholder;
  }
  link.staged = staged.length;
  // The button that sends stands or falls with it.
  field.dispatchEvent(new Event("input"));
  if (stay) log.toEnd(false);
};

// What is said next goes with what waits; what a page says, or a button, does not.
const follow = (tools) => {
  const { link, field } = tools;
  const { say, hears } = link;
  const { welcome } = hears;
  link.say = (text, choice) => {
    if (!staged.length || choice || text !== field.value) return say(text, choice);
    const files = staged.splice(0);
    settle(tools);
    deliver(files, text.trim(), say, tools);
  };
  // Somebody else sits here now.
  hears.welcome = (frame, anew) => {
    welcome(frame, anew);
    if (anew && staged.splice(0).length) settle(tools);
  };
};

let number = 0;
// One after the other: the server takes few at once from one customer.
let queue = Promise.resolve();
// The files go up, and then into the chat as a message with these words.
const deliver = (files, text, say, tools) => {
  const { h, link, log, field } = tools;
  const { kept, hears } = link;
  const id = `f${Date.now().toString(36)}-${number++}-${Math.random().toString(36).slice(2, 10)}`;
  files.forEach((one, at) => (one.id = `${id}-${at}`));

  // What it looks like from here, until it is loaded again.
  const look = ({ file, href }) => {
    const line = () => row(file.name, file.size, tools, () => {});
    if (!href) return line();
    const { img, button } = picture(file.name, null, null, tools);
    img.onerror = () => button.replaceWith(line());
    button.onclick = () => enlarge(href, file.name, tools);
    img.onload = () => log.toEnd();
    img.src = href;
    return button;
  };
  const draw = (bubble, ...more) => bubble.replaceChildren(...files.map(look), ...(text ? [h("div", { class: "words" }, text)] : []), ...more);

  const bar = h("progress", { max: 1, value: 0, "aria-label": files.map(({ file }) => file.name).join(", ") });
  const fail = (code, { file }) => {
    bar.remove();
    log.pending(id, { text: file.name, failed: (files.length > 1 ? file.name + ": " : "") + why(code, tools) });
  };
  const upload = () => (queue = queue.then(goUp, goUp));
  const goUp = async () => {
    const row = rowOf(id, tools);
    // Thrown away before it was its turn.
    if (!row) return;
    draw(row.children[2], bar);
    for (const [at, one] of files.entries()) {
      try {
        one.sent ||= (await post(one.file, one.id, await who(tools), link.server, (part) => (bar.value = (at + part) / files.length))).id;
      } catch ({ message }) {
        one.unfit = UNFIT.test(message);
        return fail(message, one);
      }
      // Thrown away meanwhile.
      if (!row.isConnected) return;
    }
    log.gone(id);
    const said = { text: text || " ", attachments: files.map(({ sent }) => sent), conversation: kept.visitor.conversation };
    const message = kept.add(said);
    hears.pending(message, said);
    const mine = rowOf(message, tools);
    mine.filled = true;
    draw(mine.children[2]);
    link.retry(message);
  };
  log.pending(id, { text: text || files[0].file.name }, "sending");
  Object.assign(rowOf(id, tools), {
    // Without those that will never do.
    retry() {
      const fit = files.filter(({ unfit }) => !unfit);
      if (fit.length) files = fit;
      else if (text) {
        log.gone(id);
        return say(text);
      }
      log.state(id, "sending");
      upload();
    },
    discard() {
      log.gone(id);
      if (!text || field.value) return;
      field.value = text;
      field.dispatchEvent(new Event("input"));
    },
  });
  draw(rowOf(id, tools).children[2]);
  log.toEnd();
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
