// Keeps the channel, the state of the feed and the messages up to date; forms wait for whoever types in them.
"use strict";

async function news() {
  if (!document.hidden) {
    try {
      const res = await fetch(document.getElementById("messages").dataset.news);
      const next = res.ok && new DOMParser().parseFromString(await res.text(), "text/html");
      for (const here of next ? document.querySelectorAll("[data-part]") : []) {
        const there = next.getElementById(here.id);
        if (there && !here.isEqualNode(there)) here.replaceChildren(...document.importNode(there, true).childNodes);
      }
    } catch { /* the program does not answer: leave what is there */ }
  }
  setTimeout(news, 1200);
}
setTimeout(news, 600);
