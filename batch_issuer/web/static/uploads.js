// Bringing a file: dropping it, and seeing how far it is. Without scripts the form does the same, unseen.
"use strict";
(() => {
  const form = document.querySelector("form.upload");
  if (!form) return;
  const file = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const shown = form.querySelector(".upload-progress");
  const bar = form.querySelector("progress");
  const told = form.querySelector(".upload-told");
  const button = form.querySelector("button[type=submit]");
  const problem = document.getElementById("upload-problem");
  const numbers = new Intl.NumberFormat(navigator.languages);
  let request = null;

  for (const hint of form.querySelectorAll(".when-scripted")) hint.hidden = false;

  function say(title, text) {
    const alert = document.createElement("div");
    alert.className = "alert bad";
    alert.setAttribute("role", "alert");
    for (const [words, kind] of [[title, "strong"], [text, ""]]) {
      const line = document.createElement("p");
      line.className = kind;
      line.textContent = words;
      alert.append(line);
    }
    problem.replaceChildren(alert);
    alert.scrollIntoView({ block: "nearest" });
  }

  function rest() {
    request = null;
    shown.hidden = true;
    button.disabled = false;
  }

  function ended() {
    const next = request.getResponseHeader("HX-Redirect");
    if (request.status === 200 && next) {
      location.assign(next);
      return;
    }
    const answer = request.responseText;
    const isPart = (request.getResponseHeader("Content-Type") || "").startsWith("text/html") && answer;
    rest();
    if (isPart) problem.innerHTML = answer; // escaped by the console, like every page
    else say("The file was not taken.", "The console gave no answer; try again.");
  }

  function begin() {
    const chosen = file.files[0];
    problem.replaceChildren();
    if (!chosen) return;
    if (chosen.size > Number(form.dataset.most)) {
      say("The file is too large.", `It has ${numbers.format(chosen.size)} bytes, and ${numbers.format(Number(form.dataset.most))} are taken at most: split it.`);
      return;
    }
    request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    let last = -1;
    request.upload.addEventListener("progress", (event) => {
      const percent = event.lengthComputable ? Math.floor((100 * event.loaded) / event.total) : 0;
      bar.value = percent;
      if (percent >= 100) told.textContent = "Looking at the file …";
      else if (Math.floor(percent / 10) !== last) told.textContent = `${percent} %`; // not too talkative
      last = Math.floor(percent / 10);
    });
    request.addEventListener("load", ended);
    request.addEventListener("abort", () => { rest(); told.textContent = ""; });
    request.addEventListener("error", () => {
      rest();
      say("The file was not taken.", "The connection broke off, or the console refused the file. Nothing of it was kept: try again.");
    });
    form.querySelector(".upload-name").textContent = chosen.name;
    bar.value = 0;
    shown.hidden = false;
    request.send(new FormData(form)); // read before the button is disabled
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!request) begin();
    setTimeout(() => { button.disabled = request !== null; }, 1); // behind what every page does
  });
  form.querySelector(".upload-cancel").addEventListener("click", () => request && request.abort());
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length || request) return;
    file.files = event.dataTransfer.files;
    form.requestSubmit();
  });
  window.addEventListener("pageshow", rest);
})();
