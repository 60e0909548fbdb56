// What this browser keeps: who the visitor is, and what was said and is not acknowledged yet.

// What storage does not take, because it is forbidden or full, this page remembers by itself.
const memory = Object.create(null);
const attempt = (call) => {
  try {
    return call();
  } catch {}
};
const put = (key, value) => {
  memory[key] = value;
  if (attempt(() => (localStorage[key] = value))) delete memory[key];
};
const take = (key) => {
  delete memory[key];
  attempt(() => delete localStorage[key]);
};
const get = (key) => memory[key] ?? attempt(() => localStorage[key]);

// A page that gives Object.prototype a toJSON does not change what we write.
export const json = (value) => JSON.stringify({ __proto__: null, ...value });
export const parsed = (text) => attempt(() => JSON.parse(text)) || {};

const hex = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let stamp = 0;

export const keep = (key) => {
  const prefix = key + " ";
  const update = (values) => {
    const visitor = { ...parsed(get(key)), ...values };
    put(key, json(visitor));
    return visitor;
  };
  const kept = {
    update,

    // { token, conversation, seen, customer }
    get visitor() {
      const visitor = parsed(get(key));
      if (visitor.token && visitor.conversation) return visitor;
      // A UUID needs no hyphens; what welcome names has them.
      return update({ token: hex(32), conversation: hex(16), seen: 0 });
    },

    // [id, { text, choice, failed, conversation }], in the order in which it was said.
    get outbox() {
      const keys = [...Object.keys(memory), ...(attempt(() => Object.keys(localStorage)) || [])].filter((key) => key.startsWith(prefix));
      return keys.sort().map((key) => [key.slice(prefix.length), parsed(get(key))]);
    },

    add(said) {
      // Ids sort by when it was said, also when the clock is set back meanwhile.
      stamp = Math.max(stamp + 1, Date.now());
      const id = "m" + stamp.toString(36).padStart(9, "0") + hex(8);
      put(prefix + id, json(said));
      return id;
    },

    change(id, values) {
      const said = parsed(get(prefix + id));
      if (said.text) put(prefix + id, json({ ...said, ...values }));
    },

    drop: (id) => take(prefix + id),

    // Another person sits here now: nothing of the one before is left.
    forget() {
      take(key);
      for (const [id] of kept.outbox) kept.drop(id);
    },
  };
  return kept;
};
