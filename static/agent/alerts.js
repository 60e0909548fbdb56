// Calls the agent: a number in the title, a sound, a notification of the browser; again and again until it is seen.

const REPEAT = 15_000;

export const alertsOf = (name) => {
  let pending = new Set();
  let quiet = localStorage["purser quiet"] === "1";
  let sound, timer;

  const ring = () => {
    if (quiet) return;
    try {
      sound ||= new AudioContext();
      if (sound.state === "suspended") sound.resume();
      for (const [at, pitch] of [[0, 660], [0.18, 880]]) {
        const [tone, volume] = [sound.createOscillator(), sound.createGain()];
        const start = sound.currentTime + at;
        tone.frequency.value = pitch;
        volume.gain.setValueAtTime(0.001, start);
        volume.gain.exponentialRampToValueAtTime(0.18, start + 0.02);
        volume.gain.exponentialRampToValueAtTime(0.001, start + 0.28);
        tone.connect(volume).connect(sound.destination);
        tone.start(start);
        tone.stop(start + 0.3);
      }
    } catch {}
  };
  const notify = () => {
    if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
    const body = pending.size === 1 ? "A customer waits for an answer." : `${pending.size} customers wait for an answer.`;
    const note = new Notification("purser", { body, tag: "purser", renotify: true });
    note.onclick = () => {
      window.focus();
      note.close();
    };
  };
  const call = () => {
    clearTimeout(timer);
    if (!pending.size) return;
    ring();
    notify();
    timer = setTimeout(call, REPEAT);
  };

  return {
    // What waits to be seen now: `before` is called again only if something new is among it.
    show(keys) {
      const fresh = [...keys].some((key) => !pending.has(key));
      pending = new Set(keys);
      document.title = (pending.size ? `(${pending.size}) ` : "") + name;
      if (!pending.size) clearTimeout(timer);
      else if (fresh) call();
    },
    get quiet() {
      return quiet;
    },
    toggle() {
      quiet = !quiet;
      localStorage["purser quiet"] = quiet ? "1" : "";
      if (!quiet) ring();
      return quiet;
    },
    // Browsers only let a click ask for it.
    permit() {
      if ("Notification" in window && Notification.permission === "default") Notification.requestPermission();
    },
  };
};
