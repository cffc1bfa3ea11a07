// Files dropped on the form are chosen; while they are sent, a bar shows how far they are.
// Without this script the form works as forms do.

const form = document.getElementById("import");
const chosen = document.getElementById("files");
const drop = form.querySelector(".drop");
const sending = document.getElementById("sending");
const sent = document.getElementById("sent");
const problem = document.getElementById("problem");
const button = form.querySelector("button");

for (const type of ["dragenter", "dragover"]) {
  form.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.add("over-it");
  });
}
form.addEventListener("dragleave", () => drop.classList.remove("over-it"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over-it");
  chosen.files = event.dataTransfer.files;
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const size = [...chosen.files].reduce((sum, file) => sum + file.size, 0);
  if (size > form.dataset.most * 1e6) {
    return tell(`Together they are larger than ${form.dataset.most} MB: send them in parts.`);
  }
  send();
});

function send() {
  const request = new XMLHttpRequest(); // fetch does not say how much was sent
  request.open("POST", location.pathname);
  request.setRequestHeader("Accept", "application/json");
  request.upload.onprogress = ({ loaded, total }) => {
    sent.value = (100 * loaded) / total;
  };
  request.onerror = () => tell("The connection broke off. Send them again: none is added twice.");
  request.onload = () => {
    if (request.status < 400) return location.assign(request.responseURL);
    tell(`${detail(request)}.`);
  };
  problem.hidden = true;
  sending.hidden = false;
  button.disabled = true;
  request.send(new FormData(form));
}

function detail(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `The server answered ${request.status}`;
  }
}

function tell(text) {
  problem.textContent = text;
  problem.hidden = false;
  sending.hidden = true;
  button.disabled = false;
}
