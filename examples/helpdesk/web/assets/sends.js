// Sends and requests in the technician's portal. What is being written lives in dialogs of its own, which the page's asking
// for news leaves alone.
"use strict";

const sends = (() => {
  const by = { teams: "Teams", sms: "Text message", email: "E-mail" };
  const ends = ["acknowledged", "lapsed", "expired", "revoked"];
  const size = (n) => n < 1024 ? `${n} bytes` : n < 1 << 20 ? `${Math.ceil(n / 1024)} KB` : `${(n / (1 << 20)).toFixed(1)} MB`;
  const option = ([value, text]) => h("option", { value }, text);
  const select = (id, label, options, hint) => h("p", { class: "field" }, h("label", { for: id }, label), h("select", { id, name: id.replace("send-", "") }, options.map(option)), hint ? h("small", { class: "muted" }, hint) : "");
  const check = (id, label) => h("label", { class: "choice", for: id }, h("input", { type: "checkbox", id, name: id.replace("send-", "") }), h("span", {}, label));
  const first = (p) => p.Name.split(" ")[0];

  // The panel of the ticket.

  function panel(p) {
    const t = encodeURIComponent(p.Tenant);
    return h("section", { class: "panel sends", "aria-label": "Secure sends" },
      h("div", { class: "sends-head" }, h("h2", { class: "with-icon" }, icon("lock"), "Secure sends"),
        pod || !may("messaging-configurations") ? "" : h("a", { class: "link small", href: `settings?tenant=${t}` }, p.Rules.Locked ? "Settings (locked)" : "Settings")),
      h("div", { class: "tools" },
        h("button", { type: "button", id: "send-open", class: "button small", on: { click: () => compose(p, "send") } }, icon("send"), "Send securely"),
        h("button", { type: "button", id: "ask-open", class: "button secondary small", on: { click: () => compose(p, "ask") } }, icon("inbox"), "Ask for a secret or file")),
      p.Sends.length ? h("ul", { class: "send-list" }, p.Sends.map((s) => item(p, s)))
        : h("p", { class: "empty" }, `Nothing yet. A password or a file for ${first(p)} goes out once, and the ticket says what became of it.`));
  }

  const title = (s) => {
    const live = !ends.includes(s.State), request = s.Kind === "request";
    if (s.Locked && live) return ["Locked: wrong number", "danger"];
    switch (s.State) {
      case "draft": return [request ? "Waiting for the answer" : "Being filled", "wait"];
      case "ready": return [request ? "Answered" : "Waiting to be opened", request ? "ok" : "wait"];
      case "opening": return [request ? "Being received" : "Being opened", "wait"];
      case "acknowledged": return [request ? "Received, burnt" : "Arrived, burnt", "ok"];
      case "lapsed": return ["Revealed, arrival unknown", "none"];
      case "expired": return ["Expired unread", "none"];
      case "revoked": return ["Taken back", "none"];
    }
    return [s.State, "none"];
  };

  const since = (s, p) => s.Kind === "request"
    ? [["asked", s.Created], ["link sent", s.Sent?.length ? s.Created : 0, s.Sent?.join(", ")], ["begun", s.Opened], ["answered", s.Ready], ["received", s.Revealed], ["burnt", s.Acknowledged]]
    : [["created", s.Created], ["link sent", s.Sent?.length ? s.Created : 0, s.Sent?.join(", ")], ["page opened", s.Opened], ["revealed", s.Revealed], ["arrived", s.Acknowledged]];

  function item(p, s) {
    const [text, sign] = title(s), live = !ends.includes(s.State), request = s.Kind === "request";
    const lead = may("verification-settings");
    const act = (name) => () => post(name, { id: s.ID });
    const steps = since(s, p).filter(([, at]) => at);
    return h("li", { class: "send " + sign },
      h("div", { class: "send-head" }, h("span", { class: "send-icon " + sign }, icon(request ? "inbox" : "lock")),
        h("div", {}, h("b", {}, text), h("small", {}, `${request ? "Request" : "Send"} ${s.ID.slice(0, 6)} · ${s.By} · ${clock(s.Created)}${s.Files ? ` · ${s.Files} file${s.Files > 1 ? "s" : ""}` : ""}${s.MaxViews > 1 ? ` · ${s.Views} of ${s.MaxViews} views` : ""}`)),
        live ? h("span", { class: "tag", title: "It ends by itself" }, "until ", new Date(s.Until).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false })) : ""),
      h("ol", { class: "steps" }, steps.map(([what, at, how]) => h("li", {}, h("b", {}, what), " ", how ? `by ${how}` : clock(at))),
        s.Refusals ? h("li", { class: "bad" }, h("b", {}, "refused"), ` ${s.Refusals}×`) : "",
        s.Unfetched?.length && !live ? h("li", { class: "bad" }, h("b", {}, "not fetched"), ` file ${s.Unfetched.join(", ")}`) : ""),
      (s.State === "draft" || s.State === "ready") && s.Gate === "number" && s.Number && (!request || !s.Ready && (!s.Opened || s.Locked)) ? number(p, s, request) : "",
      s.State === "ready" && s.Gate === "proof" ? h("p", { class: "muted small" }, `Opens once ${first(p)} is verified; the page asks for that by itself, and you say the number that then appears above.`) : "",
      s.State === "ready" && s.Gate === "code" ? h("p", { class: "muted small" }, "A code goes to another address on record when it is asked for.") : "",
      live && s.Warning ? h("p", { class: "notice notice-warning" }, h("span", {}, s.Warning)) : "",
      h("div", { class: "tools" },
        request && s.Mine && (s.State === "ready" || s.State === "opening") ? h("button", { type: "button", id: "receive-" + s.ID, class: "button small", on: { click: () => receive(p, s) } }, "Receive once") : "",
        live && (s.Mine || lead) && (s.Locked || s.Gate === "number" && s.Refusals) && s.Renewals < 5 ? h("button", { type: "button", id: "renew-" + s.ID, class: "button small" + (s.Locked ? "" : " secondary"), on: { click: act("send-renew") } }, "New number") : "",
        !request && s.State !== "draft" && (s.Mine || lead) ? h("button", { type: "button", id: "again-" + s.ID, class: "button secondary small", on: { click: () => compose(p, "send", s) } }, "Send again") : "",
        live && (s.Mine || lead) ? h("button", { type: "button", id: "revoke-" + s.ID, class: "button danger-quiet small", on: { click: act("send-revoke") } }, "Take back") : ""));
  }

  const number = (p, s, request) => h("div", { class: "say-row" },
    h("p", { class: "muted small" }, s.Locked ? "Every try is used up. Give a new number, and say it." : `Say this number to ${first(p)}. ${request ? "The page asks for it before the answer." : "The page asks for it before it opens."}`),
    s.Locked ? "" : digits(s.Number));
  const digits = (n) => h("p", { class: "say say-small", "aria-label": "Number to say", translate: "no" }, [...n].map((d) => h("span", {}, d)));

  // The dialog in which one writes.

  function compose(p, kind, old) {
    const ask = kind === "ask", d = $("send"), locked = p.Rules.Locked;
    const ways = [p.Teams ? "teams" : "", p.Phones.length ? "sms" : "", p.Emails.length ? "email" : ""].filter((w) => w);
    const fields = [
      ask ? h("p", { class: "field" }, h("label", { for: "send-question" }, `What do you ask ${first(p)} for?`), h("input", { id: "send-question", name: "question", maxlength: "500", autocomplete: "off", placeholder: "For example: the export of the log, and your customer number" }))
        : [h("p", { class: "field" }, h("label", { for: "send-text" }, "Text"), h("textarea", { id: "send-text", name: "text", rows: "4", spellcheck: "false", autocomplete: "off" })),
          p.Rules.FilesOff ? "" : h("p", { class: "field" }, h("label", { for: "send-files" }, "Files"), h("input", { id: "send-files", type: "file", multiple: true }))],
      select("send-deliver", "The link goes out by", [...ways.map((w) => [w, by[w]]), ["", "Nobody: I copy it"]]),
      locked ? h("p", { class: "notice notice-info" }, h("span", {}, `${p.Company}'s settings are locked: they decide the rest.`)) : h("div", { class: "send-options" },
        select("send-gate", `${first(p)} must bring`, ask ? [["", "The usual"], ["number", "A number that you say"], ["none", "Nothing but the link"]]
          : [["", "The usual"], ["number", "A number that you say"], ["code", "A code, sent by another way"], ["proof", "A verification: proof of who it is"], ["none", "Nothing but the link"]]),
        select("send-ttl", "It lives", [["", "The usual"], ["1h", "1 hour"], ["8h", "8 hours"], ["24h", "1 day"], ["72h", "3 days"], ["168h", "7 days"], ["720h", "30 days"]]),
        ask ? "" : select("send-views", "It opens", [["", "The usual"], ["1", "Once"], ["2", "Twice"], ["5", "5 times"], ["20", "20 times"]])),
      ask ? "" : h("p", { class: "field" }, h("label", { for: "send-passphrase" }, "Passphrase, told by another way"), h("input", { id: "send-passphrase", name: "passphrase", type: "text", autocomplete: "off", spellcheck: "false", placeholder: "None" })),
      locked ? "" : h("details", {}, h("summary", {}, "More"),
        h("div", { class: "send-more" },
          h("p", { class: "field" }, h("label", { for: "send-header" }, "Text above the page"), h("input", { id: "send-header", name: "header", maxlength: "300", autocomplete: "off" })),
          ask ? "" : h("p", { class: "field" }, h("label", { for: "send-message" }, "Text beside the content"), h("input", { id: "send-message", name: "message", maxlength: "2000", autocomplete: "off" })),
          check("send-public", "The client sees the notes about it"),
          ask ? "" : check("send-note", "Keep the text in an internal note, in clear"),
          ask ? "" : check("send-held", "The whole key in the address, for programs that lose what is behind #. The server could then read it."))),
    ];
    const status = h("p", { class: "notice notice-danger", role: "alert", hidden: true }), bar = h("progress", { class: "send-progress", max: "1", value: "0", hidden: true, "aria-label": "Upload" });
    const go = h("button", { class: "button" }, ask ? "Ask" : "Send");
    const seal = ask || old ? "" : h("button", { type: "button", class: "button secondary", on: { click: () => submit(true) } }, "Seal in my browser");
    const close = h("button", { type: "button", class: "button secondary", on: { click: () => d.close() } }, "Cancel");
    const form = h("form", { class: "send-form", on: { submit: (e) => { e.preventDefault(); submit(false); } } },
      h("h2", {}, ask ? `Ask ${first(p)} in confidence` : old ? `Send again to ${first(p)}` : `Send securely to ${first(p)}`),
      old ? h("p", { class: "muted" }, `Nobody has kept what was in send ${old.ID.slice(0, 6)}, so give it again. The old link ends.`) : "",
      fields, status, bar, h("div", { class: "actions inline" }, go, seal, close),
      ask || old ? "" : h("p", { class: "muted small" }, "“Seal in my browser” opens a page on which this program never sees what you send. You then copy the link yourself."));

    async function submit(grant) {
      status.hidden = true;
      const body = new FormData();
      for (const [k, v] of Object.entries({ ...who(p), ...(old ? { replaces: old.ID } : {}) })) body.append(k, v);
      const files = [...($("send-files")?.files || [])];
      for (const e of form.elements) {
        if (!e.name || e.type === "file" || e.type === "checkbox" && !e.checked) continue;
        if (grant && ["text", "passphrase", "deliver"].includes(e.name)) continue;
        body.append(e.name, e.value);
      }
      if (files.length && !grant) {
        body.append("files", files.length);
        for (const f of files) { body.append("name", f.name); body.append("size", f.size); }
        for (const f of files) body.append("file", f);
      }
      const busy = (on) => { for (const button of form.querySelectorAll(".actions button")) button.disabled = on; };
      busy(true); // twice would send twice
      bar.hidden = !files.length || grant;
      const { ok, v } = await upload(ask ? "ask" : grant ? "grant" : "send", body, ask || grant, (done) => { bar.value = done; });
      busy(false);
      bar.hidden = true;
      if (!ok) {
        status.replaceChildren(h("span", {}, v?.error || "The helpdesk program does not answer."));
        status.hidden = false;
        return;
      }
      await refresh();
      done(p, v, ask, grant);
      if (pod) return;
      state.tab = { teams: "teams", sms: "sms", email: "mail" }[body.get("deliver")] || state.tab;
      paint();
    }
    d.replaceChildren(form);
    if (!d.open) d.showModal();
  }

  // upload posts a form and tells how much of it has gone out.
  const upload = (name, body, small, progress) => new Promise((resolve) => {
    const r = new XMLHttpRequest();
    r.open("POST", api + name);
    r.responseType = "json";
    r.upload.onprogress = (e) => { if (e.lengthComputable) progress(e.loaded / e.total); };
    r.onload = () => resolve({ ok: r.status === 200, v: r.response });
    r.onerror = () => resolve({ ok: false });
    r.send(small ? new URLSearchParams(body) : body);
  });

  // done says in the same dialog what to do next.
  function done(p, v, ask, grant) {
    const d = $("send"), link = v.Link;
    const copied = h("span", { class: "muted small", role: "status" });
    d.replaceChildren(h("div", { class: "send-form" },
      h("h2", {}, grant ? "Seal it in your browser" : ask ? `${first(p)} is asked` : v.Undelivered?.length ? "It is ready, but the message did not go out" : link ? "It is ready" : "It is on its way"),
      v.Undelivered?.length ? h("p", { class: "notice notice-warning" }, h("span", {}, `By ${v.Undelivered.join(", ")} nothing could be sent. Send it again by another way.`)) : "",
      grant ? [h("p", {}, "Fill and seal it on the page that opens. It shows you the link for the recipient, which nobody else will know."),
        h("a", { class: "button", href: link, target: "_blank", rel: "noopener" }, "Open the page")]
        : link ? [h("p", {}, "This is the only time that the link is shown:"),
          h("p", { class: "copy-link" }, h("input", { id: "send-link", type: "text", readonly: true, value: link, "aria-label": "Link" }),
            h("button", { type: "button", class: "button small", on: { click: async () => { $("send-link").select(); try { await navigator.clipboard.writeText(link); } catch { document.execCommand("copy"); } copied.textContent = "Copied."; } } }, "Copy")), copied] : "",
      v.Number ? [h("p", {}, `Say this number to ${first(p)}, best on the phone. It is in no message.`), digits(v.Number)] : "",
      v.Warning ? h("p", { class: "notice notice-warning" }, h("span", {}, v.Warning)) : "",
      h("div", { class: "actions inline" }, h("button", { type: "button", class: "button" + (grant ? " secondary" : ""), on: { click: () => d.close() } }, "Done"))));
    if (!d.open) d.showModal(); // closed by a key meanwhile; nothing of this is shown again
  }

  // The dialog in which an answer is shown, once.

  function claim(id) {
    const key = "claim-" + id;
    let c = kept.get(key);
    if (!c) {
      c = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32)))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
      kept.set(key, c);
    }
    return c;
  }

  // A browser may refuse to keep anything for a frame of another site: then it is kept as long as the page is open.
  const memory = new Map();
  const kept = {
    get: (k) => { try { return sessionStorage.getItem(k); } catch { return memory.get(k); } },
    set: (k, v) => { try { sessionStorage.setItem(k, v); } catch { memory.set(k, v); } },
    drop: (k) => { try { sessionStorage.removeItem(k); } catch { memory.delete(k); } },
  };

  async function receive(p, s) {
    const fields = { id: s.ID, claim: claim(s.ID) };
    const v = await post("receive", fields);
    if (!v) return;
    const d = $("send");
    // Asking again keeps the files ready while the dialog is open.
    const alive = setInterval(() => post("receive", fields), 25000);
    const burn = async () => {
      clearInterval(alive);
      kept.drop("claim-" + s.ID);
      await post("received", fields);
      d.close();
    };
    d.replaceChildren(h("div", { class: "send-form" },
      h("h2", {}, `${first(p)} has answered`),
      h("p", { class: "muted" }, "It is shown this once. When you are done it is destroyed."),
      v.text ? h("p", { class: "received-text", translate: "no" }, v.text) : "",
      v.files.length ? h("ul", { class: "received-files" }, v.files.map((f, i) => h("li", {},
        h("form", { method: "post", action: api + "receive-file" },
          Object.entries({ ...fields, file: i, ...who(p) }).map(([name, value]) => h("input", { type: "hidden", name, value: String(value) })),
          h("span", {}, h("b", {}, f.Name), h("small", {}, size(f.Size))), h("button", { class: "button secondary small" }, "Save"))))) : "",
      h("div", { class: "actions inline" }, h("button", { type: "button", id: "received", class: "button", on: { click: burn } }, "I have everything"))));
    d.addEventListener("close", () => clearInterval(alive), { once: true });
    d.showModal();
  }

  return { panel };
})();
