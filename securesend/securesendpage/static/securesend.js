// What the pages of securesend do in the browser: seal, open, upload, download. It is the twin of the Go envelope and uses
// nothing but what testdata/browser-allow.txt lists. Nothing is written into the page as HTML; texts come from the page.
//
// What is kept where: the fragment stays in the address until the send is burnt here, so that a reload, Back and "open in
// another browser" of a mail program work. The claim stays in sessionStorage of this tab. Keys and content are kept in
// memory alone, and go with the page.
(() => {
  "use strict";

  // The numbers of the format.
  const CHUNK = 1048576, TAG = 16, PART_CHUNKS = 8, KEY = 32, SALT = 16, POINT = 65, ROUNDS = 600000;
  const MAX_FILE = 1099511627776, MAX_MANIFEST = 1048576, MAX_FILES = 1000;
  const FLAG_PASSPHRASE = 1, FLAG_REQUEST = 2, FLAG_HELD = 4;

  // The numbers of the page.
  const RANGE = 4; // chunks that are fetched and kept at once
  const BUFFER_MAX = 209715200; // the largest file that is saved without the worker
  const READ_TIME = 10; // seconds for which a text must have been seen before it counts as received
  const DELAYS = [1, 2, 4, 8, 15, 30, 30]; // seconds between tries of an upload or download

  const utf8 = new TextEncoder();

  // Fault is an error that the page can name.
  class Fault extends Error {
    constructor(code, more) {
      super(code);
      this.code = code;
      Object.assign(this, more);
    }
  }

  // ---- Bytes ----

  function concat(...parts) {
    const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const p of parts) {
      out.set(p, at);
      at += p.length;
    }
    return out;
  }

  function equal(a, b) {
    let differs = a.length ^ b.length;
    for (let i = 0; i < a.length; i++) differs |= a[i] ^ b[i];
    return differs === 0;
  }

  function toBase64url(bytes) {
    let s = "";
    for (let i = 0; i < bytes.length; i += 32768) s += String.fromCharCode.apply(null, bytes.subarray(i, i + 32768));
    return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  // There is one way to write bytes; everything else is null.
  function fromBase64url(s) {
    if (typeof s !== "string" || !/^[A-Za-z0-9_-]*$/.test(s) || s.length % 4 === 1) return null;
    const text = atob(s.replace(/-/g, "+").replace(/_/g, "/"));
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return toBase64url(out) === s ? out : null;
  }

  const random = n => crypto.getRandomValues(new Uint8Array(n));
  const sha256 = async bytes => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

  // ---- Envelope ----

  // derive is HKDF-SHA-256 without salt.
  async function derive(secret, label) {
    const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
    return new Uint8Array(await crypto.subtle.deriveBits({name: "HKDF", hash: "SHA-256", salt: new Uint8Array(KEY), info: utf8.encode(label)}, key, 8 * KEY));
  }

  const auth = fragment => derive(fragment, "securesend/v1/auth");
  const heldFragment = secret => derive(secret, "securesend/v1/held");
  const passAuth = (pass, fragment) => derive(concat(pass, fragment), "securesend/v1/passphrase");
  const sendKey = (fragment, half, pass) => derive(concat(fragment, half, pass || new Uint8Array(0)), "securesend/v1/data");

  async function passKey(phrase, salt) {
    const key = await crypto.subtle.importKey("raw", utf8.encode(phrase), "PBKDF2", false, ["deriveBits"]);
    return new Uint8Array(await crypto.subtle.deriveBits({name: "PBKDF2", hash: "SHA-256", salt, iterations: ROUNDS}, key, 8 * KEY));
  }

  // requestKey returns the data key for the request's public key, from a pair of the sealer's.
  async function requestKey(pair, point) {
    const other = await crypto.subtle.importKey("raw", point, {name: "ECDH", namedCurve: "P-256"}, true, []);
    const shared = new Uint8Array(await crypto.subtle.deriveBits({name: "ECDH", public: other}, pair.privateKey, 8 * KEY));
    const ephemeral = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    return {key: await derive(concat(shared, ephemeral, point), "securesend/v1/request"), ephemeral};
  }

  const newPair = () => crypto.subtle.generateKey({name: "ECDH", namedCurve: "P-256"}, false, ["deriveBits"]);

  function headerBytes(h) {
    const flags = (h.salt ? FLAG_PASSPHRASE : 0) | (h.ephemeral ? FLAG_REQUEST : 0) | (h.held ? FLAG_HELD : 0);
    return concat(Uint8Array.of(1, flags, 20), h.salt || new Uint8Array(0), h.ephemeral || new Uint8Array(0));
  }

  // parseHeader reads what headerBytes wrote, or fails. That the key is a point of the curve is found when it is imported.
  async function parseHeader(b) {
    const flags = b[1], passphrase = (flags & FLAG_PASSPHRASE) !== 0, request = (flags & FLAG_REQUEST) !== 0, held = (flags & FLAG_HELD) !== 0;
    const length = 3 + (passphrase ? SALT : 0) + (request ? POINT : 0);
    if (b.length < 3 || b[0] !== 1 || b[2] !== 20 || flags > 7 || b.length !== length || request && (passphrase || held)) throw new Fault("altered");
    if (request) {
      try {
        if (b[3] !== 4) throw new Fault("altered");
        await crypto.subtle.importKey("raw", b.slice(3), {name: "ECDH", namedCurve: "P-256"}, true, []);
      } catch (e) {
        throw new Fault("altered");
      }
    }
    return {passphrase, held, request, salt: passphrase ? b.slice(3, 3 + SALT) : null, ephemeral: request ? b.slice(3) : null};
  }

  const aead = async (dataKey, label) => crypto.subtle.importKey("raw", await derive(dataKey, label), "AES-GCM", false, ["encrypt", "decrypt"]);
  const associated = (label, context, header) => concat(utf8.encode(label), new Uint8Array(1), context, header);

  async function seal(key, nonce, aad, plain) {
    return new Uint8Array(await crypto.subtle.encrypt({name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 8 * TAG}, key, plain));
  }

  async function unseal(key, nonce, aad, sealed) {
    try {
      return new Uint8Array(await crypto.subtle.decrypt({name: "AES-GCM", iv: nonce, additionalData: aad, tagLength: 8 * TAG}, key, sealed));
    } catch (e) {
      throw new Fault("altered");
    }
  }

  const chunks = size => Math.max(1, Math.ceil(size / CHUNK));
  const parts = size => Math.ceil(chunks(size) / PART_CHUNKS);
  const sealedSize = size => size + chunks(size) * TAG;

  function chunkNonce(k, last) {
    const nonce = new Uint8Array(12), view = new DataView(nonce.buffer);
    view.setUint32(3, Math.floor(k / 4294967296));
    view.setUint32(7, k % 4294967296);
    nonce[11] = last ? 1 : 0;
    return nonce;
  }

  // fileCipher seals and opens the chunks of one file of a known size.
  async function fileCipher(dataKey, context, header, file, size) {
    const key = await aead(dataKey, "securesend/v1/file/" + file), aad = associated("file", context, header), n = chunks(size);
    const plainSize = k => Math.min(CHUNK, size - k * CHUNK);
    return {
      plainSize,
      seal(k, plain) {
        if (k < 0 || k >= n || plain.length !== plainSize(k)) throw new Fault("changed");
        return seal(key, chunkNonce(k, k === n - 1), aad, plain);
      },
      open(k, sealed) {
        if (k < 0 || k >= n || sealed.length !== plainSize(k) + TAG) throw new Fault("altered");
        return unseal(key, chunkNonce(k, k === n - 1), aad, sealed);
      },
    };
  }

  async function sealManifest(dataKey, context, header, manifest) {
    const plain = utf8.encode(manifestJSON(manifest));
    if (plain.length > MAX_MANIFEST) throw new Fault("too_large");
    return seal(await aead(dataKey, "securesend/v1/manifest"), new Uint8Array(12), associated("manifest", context, header), plain);
  }

  async function openManifest(dataKey, context, header, sealed) {
    if (sealed.length > MAX_MANIFEST + TAG) throw new Fault("altered");
    return parseManifest(await unseal(await aead(dataKey, "securesend/v1/manifest"), new Uint8Array(12), associated("manifest", context, header), sealed));
  }

  function manifestJSON(m) {
    const out = {};
    if (m.text) out.text = m.text.replace(/\p{Surrogate}/gu, "\ufffd");
    if (m.files.length > 0) out.files = cleanFiles(m.files);
    return JSON.stringify(out);
  }

  // parseManifest trusts nobody: whoever has the link may have written it.
  function parseManifest(plain) {
    let m;
    try {
      m = JSON.parse(new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(plain));
    } catch (e) {
      throw new Fault("altered");
    }
    if (typeof m !== "object" || m === null) throw new Fault("altered");
    const text = m.text || "", files = m.files || [];
    const whole = f => typeof f === "object" && f !== null && typeof f.name === "string" && Number.isInteger(f.size) && f.size >= 0 && f.size <= MAX_FILE;
    if (typeof text !== "string" || !Array.isArray(files) || files.length > MAX_FILES || !files.every(whole) || text === "" && files.length === 0) throw new Fault("altered");
    return {text, files: cleanFiles(files)};
  }

  // ---- Names of files, as securesend.CleanName and Manifest.Clean make them ----

  const byteLength = s => utf8.encode(s).length;
  const trim = s => s.replace(/^[. ]+/, "").replace(/[. ]+$/, "");

  function lookAlike(c) {
    const r = c.codePointAt(0);
    if (r >= 0xff01 && r <= 0xff5e) return String.fromCodePoint(r - 0xfee0);
    if ("\u2024\u3002\ufe52\uff61".includes(c)) return ".";
    if ("\u2044\u2215\u29f8".includes(c)) return "/";
    if ("\u2236\ua789\ufe13\ufe55".includes(c)) return ":";
    return c === "\ufe6b" ? "@" : c;
  }

  function line(s, limit) {
    let out = "", marks = 0;
    for (let c of s) {
      c = lookAlike(c);
      if (/[\p{White_Space}]/u.test(c)) {
        out += " ";
        marks = 0;
        continue;
      }
      if (c === "\ufffd" || /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\u034f\u2800]/u.test(c)) continue;
      if (/\p{M}/u.test(c)) {
        if (++marks > 3) continue;
      } else marks = 0;
      out += c;
    }
    out = out.replace(/=\?/g, "= ?").split(" ").filter(w => w !== "").join(" ");
    const points = Array.from(out);
    return points.length <= limit ? out : points.slice(0, limit - 1).join("").replace(/[ @.:/=?]+$/, "") + "\u2026";
  }

  const reserved = s => /^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])$/.test(s.split(".")[0].replace(/ +$/, "").toUpperCase());

  // fit returns s with mark before its extension, shortened before it where that is too long.
  function fit(s, mark) {
    const dot = s.lastIndexOf(".");
    let stem = s, ext = "";
    if (dot > 0 && byteLength(s.slice(dot)) <= 20) [stem, ext] = [s.slice(0, dot), s.slice(dot)];
    const room = 120 - byteLength(mark) - byteLength(ext);
    if (byteLength(stem) > room) {
      const points = Array.from(stem);
      let n = 0, used = 0;
      while (used + byteLength(points[n]) <= room) used += byteLength(points[n++]);
      stem = points.slice(0, n).join("").replace(/[. ]+$/, "");
    }
    return stem + mark + ext;
  }

  function cleanName(s) {
    s = s.slice(Math.max(s.lastIndexOf("/"), s.lastIndexOf("\\")) + 1);
    const b = utf8.encode(s);
    if (b.length > 1024) s = new TextDecoder().decode(concat(b.subarray(0, 512), b.subarray(b.length - 512)));
    s = trim(line(s, 1024).replace(/[<>:"|?*/\\]/g, "_"));
    if (reserved(s)) s = "_" + s;
    return fit(s, "") || "file";
  }

  function cleanFiles(files) {
    const fold = s => Array.from(s, c => String.fromCodePoint(c.toLowerCase().codePointAt(0))).join("");
    const taken = new Set(), numbers = new Map();
    return files.map(f => {
      let name = cleanName(f.name);
      const clean = name, first = fold(name);
      for (let n = Math.max(2, numbers.get(first) || 0); taken.has(fold(name)); n++) {
        name = fit(clean, " (" + n + ")");
        numbers.set(first, n + 1);
      }
      taken.add(fold(name));
      return {name, size: f.size};
    });
  }

  // ---- The service ----

  const wait = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

  // online waits for a while, or until the browser says that it has a connection again.
  const online = seconds => new Promise(done => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      done();
    };
    const timer = setTimeout(go, 1000 * seconds);
    addEventListener("online", go);
  });

  const app = document.getElementById("app");
  const path = app ? app.dataset.api : "";
  const again = e => e.code === "offline" || e.code === "unavailable" || e.code === "limited";

  function fault(status, text) {
    let e = {};
    try {
      e = JSON.parse(text);
    } catch (ignored) {
      // an answer of something before the service, such as a proxy
    }
    if (typeof e !== "object" || e === null || typeof e.error !== "string") e = {error: status === 404 ? "not_found" : status === 413 ? "too_large" : "unavailable"};
    return new Fault(e.error, {triesLeft: e.triesLeft, passphraseTriesLeft: e.passphraseTriesLeft, retryAfter: e.retryAfter, limit: e.limit});
  }

  async function post(verb, body, raw) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), raw ? 600000 : 60000);
    try {
      const answer = await fetch(path + "/" + verb, {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
        cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", signal: stop.signal,
      });
      if (!answer.ok) throw fault(answer.status, await answer.text());
      if (raw) return new Uint8Array(await answer.arrayBuffer());
      return JSON.parse(await answer.text());
    } catch (e) {
      throw e instanceof Fault ? e : new Fault("offline");
    } finally {
      clearTimeout(timer);
    }
  }

  // persist repeats what may be repeated until it is answered. say is told that it goes on; the last failure is thrown.
  async function persist(say, f) {
    for (let i = 0; ; i++) {
      try {
        const out = await f(i);
        if (i > 0) say(false);
        return out;
      } catch (e) {
        if (!again(e) || i >= DELAYS.length) throw e;
        say(true);
        await online(Math.min(60, Math.max(DELAYS[i], e.retryAfter || 0)));
      }
    }
  }

  // sendPart uses XMLHttpRequest, which alone tells how much has been sent.
  function sendPart(upload, file, n, sealed, progress) {
    return new Promise((done, fail) => {
      const x = new XMLHttpRequest();
      x.open("POST", path + "/part/" + file + "/" + n);
      x.setRequestHeader("Content-Type", "application/octet-stream");
      x.setRequestHeader("Mspkit-Upload", upload);
      x.timeout = 600000;
      x.upload.onprogress = e => progress(e.loaded);
      x.onload = () => x.status >= 200 && x.status < 300 ? done() : fail(fault(x.status, x.responseText));
      x.onerror = x.ontimeout = x.onabort = () => fail(new Fault("offline"));
      x.send(sealed);
    });
  }

  // ---- Sealing and uploading ----

  async function sealPart(cipher, file, part) {
    const out = [];
    for (let k = part * PART_CHUNKS; k < Math.min((part + 1) * PART_CHUNKS, chunks(file.size)); k++) {
      let plain;
      try {
        plain = new Uint8Array(await file.slice(k * CHUNK, k * CHUNK + cipher.plainSize(k)).arrayBuffer());
      } catch (e) {
        throw new Fault("unreadable", {file: file.name});
      }
      if (plain.length !== cipher.plainSize(k)) throw new Fault("changed", {file: file.name});
      out.push(await cipher.seal(k, plain));
    }
    return concat(...out);
  }

  // uploadFiles seals part by part. A part is sealed once, and the same bytes are sent again after a dropped connection.
  // paused is called where tries are used up, and goes on when what it returned does.
  async function uploadFiles({upload, dataKey, context, header, files, progress, say, paused}) {
    const arrived = async () => (await post("parts", {upload})).files || [];
    const before = files.length > 0 ? await persist(say, arrived) : []; // of another attempt, with other keys: worthless
    const total = files.reduce((n, f) => n + sealedSize(f.size), 0);
    let sent = 0;
    for (let i = 0; i < files.length; i++) {
      const cipher = await fileCipher(dataKey, context, header, i, files[i].size);
      for (let n = 0; n < parts(files[i].size); n++) {
        const sealed = await sealPart(cipher, files[i], n);
        const old = (before[i] || []).includes(n);
        for (let ok = false; !ok;) {
          try {
            await persist(say, async attempt => {
              if (attempt > 0 && !old && ((await arrived())[i] || []).includes(n)) return; // the answer alone was lost
              await sendPart(upload, i, n, sealed, loaded => progress((sent + Math.min(loaded, sealed.length)) / total));
            });
            ok = true;
          } catch (e) {
            if (!again(e)) throw e;
            await paused();
          }
        }
        sent += sealed.length;
        progress(sent / total);
      }
    }
  }

  // ---- Opening and saving ----

  // fileReader returns a function that gives the next opened chunk, or null after the last. It keeps RANGE chunks.
  async function fileReader(opened, file, say) {
    const size = opened.files[file].size, n = chunks(size);
    const cipher = await fileCipher(opened.dataKey, opened.context, opened.header, file, size);
    let k = 0, range = new Uint8Array(0), at = 0;
    return async () => {
      if (k === n) return null;
      if (at === range.length) {
        const to = Math.min(k + RANGE, n);
        range = await persist(say, () => post("chunks", {auth: opened.auth, claim: opened.claim, file, from: k, to}, true));
        at = 0;
        let want = 0;
        for (let i = k; i < to; i++) want += cipher.plainSize(i) + TAG;
        if (range.length !== want) throw new Fault("altered");
      }
      const end = at + cipher.plainSize(k) + TAG;
      const plain = await cipher.open(k, range.subarray(at, end));
      at = end;
      k++;
      return plain;
    };
  }

  // worker returns the service worker that streams downloads, or null where there is none.
  let workerReady;
  function worker(app) {
    if (!workerReady) workerReady = startWorker(app).catch(() => null);
    return workerReady;
  }

  async function startWorker(app) {
    if (!navigator.serviceWorker || !self.isSecureContext) return null;
    const registration = await navigator.serviceWorker.register(app.dataset.worker, {scope: app.dataset.downloads});
    const it = registration.active || registration.waiting || registration.installing;
    const active = new Promise(done => {
      const look = () => registration.active && done(registration.active);
      it.addEventListener("statechange", look);
      look();
    });
    return Promise.race([active, wait(10).then(() => null)]);
  }

  // saveByWorker hands the chunks that next gives to the worker, one for each that it asks for. It returns false where the
  // browser did not ask the worker at all; then nothing was read.
  function saveByWorker(app, it, name, size, next) {
    return new Promise((done, fail) => {
      const id = toBase64url(random(16)), channel = new MessageChannel(), port = channel.port1;
      let begun = false;
      const end = f => {
        clearInterval(alive);
        clearTimeout(patience);
        port.onmessage = null;
        f();
        setTimeout(() => port.close(), 1000);
      };
      const alive = setInterval(() => it.postMessage({kind: "alive"}), 5000); // a worker without events is stopped
      const patience = setTimeout(() => {
        if (begun) return;
        it.postMessage({kind: "forget", id});
        end(() => done(false));
      }, 8000);
      port.onmessage = async e => {
        if (e.data === "ready") {
          location.assign(app.dataset.downloads + id); // is answered with an attachment, so that this page stays
        } else if (e.data === "cancel") {
          end(() => fail(new Fault("cancelled")));
        } else if (e.data === "pull") {
          begun = true;
          try {
            const chunk = await next();
            if (chunk) port.postMessage(chunk, [chunk.buffer]);
            else port.postMessage("end");
          } catch (error) {
            port.postMessage("fail");
            end(() => fail(error));
          }
        } else if (e.data === "done") {
          end(() => done(true));
        }
      };
      it.postMessage({kind: "file", id, name, size}, [channel.port2]);
    });
  }

  // gather returns all that next gives in one piece.
  async function gather(next) {
    const blobs = []; // each of its own, so that the browser may put it on disk
    for (let chunk = await next(); chunk; chunk = await next()) blobs.push(new Blob([chunk]));
    return new Blob(blobs, {type: "application/octet-stream"});
  }

  // hand gives a file to the browser to be saved.
  function hand(name, blob) {
    const url = URL.createObjectURL(blob);
    const a = document.createElement("a");
    a.href = url;
    a.download = name;
    document.body.append(a);
    a.click();
    a.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  // ---- Words ----

  let words = {};

  function text(key, values) {
    return (words[key] || key).replace(/\{([a-z_]+)\}/g, (all, name) => values && name in values ? String(values[name]) : all);
  }

  const counted = (key, n) => n === 1 ? text(key + ".one") : text(key + ".more", {n: number(n)});

  function locale() {
    try {
      return Intl.getCanonicalLocales(document.documentElement.lang)[0];
    } catch (e) {
      return "en";
    }
  }

  const number = n => n.toLocaleString(locale());

  function sizeText(n) {
    const units = ["size.b", "size.kb", "size.mb", "size.gb", "size.tb"];
    let i = 0, v = n;
    while (v >= 1000 && i < units.length - 1) {
      v /= 1024;
      i++;
    }
    return text(units[i], {n: v.toLocaleString(locale(), {maximumFractionDigits: v < 10 && i > 0 ? 1 : 0})});
  }

  const timeText = t => new Date(t).toLocaleString(locale(), {dateStyle: "medium", timeStyle: "short"});

  function clockText(seconds) {
    const s = Math.max(0, Math.ceil(seconds));
    return Math.floor(s / 60) + ":" + String(s % 60).padStart(2, "0");
  }

  // ---- Views ----

  // show puts a view of the page in place of the one before and moves the focus there, so that it is read out.
  function show(name, fill) {
    const view = document.querySelector('template[data-view="' + name + '"]').content.cloneNode(true);
    const part = slot => view.querySelector('[data-slot="' + slot + '"]');
    if (fill) fill(part);
    const heading = view.querySelector("h1");
    app.replaceChildren(view);
    app.dataset.view = name;
    app.removeAttribute("aria-busy");
    document.title = heading.textContent + " · " + app.dataset.brand;
    heading.tabIndex = -1;
    heading.focus({preventScroll: true});
    scrollTo(0, 0);
  }

  const ended = ["acknowledged", "lapsed", "expired", "revoked"];
  const find = slot => app.querySelector('[data-slot="' + slot + '"]');
  const reveals = (e, on) => e && (e.hidden = !on);

  function say(e, message) {
    e.textContent = message;
  }

  // complain shows what is wrong with a field and moves the focus there.
  function complain(input, message) {
    const e = app.querySelector("#" + input.id + "-error");
    say(e.querySelector("span"), message);
    e.hidden = message === "";
    const ids = [input.id + "-hint"].filter(id => app.querySelector("#" + id));
    if (message !== "") ids.unshift(e.id);
    input.setAttribute("aria-describedby", ids.join(" "));
    if (message !== "") {
      input.setAttribute("aria-invalid", "true");
      input.focus();
    } else input.removeAttribute("aria-invalid");
  }

  // busy disables what must not be pressed twice while f runs.
  async function busy(form, f) {
    const buttons = Array.from(form.querySelectorAll("button"));
    const were = buttons.map(b => b.disabled);
    form.setAttribute("aria-busy", "true");
    buttons.forEach(b => { b.disabled = true; });
    try {
      return await f();
    } finally {
      form.removeAttribute("aria-busy");
      buttons.forEach((b, i) => { b.disabled = were[i]; });
    }
  }

  // fail shows the view of a failure. retry is what its button does; without it the page is loaded anew.
  function fail(e, retry) {
    const known = {
      not_found: "gone", auth: "link-wrong", ended: "ended", draft: "draft", opening: "busy", conflict: "busy", locked: "locked",
      altered: "altered", envelope: "altered", offline: "offline", unavailable: "offline", limited: "offline", region: "offline",
      link_missing: "link-missing", link_cut: "link-cut", link_wrong: "link-wrong", unsupported: "unsupported", foreign: "foreign",
      used: "used", answered: "answered",
    };
    const view = known[e.code] || "broken";
    show(document.querySelector('template[data-view="' + view + '"]') ? view : "broken", part => {
      const button = part("retry");
      if (button) button.addEventListener("click", () => retry ? retry() : location.reload());
      const before = part("before");
      if (before && e.openedBefore) {
        before.hidden = false;
        before.querySelector("span").textContent = text("before", {time: timeText(e.openedBefore)});
      }
    });
  }

  async function copy(value, from) {
    try {
      await navigator.clipboard.writeText(value);
      return true;
    } catch (e) {
      getSelection().selectAllChildren(from);
      return false;
    }
  }

  // stored keeps what must survive a reload of this tab, in memory where the browser keeps nothing.
  const memory = new Map();
  const stored = {
    get(key) {
      try {
        return sessionStorage.getItem(key) || memory.get(key) || null;
      } catch (e) {
        return memory.get(key) || null;
      }
    },
    set(key, value) {
      memory.set(key, value);
      try {
        sessionStorage.setItem(key, value);
      } catch (e) {
        // private mode of some browsers
      }
    },
    remove(key) {
      memory.delete(key);
      try {
        sessionStorage.removeItem(key);
      } catch (e) {
        // as above
      }
    },
  };

  // secretOf returns 32 random bytes of this tab for the page's token, in base64url.
  function secretOf(what) {
    const key = "securesend/" + what + "/" + token();
    if (!stored.get(key)) stored.set(key, toBase64url(random(KEY)));
    return stored.get(key);
  }

  const token = () => path.split("/").pop();

  // digits returns the decimal digits of s, of any script, as ASCII. Each script has its ten in a row, some have several rows.
  function digits(s) {
    const decimal = /\p{Nd}/u;
    let out = "";
    for (const c of s) {
      let n = 0;
      if (!decimal.test(c)) continue;
      while (decimal.test(String.fromCodePoint(c.codePointAt(0) - n - 1))) n++;
      out += n % 10;
    }
    return out;
  }

  // fragment returns the bytes after the #, or says what is wrong with them.
  function fragment() {
    const s = location.hash.slice(1);
    if (s === "") throw new Fault("link_missing");
    if (s.length < 43) throw new Fault("link_cut");
    const b = fromBase64url(s);
    if (s.length > 43 || !b || b.length !== KEY) throw new Fault("link_wrong");
    return b;
  }

  function forgetFragment() {
    history.replaceState(null, "", location.pathname);
  }

  // supported fails where the browser cannot do what follows: too old, or a page without https.
  function supported() {
    if (!self.crypto || !crypto.subtle || !self.isSecureContext) throw new Fault("unsupported");
  }

  // countdown shows the time that is left until `until`, by the clock of the service, and calls over at its end.
  function countdown(e, until, skew, over) {
    const tick = () => {
      const left = (until() - Date.now() - skew) / 1000;
      e.textContent = clockText(left);
      if (left <= 0) {
        clearInterval(timer);
        over();
      }
    };
    const timer = setInterval(tick, 500);
    tick();
    return () => clearInterval(timer);
  }

  // ---- Reveal ----

  async function reveal() {
    supported();
    const f = app.dataset.kind === "held" ? await heldFragment((fromBase64url(token()) || new Uint8Array(KEY)).slice(0, KEY)) : fragment();
    const me = {fragment: f, auth: toBase64url(await auth(f)), claim: secretOf("claim"), mark: "securesend/taken/" + token()};
    const opened = await post("open", {auth: me.auth});
    me.opened = opened;
    me.skew = Date.parse(opened.now) - Date.now();
    const mine = stored.get(me.mark) === me.claim && opened.state === "opening";
    if (ended.includes(opened.state)) throw new Fault("ended", {openedBefore: opened.openedBefore});
    if (opened.state === "draft") throw new Fault("draft");
    if (opened.state === "opening" && !mine) throw new Fault("opening");
    if (mine && !opened.passphrase) {
      await take(me, {}); // this tab had it before: after a reload, Back, or an answer that was lost
      return;
    }
    if (opened.locked) throw new Fault("locked");
    gate(me, mine);
  }

  function gate(me, mine) {
    const o = me.opened, gateName = mine ? "none" : o.gate;
    show("gate", part => {
      for (const name of ["number", "code", "proof"]) reveals(part("gate-" + name), gateName === name);
      reveals(part("passphrase-field"), o.passphrase);
      reveals(part("lead"), true);
      const total = o.sizes.reduce((n, s) => n + s, 0);
      part("what").textContent = o.sizes.length === 0 ? text("what.text") : counted("what.files", o.sizes.length) + " · " + sizeText(total);
      part("expires").textContent = timeText(o.expiresAt);
      part("views").textContent = counted("views", o.viewsLeft);
      reveals(part("note-once"), o.viewsLeft <= 1);
      reveals(part("note-more"), o.viewsLeft > 1);
      const before = part("before");
      if (o.openedBefore && !mine) {
        before.hidden = false;
        before.querySelector("span").textContent = text("before", {time: timeText(o.openedBefore)});
      }
      if (gateName === "number" || gateName === "code") part("tries").textContent = counted("tries", o.triesLeft);
      if (gateName === "code" && o.codeSent) say(part("code-state"), text("code.under_way"));
      part("form").addEventListener("submit", e => {
        e.preventDefault();
        submit();
      });
      if (gateName === "code") part("code-send").addEventListener("click", sendCode);
      if (gateName === "proof") part("proof-start").addEventListener("click", startProof);
      part("open").disabled = gateName === "proof";
    });
    const first = app.querySelector("input:not([type=hidden])");
    const focusable = Array.from(app.querySelectorAll("input")).find(e => e.offsetParent !== null);
    if (first && focusable && matchMedia("(pointer: fine)").matches) focusable.focus({preventScroll: true});
    if (o.sizes.some(s => s > BUFFER_MAX)) worker(app).then(it => reveals(find("too-large"), !it));
    else if (o.sizes.length > 0) worker(app);

    async function sendCode() {
      const state = find("code-state");
      await busy(find("form"), async () => {
        try {
          await post("code", {auth: me.auth});
          say(state, text("code.sent"));
          find("code").focus();
        } catch (e) {
          if (e.code === "limited") say(state, e.retryAfter > 0 && e.retryAfter < 3600 ? text("code.wait", {n: number(e.retryAfter)}) : text("code.limit"));
          else if (e.code === "offline" || e.code === "unavailable" || e.code === "delivery") say(state, text("code.failed"));
          else fail(e);
        }
      });
    }

    async function startProof() {
      const state = find("proof-state"), form = find("form"), start = find("proof-start");
      start.disabled = true;
      for (let misses = 0; form.isConnected;) {
        try {
          const answer = await post("verify", {auth: me.auth, claim: me.claim});
          misses = 0;
          if (answer.state === "passed") {
            say(state, text("proof.passed"));
            find("open").disabled = false;
            find("open").focus();
            return;
          }
          if (answer.state === "refused") {
            say(state, text("proof.refused"));
            start.disabled = false;
            return;
          }
          const waiting = answer.hint ? text("proof.waiting_at", {hint: answer.hint}) : text("proof.waiting");
          if (state.textContent !== waiting) say(state, waiting);
        } catch (e) {
          if (!again(e) || ++misses > 5) {
            if (again(e)) {
              say(state, text("unreachable"));
              start.disabled = false;
            } else fail(e);
            return;
          }
        }
        await wait(2);
      }
    }

    async function submit() {
      const given = {}, number = find("number"), code = find("code"), phrase = find("passphrase");
      for (const field of [number, code, phrase]) complain(field, "");
      say(find("form-state"), "");
      if (gateName === "number") {
        given.number = digits(number.value);
        if (given.number.length !== 3) return complain(number, text(given.number ? "number.format" : "number.empty"));
      }
      if (gateName === "code") {
        given.code = digits(code.value);
        if (given.code.length !== 6) return complain(code, text(given.code ? "code.format" : "code.empty"));
      }
      if (o.passphrase && phrase.value === "") return complain(phrase, text("passphrase.empty"));
      await busy(find("form"), async () => {
        say(find("form-state"), text("opening"));
        try {
          if (o.passphrase) {
            const header = await parseHeader(fromBase64url(o.header));
            me.pass = await passKey(phrase.value, header.salt);
            given.pass = toBase64url(await passAuth(me.pass, me.fragment));
          }
          await take(me, given);
        } catch (e) {
          const state = find("form-state");
          if (!state) return fail(e);
          say(state, "");
          if (e.code === "number" && gateName === "code") complain(code, text("code.wrong") + " " + counted("tries", e.triesLeft));
          else if (e.code === "number" && gateName === "number") {
            complain(number, text("number.wrong") + " " + counted("tries", e.triesLeft));
            number.value = "";
            find("tries").textContent = "";
          } else if (e.code === "passphrase") complain(phrase, text("passphrase.wrong") + " " + counted("tries", e.passphraseTriesLeft));
          else if (e.code === "gate") say(state, text("proof.not_yet"));
          else if (again(e)) say(state, text("unreachable"));
          else fail(e);
        }
      });
    }
  }

  // take claims the send for this tab, opens the manifest and shows it.
  async function take(me, given) {
    stored.set(me.mark, me.claim); // before the answer, which may be lost
    let taken;
    try {
      taken = await post("take", {auth: me.auth, claim: me.claim, ...given});
    } catch (e) {
      if (!again(e)) stored.remove(me.mark);
      throw e;
    }
    const context = fromBase64url(taken.context), header = fromBase64url(taken.header), half = fromBase64url(taken.half), sealed = fromBase64url(taken.manifest);
    if (!context || context.length !== KEY || !header || !half || half.length !== KEY || !sealed) throw new Fault("altered");
    const parsed = await parseHeader(header);
    if (parsed.request || parsed.passphrase !== Boolean(me.pass)) throw new Fault("altered");
    const dataKey = await sendKey(me.fragment, half, me.pass);
    const manifest = await openManifest(dataKey, context, header, sealed);
    const sizes = taken.sizes || [];
    if (sizes.length !== manifest.files.length || !manifest.files.every((f, i) => f.size === sizes[i])) throw new Fault("altered");
    me.pass = null;
    content(me, taken, {...manifest, dataKey, context, header, auth: me.auth, claim: me.claim});
  }

  // content shows what was opened. It is acknowledged, and with that burnt, once the text has been read for a while or was
  // copied and the last file was handed over, or when the person says that they have everything.
  function content(me, taken, opened) {
    const skew = Date.parse(taken.now) - Date.now();
    let lease = Date.parse(taken.leaseUntil), running = 0, read = opened.text === "", gone = false, stopClock = () => {};
    const missing = new Set(opened.files.map((f, i) => i));
    show("content", part => {
      reveals(part("text-part"), opened.text !== "");
      part("text").textContent = opened.text;
      reveals(part("message"), Boolean(taken.message));
      part("message").querySelector("span").textContent = taken.message || "";
      const before = part("before");
      if (me.opened.openedBefore && me.opened.state !== "opening") {
        before.hidden = false;
        before.querySelector("span").textContent = text("before", {time: timeText(me.opened.openedBefore)});
      }
      reveals(part("files-part"), opened.files.length > 0);
      opened.files.forEach((f, i) => part("files").append(row(f, i)));
      part("copy").addEventListener("click", async () => {
        const ok = await copy(opened.text, find("text"));
        say(find("copy-state"), text(ok ? "copied" : "copy_by_hand"));
        if (ok) seen();
      });
      if (taken.viewsLeft > 0) part("done").textContent = text("done");
      part("done").addEventListener("click", () => {
        missing.clear();
        read = true;
        finish();
      });
    });
    const extended = () => Math.min(Date.now() + skew + 60000, Date.parse(taken.expiresAt)); // as the service counts it
    stopClock = countdown(find("clock"), () => running > 0 ? extended() : lease, skew, over);
    reveals(find("clock-files"), opened.files.length > 0);
    reveals(find("clock-text"), opened.files.length === 0);
    if (!read) watch();
    finish();

    function watch() {
      let left = READ_TIME;
      const timer = setInterval(() => {
        if (gone || read) clearInterval(timer);
        else if (document.visibilityState === "visible" && --left <= 0) {
          clearInterval(timer);
          seen();
        }
      }, 1000);
    }

    function seen() {
      read = true;
      finish();
    }

    async function finish() {
      if (gone || !read || missing.size > 0 || running > 0) return;
      gone = true;
      stopClock();
      reveals(find("clock-line"), false);
      reveals(find("done"), false);
      try {
        await persist(() => {}, () => post("ack", {auth: me.auth, claim: me.claim}));
        stored.remove(me.mark);
        if (taken.viewsLeft === 0) forgetFragment();
        if (find("end")) say(find("end"), taken.viewsLeft > 0 ? counted("end.views", taken.viewsLeft) : text("end.burnt"));
      } catch (e) {
        if (find("end")) say(find("end"), text("end.over"));
      }
      closed();
    }

    // over is the end of the lease: what was not fetched cannot be fetched any more.
    function over() {
      if (gone) return;
      gone = true;
      stopClock();
      reveals(find("clock-line"), false);
      reveals(find("done"), false);
      stored.remove(me.mark);
      say(find("end"), missing.size > 0 ? text("end.late") : text("end.over"));
      closed();
    }

    function closed() {
      app.querySelectorAll('[data-slot="files"] button').forEach(b => {
        if (b.dataset.running === undefined && b.dataset.kept === undefined) b.disabled = true;
      });
    }

    function row(f, i) {
      const e = document.querySelector('template[data-view="file"]').content.cloneNode(true).firstElementChild;
      const part = slot => e.querySelector('[data-slot="' + slot + '"]');
      const button = part("save"), bar = part("progress"), state = part("state");
      let kept = null; // what was saved without the worker: who told the browser not to save it can have it again
      part("name").textContent = f.name;
      part("size").textContent = sizeText(f.size);
      button.setAttribute("aria-label", text("file.save", {name: f.name}));
      bar.setAttribute("aria-label", text("file.progress", {name: f.name}));
      button.addEventListener("click", async () => {
        if (kept) return hand(f.name, kept);
        running++;
        find("done").disabled = true; // it would end what is under way
        button.disabled = true;
        button.dataset.running = "";
        bar.hidden = false;
        say(state, text("file.loading"));
        try {
          kept = await save(f, i, bar, state);
          missing.delete(i);
          say(state, text("file.done"));
          button.classList.add("secondary");
        } catch (error) {
          say(state, text(error.code === "ended" || error.code === "opening" ? "file.late" : error.code === "altered" ? "file.altered"
            : error.code === "too_large" ? "file.command" : error.code === "cancelled" ? "file.cancelled" : "file.failed"));
        }
        running--;
        find("done").disabled = running > 0;
        bar.hidden = true;
        delete button.dataset.running;
        if (kept) button.dataset.kept = "";
        button.disabled = gone && !kept;
        finish();
      });
      return e;
    }

    // save returns what it handed over, or null where that went through the worker.
    async function save(f, i, bar, state) {
      let got = 0;
      const reader = await fileReader(opened, i, late => say(state, text(late ? "file.again" : "file.loading")));
      const next = async () => {
        const chunk = await reader();
        lease = Math.max(lease, extended());
        if (chunk) {
          got += chunk.length;
          bar.value = f.size > 0 ? got / f.size : 1;
        }
        return chunk;
      };
      const it = await worker(app);
      if (it && await saveByWorker(app, it, f.name, f.size, next)) return null;
      if (f.size > BUFFER_MAX) throw new Fault("too_large");
      const whole = await gather(next);
      hand(f.name, whole);
      return whole;
    }
  }

  // ---- What is to be sent: of a technician, or of a caller who was asked ----

  // compose shows the form and calls send with what was given.
  function compose(limits, passphrase, send) {
    let files = [];
    show("form", part => {
      reveals(part("files-field"), limits.files > 0);
      reveals(part("passphrase-part"), passphrase);
      if (limits.files > 0) part("files-hint").textContent = text("files.limit", {files: number(limits.files), size: sizeText(limits.total)});
      part("text").addEventListener("input", count);
      part("pick").addEventListener("change", e => {
        add(e.target.files);
        e.target.value = "";
      });
      const drop = part("drop");
      for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("drop-over"));
      for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("drop-over"));
      part("form").addEventListener("submit", e => {
        e.preventDefault();
        submit();
      });
    });
    count();

    function count() {
      const n = byteLength(find("text").value);
      find("count").textContent = text("count", {n: sizeText(n), max: sizeText(limits.text)});
      find("count").classList.toggle("field-error", n > limits.text);
      return n;
    }

    function add(list) {
      files = files.concat(Array.from(list));
      draw();
    }

    function draw() {
      complain(find("pick"), "");
      const items = files.map((f, i) => {
        const e = document.querySelector('template[data-view="picked"]').content.cloneNode(true).firstElementChild;
        e.querySelector('[data-slot="name"]').textContent = f.name;
        e.querySelector('[data-slot="size"]').textContent = sizeText(f.size);
        const button = e.querySelector("button");
        button.setAttribute("aria-label", text("file.remove", {name: f.name}));
        button.addEventListener("click", () => {
          files.splice(i, 1);
          draw();
          find("pick").focus();
        });
        return e;
      });
      find("picked").replaceChildren(...items);
      say(find("picked-state"), files.length > 0 ? counted("what.files", files.length) + " · " + sizeText(files.reduce((n, f) => n + f.size, 0)) : "");
    }

    async function submit() {
      const input = find("text"), pick = find("pick"), phrase = find("passphrase"), value = input.value;
      for (const field of [input, pick]) complain(field, "");
      if (value === "" && files.length === 0) return complain(input, text("content.empty"));
      if (count() > limits.text) return complain(input, text("content.text_large"));
      if (files.length > limits.files) return complain(pick, text("content.too_many", {files: number(limits.files)}));
      if (files.reduce((n, f) => n + f.size, 0) > limits.total) return complain(pick, text("content.files_large", {size: sizeText(limits.total)}));
      const given = {text: value, files, passphrase: passphrase && phrase ? phrase.value : ""};
      const form = find("form");
      show("sending", part => reveals(part("bar"), files.length > 0));
      const keep = e => {
        e.preventDefault();
        e.returnValue = "";
      };
      addEventListener("beforeunload", keep);
      try {
        await send(given, {
          progress(v) {
            const bar = find("bar");
            bar.value = v;
            say(find("percent"), v < 1 ? text("percent", {n: number(Math.floor(100 * v))}) : "");
          },
          say: late => say(find("sending-state"), late ? text("sending.again") : ""),
          paused: () => new Promise(done => {
            say(find("sending-state"), text("sending.paused"));
            const button = find("resume");
            button.hidden = false;
            button.focus();
            const go = () => {
              button.removeEventListener("click", go);
              removeEventListener("online", go);
              button.hidden = true;
              say(find("sending-state"), "");
              done();
            };
            button.addEventListener("click", go);
            addEventListener("online", go);
          }),
        });
      } catch (e) {
        const wrong = {changed: "content.changed", unreadable: "content.unreadable", too_large: "content.refused", forbidden: "content.refused", invalid: "content.refused", conflict: "content.refused", unsupported: "content.refused"}[e.code];
        if (!wrong && !again(e)) return fail(e);
        app.replaceChildren(...formBack(form));
        complain(find(e.code === "changed" || e.code === "unreadable" ? "pick" : "text"), text(wrong || "unreachable", {name: e.file || ""}));
      } finally {
        removeEventListener("beforeunload", keep);
      }
    }
  }

  // formBack returns the form as it was left, with its heading.
  function formBack(form) {
    app.dataset.view = "form";
    return [form.closest(".card")];
  }

  // ---- Compose: a technician fills a send ----

  async function composePage() {
    supported();
    const upload = toBase64url(fragment());
    const begun = await post("begin", {upload});
    if (begun.state !== "draft") throw new Fault("used");
    compose(begun.limits, true, async (given, ui) => {
      const f = begun.held ? await heldFragment(fromBase64url(begun.link.split("/").pop()).slice(0, KEY)) : random(KEY);
      const half = random(KEY), context = fromBase64url(begun.context);
      const body = {upload, auth: toBase64url(await sha256(await auth(f))), half: toBase64url(half)};
      let pass, salt;
      if (given.passphrase !== "") {
        salt = random(SALT);
        pass = await passKey(given.passphrase, salt);
        body.pass = toBase64url(await passAuth(pass, f));
      }
      const header = headerBytes({salt, held: begun.held});
      const sent = await deliver(body, header, context, await sendKey(f, half, pass), given, ui);
      forgetFragment();
      result(begun.held ? begun.link : begun.link + "#" + toBase64url(f), sent, given);
    });
  }

  // deliver uploads the files and commits.
  async function deliver(body, header, context, dataKey, given, ui) {
    await uploadFiles({upload: body.upload, dataKey, context, header, files: given.files, progress: ui.progress, say: ui.say, paused: ui.paused});
    const files = given.files.map(f => ({name: f.name, size: f.size}));
    body.header = toBase64url(header);
    body.manifest = toBase64url(await sealManifest(dataKey, context, header, {text: given.text, files}));
    body.sizes = files.map(f => f.size);
    for (;;) {
      try {
        return await persist(ui.say, () => post("commit", body));
      } catch (e) {
        if (!again(e)) throw e;
        await ui.paused();
      }
    }
  }

  function result(link, sent, given) {
    let copied = false;
    show("result", part => {
      part("link").value = link;
      part("expires").textContent = timeText(sent.expiresAt);
      reveals(part("number-part"), Boolean(sent.number));
      part("number").textContent = sent.number || "";
      reveals(part("passphrase-note"), given.passphrase !== "");
      reveals(part("warning"), Boolean(sent.warning));
      part("copy").addEventListener("click", async () => {
        copied = await copy(link, find("link"));
        if (!copied) find("link").select();
        say(find("copy-state"), text(copied ? "copied" : "copy_by_hand"));
      });
    });
    addEventListener("beforeunload", e => { // the link is nowhere else
      if (copied) return;
      e.preventDefault();
      e.returnValue = "";
    });
  }

  // ---- Request: somebody was asked ----

  async function request() {
    supported();
    const print = fragment();
    const asked = await post("open", {});
    const key = fromBase64url(asked.key);
    if (ended.includes(asked.state)) throw new Fault("ended");
    if (!key || key.length !== POINT || !equal(await sha256(key), print)) throw new Fault("foreign");
    if (asked.state !== "draft") throw new Fault("answered");
    const upload = secretOf("upload"), mark = "securesend/admitted/" + token();
    const begin = async number => {
      stored.set(mark, "1"); // before the answer, which may be lost
      let begun;
      try {
        begun = await post("begin", number ? {upload, number} : {upload});
      } catch (e) {
        if (!again(e)) stored.remove(mark);
        throw e;
      }
      const same = fromBase64url(begun.key);
      if (!same || !equal(same, key)) throw new Fault("foreign");
      compose(begun.limits, false, async (given, ui) => {
        const {key: dataKey, ephemeral} = await requestKey(await newPair(), key);
        await deliver({upload}, headerBytes({ephemeral}), fromBase64url(begun.context), dataKey, given, ui);
        stored.remove(mark);
        show("sent");
      });
    };
    if (asked.taken) {
      if (!stored.get(mark)) throw new Fault("opening");
      return begin("");
    }
    if (asked.locked) throw new Fault("locked");
    requestGate(asked, begin);
  }

  function requestGate(asked, begin) {
    show("gate", part => {
      reveals(part("gate-number"), asked.gate === "number");
      part("expires").textContent = timeText(asked.expiresAt);
      part("tries").textContent = counted("tries", asked.triesLeft);
      part("form").addEventListener("submit", e => {
        e.preventDefault();
        submit();
      });
    });
    if (asked.gate === "number" && matchMedia("(pointer: fine)").matches) find("number").focus({preventScroll: true});

    async function submit() {
      const input = find("number"), value = digits(input.value);
      complain(input, "");
      say(find("form-state"), "");
      if (asked.gate === "number" && value.length !== 3) return complain(input, text(value ? "number.format" : "number.empty"));
      await busy(find("form"), async () => {
        try {
          await begin(value);
        } catch (e) {
          if (e.code === "number") {
            complain(input, text("number.wrong") + " " + counted("tries", e.triesLeft));
            input.value = "";
            find("tries").textContent = "";
          } else if (again(e)) say(find("form-state"), text("unreachable"));
          else fail(e);
        }
      });
    }
  }

  // ---- Begin ----

  // The functions of the envelope, for programs that check them. Nothing secret is reached by them.
  const twin = {
    auth, chunks, cleanFiles, cleanName, fileCipher, fromBase64url, headerBytes, heldFragment, manifestJSON, openManifest, parseHeader,
    parts, passAuth, passKey, requestKey, seal, sealManifest, sealedSize, sendKey, sha256, toBase64url, aead, associated,
  };
  Object.defineProperty(self, "mspkitSecuresend", {value: Object.freeze(twin)});

  async function start() {
    const run = {send: reveal, held: reveal, compose: composePage, request}[app.dataset.kind];
    reveals(find("loading"), true);
    try {
      // Once it is burnt its fragment is gone from the address, and the page itself says so.
      if (ended.includes(app.dataset.state) && location.hash === "") throw new Fault("ended");
      await run();
    } catch (e) {
      fail(e, e.code === "offline" || e.code === "unavailable" || e.code === "limited" || e.code === "opening" || e.code === "draft" || e.code === "locked" ? start : null);
    }
  }

  if (app) {
    words = JSON.parse(app.dataset.texts);
    addEventListener("pageshow", e => { // kept by the browser for Back, with everything that it showed
      if (e.persisted && (app.dataset.kind === "send" || app.dataset.kind === "held")) location.reload();
    });
    addEventListener("hashchange", () => { // another link was put into the address of this page
      if (location.hash !== "") location.reload();
    });
    start();
  }
})();
