// The worker that streams downloads: it answers one address, made up by the page and good once, with what the page gives it
// chunk by chunk. It keeps nothing, fetches nothing, and every other request goes to the server as if it were not there.
"use strict";

const offered = new Map();

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("message", event => {
  const message = event.data;
  if (message.kind === "forget") offered.delete(message.id);
  if (message.kind !== "file") return;
  offered.set(message.id, {name: message.name, size: message.size, port: event.ports[0]});
  setTimeout(() => offered.delete(message.id), 60000);
  event.ports[0].postMessage("ready");
});

self.addEventListener("fetch", event => {
  const id = new URL(event.request.url).pathname.split("/").pop();
  const file = offered.get(id);
  if (!file || event.request.method !== "GET") return;
  offered.delete(id);
  event.respondWith(new Response(stream(file.port), {
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Length": String(file.size),
      "Content-Disposition": disposition(file.name),
      "Content-Security-Policy": "default-src 'none'; sandbox",
      "X-Content-Type-Options": "nosniff",
      "Cross-Origin-Resource-Policy": "same-origin",
      "Cache-Control": "no-store",
    },
  }));
});

// stream asks the page for a chunk whenever the browser has room for one.
function stream(port) {
  let controller, resolve;
  port.onmessage = event => {
    if (event.data === "end") {
      controller.close();
      port.postMessage("done");
    } else if (event.data === "fail") {
      controller.error(new Error("the download failed"));
    } else if (event.data.length > 0) {
      controller.enqueue(event.data);
    } else {
      port.postMessage("pull"); // an empty chunk is no answer to a pull
      return;
    }
    resolve();
  };
  return new ReadableStream({
    start(c) {
      controller = c;
    },
    pull() {
      return new Promise(done => {
        resolve = done;
        port.postMessage("pull");
      });
    },
    cancel() {
      port.postMessage("cancel");
    },
  }, {highWaterMark: 0});
}

// disposition names the file for old and new browsers (RFC 6266).
function disposition(name) {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const full = encodeURIComponent(name).replace(/['()*]/g, c => "%" + c.charCodeAt(0).toString(16).toUpperCase());
  return 'attachment; filename="' + plain + '"; filename*=UTF-8\'\'' + full;
}
