// The same frames over HTTP, where no WebSocket comes through: a stream for what comes, a POST for what is said.
const SILENT = 25_000; // the server writes something every 15 s
const FIRST_LOOK = 10_000; // when it is first tried whether a WebSocket comes through after all
const LAST_LOOK = 600_000;

// Makes `wire` behave like a WebSocket. Calls `back` when a real one works again.
export const carry = (wire, server, back) => {
  const ended = new AbortController();
  // A page that gives Object.prototype a toJSON does not change what we send.
  const bare = (value) => ({ __proto__: null, ...value });
  // Sent as plain text, which needs no second request for permission.
  const post = (path, body) => {
    const { signal } = ended;
    return fetch(new URL("api/chat/" + path, server), { method: "POST", body: JSON.stringify(bare(body)), credentials: "omit", signal });
  };
  let hello, silence, look;

  const end = () => {
    if (ended.signal.aborted) return;
    wire.close();
    wire.onclose?.();
  };
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(end, SILENT);
  };
  const hear = (data) => {
    const frame = JSON.parse(data);
    if (frame.type === "welcome") hello.conversation = frame.conversation;
    wire.onmessage?.({ data });
  };

  const listen = async () => {
    const answer = await post("events", hello);
    heard();
    if (!answer.body || !answer.headers.get("content-type")?.startsWith("text/event-stream")) {
      for (const frame of (await answer.json()).frames) hear(JSON.stringify(frame));
      return;
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) hear(line.slice(5));
        // Somebody is there.
        else if (line.startsWith(":")) hear('{"type":"pong"}');
      }
    }
  };
  const say = async (frame) => {
    const { token, conversation, language, form, identity } = hello;
    const answer = await post("frames", { token, conversation, language, form, identity, frame: bare(frame) });
    const { frames } = await answer.json();
    for (const frame of frames) hear(JSON.stringify(bare(frame)));
    // It went on in another conversation than the stream is of.
    if (frames.some(({ type }) => type === "welcome")) end();
  };

  // One at a time, or they might overtake each other.
  let queue = Promise.resolve();
  wire.send = (data) => {
    const frame = JSON.parse(data);
    if (frame.type === "hello") {
      if (hello) return end();
      hello = frame;
      listen().then(end, end);
    } else if (frame.type !== "ping") queue = queue.then(() => say(frame)).catch(end);
  };
  wire.close = () => {
    clearTimeout(silence);
    clearTimeout(look);
    ended.abort();
  };

  const lookAround = (after) => {
    look = setTimeout(() => {
      const url = new URL("ws/chat/", server);
      url.protocol = url.protocol.replace("http", "ws");
      const socket = new WebSocket(url, "purser.v1");
      let works = false;
      const late = setTimeout(() => socket.close(), FIRST_LOOK);
      socket.onopen = () => socket.send('{"type":"ping"}');
      socket.onmessage = () => {
        works = true;
        socket.close();
      };
      socket.onclose = () => {
        clearTimeout(late);
        if (ended.signal.aborted) return;
        works ? back() : lookAround(Math.min(LAST_LOOK, after * 2));
      };
    }, after);
  };
  lookAround(FIRST_LOOK);
  wire.onopen?.();
};
