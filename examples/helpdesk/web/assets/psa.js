// Keeps the outbox on the page about the ticket system up to date. The rest waits for whoever types in it.
"use strict";

async function news() {
  const box = document.getElementById("outbox"), said = document.getElementById("outbox-news");
  if (!document.hidden && !box.contains(document.activeElement)) {
    try {
      const res = await fetch(box.dataset.news);
      const next = res.ok && new DOMParser().parseFromString(await res.text(), "text/html").getElementById("outbox");
      if (next && next.innerHTML !== box.innerHTML && !box.contains(document.activeElement)) {
        box.replaceChildren(...document.importNode(next, true).childNodes);
        // How long a note has waited changes every second: only what is waiting is read out.
        const text = [...box.querySelectorAll("h3, .empty")].map((e) => e.textContent).join(", ");
        if (said.textContent !== text) said.textContent = text;
      }
    } catch { /* the program does not answer: leave what is there */ }
  }
  setTimeout(news, 1500);
}
setTimeout(news, 1500);
