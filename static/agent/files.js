// Pictures and documents in the console: shown in messages, and sent to the customer.
import { h } from "./nodes.js";
import { hex, upload } from "./net.js";

const TAKEN = "image/jpeg,image/png,image/webp,application/pdf";
const sizeOf = (bytes) => (bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`);

// What is attached to a message. A picture opens large in a tab of its own, anything else is saved.
export const attached = (files) => h("div", { class: "files" }, ...files.map(({ id, name, type, bytes, width, height }) => {
  const href = "/agent/attachments/" + id;
  if (!/^image\//.test(type)) return h("a", { href, download: name, class: "file" }, h("bdi", {}, name), ` (${sizeOf(bytes)})`);
  return h("a", { href, target: "_blank", rel: "noopener", title: name }, h("img", { src: href, alt: name, width, height, loading: "lazy" }));
}));

// The button that sends files, and pasting and dropping them. `reply(ids)` says them, and tells whether that is done.
export const filesOf = ({ element, field, may, reply, tell, trouble }) => {
  const send = async (list) => {
    if (!list.length || !may()) return;
    // Said once each, where they were sent from, whatever is opened meanwhile.
    const say = reply();
    for (const file of list) {
      tell(`Sending ${file.name}…`);
      try {
        const { id } = await upload(file, hex(16));
        await say([id]);
      } catch ({ message }) {
        trouble(`${file.name}: ${message}`);
      }
    }
    tell("");
  };
  const input = h("input", { type: "file", accept: TAKEN, multiple: "", hidden: "", onchange: () => {
    send([...input.files]);
    input.value = "";
  } });
  field.addEventListener("paste", (event) => {
    const list = [...event.clipboardData.files];
    if (!list.length) return;
    event.preventDefault();
    send(list);
  });
  element.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
  element.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    send([...event.dataTransfer.files]);
  });
  return [h("button", { type: "button", class: "attach", title: "Send pictures or PDFs to the customer", onclick: () => input.click() }, "Attach…"), input];
};
