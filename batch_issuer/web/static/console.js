// What pages gain where scripts run: numbers and times as the reader writes them. Nothing depends on it.
"use strict";
(() => {
  const numbers = new Intl.NumberFormat(navigator.languages);
  const times = new Intl.DateTimeFormat(navigator.languages, { dateStyle: "medium", timeStyle: "short" });

  function localise(root) {
    for (const data of root.querySelectorAll("data.number")) {
      data.textContent = numbers.format(Number(data.value));
    }
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) {
        time.textContent = times.format(at);
        time.title = time.dateTime;
      }
    }
  }

  document.addEventListener("DOMContentLoaded", () => localise(document));
  document.addEventListener("htmx:load", (event) => localise(event.detail.elt.parentElement || document));
  // A press of a button counts once: the form is on its way.
  // Where a part of the page is replaced, its own answer renews the button.
  document.addEventListener("submit", (event) => {
    if (event.target.hasAttribute("hx-post")) return;
    for (const button of event.target.querySelectorAll("button[type=submit]")) {
      setTimeout(() => { button.disabled = true; }, 0);
    }
  });
  // Who works with the keyboard stays where they were when the part around them is replaced.
  // Each answer has its own: that of one may be settled after the next has come.
  const held = new WeakMap();
  document.addEventListener("htmx:beforeSwap", (event) => {
    const active = document.activeElement;
    if (event.detail.xhr && active && active !== document.body && event.detail.target.contains(active)) {
      held.set(event.detail.xhr, [active.id, active.dataset.focusNext]);
    }
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const ids = (event.detail.xhr && held.get(event.detail.xhr)) || [];
    if (ids.length && document.activeElement === document.body) {
      const next = ids.map((id) => id && document.getElementById(id)).find(Boolean);
      if (next) next.focus();
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      for (const button of document.querySelectorAll("button[type=submit]")) button.disabled = false;
    }
  });
})();
