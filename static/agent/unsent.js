// What an agent has half written: it survives a reload and the end of the session, for the same agent in the same tab.

const UNSENT = "purser unsent";

// `agent()` is the agent's id, and nothing as long as that is not known.
export const draftsOf = (agent) => {
  let all;
  const loaded = () => {
    if (all || !agent()) return all || new Map();
    all = new Map();
    try {
      const kept = JSON.parse(sessionStorage[UNSENT]);
      if (kept.agent === agent()) all = new Map(kept.drafts);
    } catch {}
    return all;
  };
  return {
    // { text, mode } of a conversation, or nothing.
    get: (conversation) => loaded().get(conversation),
    set(conversation, draft) {
      if (draft.text.trim()) loaded().set(conversation, draft);
      else loaded().delete(conversation);
      if (!all) return;
      try {
        sessionStorage[UNSENT] = JSON.stringify({ agent: agent(), drafts: [...all] });
      } catch {}
    },
  };
};

// Whoever logs out leaves nothing to whoever comes next.
export const forgetDrafts = () => {
  try {
    delete sessionStorage[UNSENT];
  } catch {}
};
