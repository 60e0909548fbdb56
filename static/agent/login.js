// The log-in. The form is sent by this script alone: no other site's page can send it.
const form = document.getElementById("login");
const trouble = document.getElementById("trouble");

form.onsubmit = async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  const button = form.querySelector("button");
  button.disabled = true;
  const { login, password } = form.elements;
  const body = JSON.stringify({ login: login.value, password: password.value });
  const headers = { "Content-Type": "application/json", "X-Purser-Console": "1" };
  const answer = await fetch("/agent/login", { method: "POST", headers, body }).catch(() => ({ status: 0 }));
  button.disabled = false;
  if (answer.status === 204) return location.reload();
  if (answer.status === 429) {
    const wait = answer.headers.get("retry-after");
    trouble.textContent = `Too many attempts. Please try again in ${wait ? `${wait} seconds` : "a minute"}.`;
  } else if (answer.status === 401) {
    trouble.textContent = "The login or the password is wrong.";
    password.select();
  } else trouble.textContent = "The server cannot be reached. Please try again.";
};
