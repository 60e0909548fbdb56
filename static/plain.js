const log = document.getElementById("log"), text = document.getElementById("text");
const line = (who) => { const p = log.appendChild(document.createElement("div")); p.className = who; return p; };
const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws/chat/");
socket.onmessage = (frame) => { line("bot").innerHTML = JSON.parse(frame.data).message; log.scrollTop = log.scrollHeight; };
document.getElementById("form").onsubmit = (event) => {
  event.preventDefault();
  line("you").textContent = text.value;
  socket.send(JSON.stringify({ message: text.value }));
  text.value = "";
};
