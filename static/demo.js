// The demo shop talks to the chat like any host page would: over window.purser, loaded or not yet.
const chat = (call) => (window.purser ||= []).push(call);
for (const button of document.querySelectorAll("[data-say]")) {
  button.addEventListener("click", () => chat((purser) => purser.say(button.dataset.say)));
}
document.getElementById("track").addEventListener("submit", (event) => {
  event.preventDefault();
  const { question } = event.currentTarget.dataset;
  const number = event.currentTarget.elements.number.value.trim();
  chat((purser) => purser.say(`${question} ${number}?`));
});
