// Keeps the clients, the sync and the list of who joined and left up to date. The rest waits for whoever types in it.
"use strict";

// replace puts the news where they belong and leaves alone what is the same, so that a button keeps the focus.
function replace(here, there) {
  const old = [...here.children], now = [...there.children];
  const same = old.length === now.length && old.every((e, i) => e.tagName === now[i].tagName);
  if (!same) {
    const focused = here.contains(document.activeElement);
    here.replaceChildren(...document.importNode(there, true).childNodes);
    if (focused) here.querySelector("button:enabled")?.focus();
    return;
  }
  old.forEach((e, i) => {
    if (e.isEqualNode(now[i])) return;
    if (e.tagName === "PROGRESS") e.value = now[i].value;
    else if (e.contains(document.activeElement)) replace(e, now[i]);
    else e.replaceWith(document.importNode(now[i], true));
  });
}

const syncs = () => !!document.querySelector("#sync progress");
let did = syncs();

async function news() {
  if (!document.hidden) {
    try {
      const res = await fetch(document.getElementById("sync").dataset.news);
      const next = res.ok && new DOMParser().parseFromString(await res.text(), "text/html");
      for (const id of next ? ["client-list", "sync", "events"] : []) replace(document.getElementById(id), next.getElementById(id));
      // The counts change all the time: only the beginning and the end are read out.
      if (did !== syncs()) document.getElementById("news-said").textContent = syncs() ? "The sync is going on" : "The sync has ended";
      did = syncs();
    } catch { /* the program does not answer: leave what is there */ }
  }
  setTimeout(news, syncs() ? 400 : 1500);
}
setTimeout(news, 400);
