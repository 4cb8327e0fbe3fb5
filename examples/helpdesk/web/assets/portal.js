// The technician's portal. Everything on the page is built from text nodes, so nothing that came from outside
// can become markup.
"use strict";

const state = { person: "dana", data: null, error: "", tab: "teams", action: "reset-password", way: "" };
const $ = (id) => document.getElementById(id);
// In a ticket system's frame the session says who works on what; it is kept here and nowhere else.
let session = $("desk").dataset.session || "";
const pod = session !== "";
const api = pod ? "" : "api/";
const who = (p) => pod ? { session } : { person: p.ID, tenant: p.Tenant };
// What whoever is signed in may do. The server asks the same again: this only leaves out what it would refuse.
const may = (permission) => state.data.me.May.includes(permission);
if (pod) window.history.replaceState(null, "", window.location.pathname); // the launch need not stay in the address

function h(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v === null || v === undefined || v === false) continue;
    if (k === "on") for (const [name, f] of Object.entries(v)) e.addEventListener(name, f);
    else if (k === "class") e.className = v;
    else if (k === "value") e.value = v;
    else e.setAttribute(k, v === true ? "" : v);
  }
  for (const c of children.flat(9)) if (c !== null && c !== undefined && c !== false && c !== "") e.append(c);
  return e;
}

const icons = {
  shield: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z",
  ok: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z M8.5 12l2.5 2.5 4.5-5",
  danger: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z M12 8v5 M12 16v.01",
  wait: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z M12 8v4l2.5 1.5",
  none: "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6z",
  phone: "M6 3h3l2 5-2.5 1.5a11 11 0 0 0 6 6L16 13l5 2v3a2 2 0 0 1-2 2A16 16 0 0 1 4 5a2 2 0 0 1 2-2z",
  teams: "M4 5h16v11H10l-5 4v-4H4z M8 9h8 M8 12.5h5",
  send: "M4 12l16-8-6 16-3-7z M11 13l9-9",
  mail: "M4 6h16v12H4z M4 7l8 6 8-6",
  ticket: "M4 7h16v4a1.5 1.5 0 0 0 0 3v4H4v-4a1.5 1.5 0 0 0 0-3z M14 7v11",
  lock: "M6 11h12v9H6z M8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  inbox: "M4 5h16v14H4z M4 13h4.5l1.5 2.5h4l1.5-2.5H20",
  bell: "M12 4a5 5 0 0 1 5 5v4l2 3H5l2-3V9a5 5 0 0 1 5-5z M10 19a2 2 0 0 0 4 0",
};

function icon(name, cls) {
  const ns = "http://www.w3.org/2000/svg";
  const s = document.createElementNS(ns, "svg");
  s.setAttribute("viewBox", "0 0 24 24");
  s.setAttribute("class", "icon " + (cls || ""));
  s.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(ns, "path");
  p.setAttribute("d", icons[name]);
  s.append(p);
  return s;
}

const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
const actions = [
  ["reset-password", "Reset the password"],
  ["identify", "Confirm who it is"],
  ["unlock-account", "Unlock the account"],
  ["reset-mfa", "Reset the multi-factor sign-in"],
  ["change-contact", "Change phone or e-mail on record"],
];
const ways = [
  ["", "Best way allowed"],
  ["teams number", "Teams, number match"],
  ["sms number", "Text message, number match"],
  ["email number", "E-mail, number match"],
  ["signin number", "Sign-in at Microsoft, number match"],
  ["teams code", "Teams, code read aloud"],
  ["sms code", "Text message, code read aloud"],
  ["email code", "E-mail, code read aloud"],
];
const channelWords = { teams: "Teams", sms: "text message", email: "e-mail", signin: "a sign-in at Microsoft" };
const devicesOf = { teams: "teams", sms: "sms", email: "mail" };
const revealing = (a) => a.startsWith("reveal:");
const actionWords = (a) => revealing(a) ? "open what was sent" : (actions.find(([v]) => v === a)?.[1] || a).toLowerCase();
const states = {
  pending: ["Waiting for the caller", "wait"], confirmed: ["Verified", "ok"], denied: ["“This is not me”", "danger"],
  failed: ["Wrong number, tries used up", "danger"], expired: ["Expired", "none"], cancelled: ["Cancelled", "none"],
  frozen: ["Frozen", "danger"], locked: ["Locked", "danger"],
};

function toast(text) {
  const t = $("toast");
  t.textContent = text;
  t.hidden = !text;
  clearTimeout(toast.timer);
  if (text) toast.timer = setTimeout(() => { t.hidden = true; }, 6000);
}

async function post(name, fields) {
  const p = state.data.person;
  const body = new URLSearchParams({ ...who(p), ...fields });
  let res, v;
  try {
    res = await fetch(api + name, { method: "POST", body });
    v = await res.json();
  } catch {
    toast("The helpdesk program does not answer. Is it still running?");
    return null;
  }
  if (!res.ok) toast(v.error || "That did not work.");
  await refresh();
  return res.ok ? v : null;
}

async function refresh() {
  const n = ++refresh.count;
  let data, error = "";
  try {
    const res = await (pod ? fetch("state", { method: "POST", body: new URLSearchParams({ session }) })
      : fetch("api/state?" + new URLSearchParams({ person: state.person })));
    if (!pod && res.status === 401) { window.location.reload(); return; } // it leads to the sign-in
    if (res.status === 403 || pod && res.status === 404) { error = (await res.json()).error; throw new Error(error); }
    if (!res.ok) throw new Error(res.status);
    data = await res.json();
    if (data.session) session = data.session; // renewed while the view is open
  } catch {
    error ||= "The helpdesk program does not answer.";
  }
  if (n !== refresh.count) return; // a newer one is on its way
  state.error = error;
  if (data) state.data = data;
  paint();
}
refresh.count = 0;

// paint replaces only what changed, and leaves a field alone while somebody types in it.
const painted = {};
function put(id, key, build) {
  const text = JSON.stringify(key);
  if (painted[id] === text) return;
  const root = $(id), active = document.activeElement;
  const keep = root.contains(active) && active.id ? { id: active.id, value: active.value, at: active.selectionStart } : null;
  root.replaceChildren(...[build()].flat(9).filter((e) => e));
  painted[id] = text;
  if (keep && $(keep.id)) {
    const e = $(keep.id);
    if (e.tagName === "INPUT") e.value = keep.value;
    e.focus();
    if (e.tagName === "INPUT" && keep.at !== null) e.setSelectionRange(keep.at, keep.at);
  }
}

function paint() {
  const d = state.data;
  if (!d) {
    if (pod && state.error) put("desk", state.error, () => h("p", { class: "notice notice-danger" }, h("div", {}, state.error)));
    return;
  }
  if (pod) {
    put("desk", [d.person, state.action, state.way, d.me, state.error], desk);
    tick();
    return;
  }
  put("people", [d.people, state.person], peopleList);
  put("desk", [d.person, state.action, state.way, d.me, state.error], desk);
  // The chat paints itself, so that a card is left alone while somebody fills it in.
  put("devices", [d.person && { ...d.person, Chat: d.person.Chat.length, History: null, Notes: null }, state.tab, d.realMail, d.realText, d.realTeams], devices);
  paintChat();
  tick();
}

function peopleList() {
  const groups = Map.groupBy ? Map.groupBy(state.data.people, (p) => p.Company) : group(state.data.people);
  return [...groups].map(([company, people]) => h("div", { class: "company" },
    h("h2", { class: "eyebrow" }, company),
    people.map((p) => h("button", {
      type: "button", class: "contact", "aria-current": p.ID === state.person ? "true" : null, id: "contact-" + p.ID,
      on: { click: () => { state.person = p.ID; state.way = ""; refresh(); } },
    }, h("span", { class: "avatar-call" }, avatar(p.Name), p.CallBy ? h("span", { class: "in-call", title: "In a call" }, icon("phone")) : ""),
      h("span", { class: "contact-text" }, h("b", {}, p.Name), h("small", {}, p.Title)),
      h("span", { class: "shield " + p.Shield, title: p.ShieldText }, icon(p.Shield), h("span", { class: "visually-hidden" }, p.ShieldText))))));
}

function group(people) {
  const m = new Map();
  for (const p of people) m.set(p.Company, [...(m.get(p.Company) || []), p]);
  return m;
}

function avatar(name) {
  const hue = [...name].reduce((a, c) => (a * 31 + c.codePointAt(0)) % 6, 7);
  return h("span", { class: "avatar hue" + hue, "aria-hidden": "true" }, name.split(" ").map((w) => w[0]).slice(0, 2).join(""));
}

function desk() {
  const p = state.data.person;
  if (!p) return [];
  const open = p.History.filter((c) => ["pending", "failed", "frozen", "locked"].includes(c.State) && c.Expires > state.data.now);
  const fresh = p.History.find((c) => c.Kind === "caller");
  const showLast = fresh && !open.some((c) => c.Kind === "caller") && state.data.now - (fresh.Decided || fresh.Expires) < 900000 && fresh.State !== "cancelled" ? [fresh] : [];
  const lead = may("verification-settings");
  return [
    state.error ? h("p", { class: "notice notice-danger" }, h("div", {}, state.error)) : "",
    h("div", { class: "panel person" },
      h("div", { class: "person-head" }, p.Photo ? h("img", { class: "portrait", src: p.Photo, alt: "", width: 52, height: 52 }) : avatar(p.Name),
        h("div", { class: "person-text" }, h("h1", {}, p.Name), h("p", { class: "muted" }, `${p.Title} · ${p.Company}`, p.Manager ? ` · reports to ${p.Manager}` : "")),
        h("span", { class: "badge-shield " + p.Shield }, icon(p.Shield), p.ShieldText)),
      h("ul", { class: "addresses" },
        p.Teams ? address("teams", { Value: "Teams" }) : "", p.Phones.map((a) => address("phone", a)), p.Emails.map((a) => address("mail", a)),
        p.Phones.length ? "" : h("li", { class: "muted" }, icon("phone"), "no phone on record")),
      p.Hint ? h("p", { class: "hint" }, p.Hint) : "",
      h("div", { class: "tools" },
        pod ? "" : p.CallBy
          ? h("button", { type: "button", id: "hangup", class: "button secondary small", on: { click: () => post("call", { side: "" }) } }, icon("phone"), `With ${p.CallWith} · hang up`)
          : [h("button", { type: "button", id: "call-in", class: "button secondary small", on: { click: () => post("call", { side: "contact" }) } }, icon("phone"), `${p.Name.split(" ")[0]} calls`),
            h("button", { type: "button", id: "call-out", class: "button secondary small", on: { click: () => post("call", { side: "technician" }) } }, icon("phone"), "You call")],
        p.Frozen ? lead && h("button", { type: "button", id: "unfreeze", class: "button secondary small", on: { click: () => ask("Unfreeze", `${p.Name} can be verified again.`, "unfreeze") } }, "Unfreeze")
          : lead ? h("button", { type: "button", id: "freeze", class: "button danger-quiet small", on: { click: () => ask("Freeze", `Nobody can be verified as ${p.Name} for an hour.`, "freeze") } }, "Freeze") : "",
        p.Locked && lead ? h("button", { type: "button", id: "unlock", class: "button secondary small", on: { click: () => ask("Unlock", `${p.Name} can be verified again.`, "unlock") } }, "Unlock") : "")),
    [...open, ...showLast].map(challenge),
    open.some((c) => c.Kind === "caller") ? "" : startForm(p),
    sends.panel(p),
    pod ? "" : h("div", { class: "columns-2" }, ticket(p), verifications(p)),
  ];
}

function address(kind, a) {
  return h("li", {}, icon(kind), h("span", {}, a.Value), a.Fresh ? h("span", { class: "tag tag-warning" }, "changed lately") : "");
}

function startForm(p) {
  const start = (e) => {
    e.preventDefault();
    const [channel, method] = state.way.split(" ");
    post("start", { action: state.action, channel: channel || "", method: method || "", key: crypto.randomUUID() }).then(showDevice);
  };
  return h("form", { class: "panel start", on: { submit: start } },
    h("h2", {}, "Verify the caller"),
    h("div", { class: "start-fields" },
      h("p", { class: "field" }, h("label", { for: "action" }, "They want you to"),
        h("select", { id: "action", on: { change: (e) => { state.action = e.target.value; } } }, actions.map(([v, t]) => h("option", { value: v, selected: v === state.action }, t)))),
      h("p", { class: "field" }, h("label", { for: "way" }, "By"),
        h("select", { id: "way", on: { change: (e) => { state.way = e.target.value; } } }, ways.map(([v, t]) => h("option", { value: v, selected: v === state.way }, t)))),
      h("button", { class: "button", id: "verify" }, icon("shield"), "Verify")),
    h("p", { class: "muted small" }, "The other way round: ",
      h("button", { type: "button", id: "prove", class: "link", on: { click: () => post("technician", {}).then(showDevice) } }, `let ${p.Name.split(" ")[0]} check that you are you`)));
}

// showDevice turns to the device on which the message of a new challenge has arrived.
function showDevice(c) {
  const device = c && (c.Channel === "signin" ? (state.data.person.Phones.length ? "sms" : "mail") : devicesOf[c.Channel]);
  if (pod || !device) return;
  state.tab = device;
  paint();
}

function challenge(c) {
  const p = state.data.person, first = p.Name.split(" ")[0];
  const [title, sign] = c.Waits ? ["Waits for a second technician", "wait"] : states[c.State] || [c.State, "none"];
  const pending = c.State === "pending";
  const teams = c.Channel === "teams", by = channelWords[c.Channel] || c.Channel;
  const to = teams || c.Channel === "signin" ? "" : ` to ${c.To}`;
  const act = (name, fields) => () => post(name, { id: c.ID, ...fields });
  const body = [];
  if (teams && c.Delivery === "failed") {
    // There is nothing to type it into.
  } else if (pending && c.Method !== "code" && !(c.Kind === "technician" ? c.Word : c.Number)) {
    body.push(h("p", { class: "muted" }, `A colleague has begun this. Only they see what ${first} has to hear.`));
  } else if (pending && c.Kind === "technician") {
    body.push(h("p", {}, `${first} ${teams ? "types into the card" : "opens the page and types"} what you say:`), h("p", { class: "say say-word", "aria-label": "Words to say" }, c.Word));
  } else if (pending && c.Method === "number") {
    body.push(h("p", {}, `Say this number to the caller. ${first} types it ${teams ? "into the card" : "on the page"}:`), h("p", { class: "say", "aria-label": "Number to say" }, [...c.Number].map((d) => h("span", {}, d))));
  } else if (pending) {
    body.push(h("form", { class: "code", on: { submit: async (e) => { e.preventDefault(); const v = await post("check", { id: c.ID, code: $("code").value }); if (v && v.state === "wrong") toast(v.tries === 1 ? "Wrong. One try is left." : `Wrong. ${v.tries} tries are left.`); if (v) $("code") && ($("code").value = ""); } } },
      h("label", { for: "code" }, "Code that the caller reads to you"), h("div", { class: "row" }, h("input", { id: "code", inputmode: "numeric", autocomplete: "off", maxlength: "24", placeholder: "123 456" }), h("button", { class: "button" }, "Check"))));
  }
  const wide = c.Kind === "technician", lead = may("verification-settings");
  return h("div", { class: "panel challenge " + sign },
    h("div", { class: "challenge-head" }, h("span", { class: "shield " + sign }, icon(sign)),
      h("div", {}, h("h2", {}, wide && c.State === "confirmed" ? `${first} knows that you are you` : wide ? "Checking you" + (pending ? "" : ": " + title.toLowerCase()) : title),
        h("p", { class: "muted small" }, wide ? by.charAt(0).toUpperCase() + by.slice(1) + to : `To ${actionWords(c.Action)}, by ${c.Method === "code" ? by + " code" : by}${to}`)),
      pending ? h("span", { class: "countdown", "data-until": c.Expires, "data-from": c.Created }) : ""),
    c.Failover ? h("div", { class: "notice failover" }, h("div", {}, c.Failover)) : "",
    pending && c.Delivery === "failed" ? h("div", { class: "notice notice-warning" }, h("div", {}, h("b", {}, `The ${teams ? "card" : "message"} did not arrive. `),
      teams ? `Have the app installed for ${first} and press “Send again”. Cancel and choose another way only where the policy allows one; otherwise see them in person.` : "Press “Send again”, or choose another way.")) : "",
    c.Hinted ? h("div", { class: "notice notice-warning" }, h("div", {}, wide ? h("b", {}, `${first} heard other words than yours. `) : h("b", {}, "Somebody who has the link pressed “This is not me”. "), wide ? "Somebody may be posing as you." : c.Channel === "signin" ? `It may be the real person, or a mail scanner. Once ${first} has signed in, it counts.` : "It may be the real person, or a mail scanner. If they phone you, say the words below: typing them confirms it.")) : "",
    body,
    pending ? h("p", { class: "meta" },
      h("span", { class: "tag" + (c.Delivery === "failed" ? " tag-danger" : c.Delivery === "delivered" ? " tag-ok" : "") }, { pending: "sending", sent: "sent", delivered: "delivered", failed: "not delivered" }[c.Delivery]),
      h("span", { class: "tag" + (c.Tries < 2 ? " tag-warning" : "") }, c.Tries === 1 ? "one try left" : `${c.Tries} tries left`),
      c.Fresh ? h("span", { class: "tag tag-warning" }, "new address, low assurance") : "",
      c.Method === "number" && !teams && c.Channel !== "signin" && c.Word ? h("span", { class: "tag", title: "For somebody who phones and says that it is not them" }, "“not me” words: ", h("b", {}, c.Word)) : "") : "",
    c.Waits ? h("p", { class: "row" },
      lead ? h("button", { type: "button", id: "approve", class: "button", on: { click: () => ask("Approve", `You agree, as second technician, that ${first} is who they say.`, "approve", { id: c.ID }) } }, "Approve") : "",
      h("span", { class: "muted small" }, `${first} is listed: an admin must approve before this proves anything.`)) : "",
    c.State === "confirmed" && revealing(c.Action) && !c.Waits ? h("p", { class: "muted small" }, `The page that ${first} has open goes on by itself.`) : "",
    c.State === "confirmed" && !wide && !c.Waits && !revealing(c.Action) ? h("p", { class: "row" },
      c.Usable ? h("button", { type: "button", id: "redeem", class: "button", on: { click: act("redeem") } }, actions.find(([v]) => v === c.Action)?.[1] + " now")
        : h("span", { class: "tag" }, "used, or ended"),
      h("span", { class: "muted small" }, c.Usable ? "The proof works once, for this action and this ticket." : "A proof works once.")) : "",
    c.State === "denied" ? h("p", {}, `End the call. Somebody may be posing as ${p.Name}.`) : "",
    c.State === "expired" ? h("p", {}, "Nobody answered in time. Begin again.") : "",
    pending || c.State === "failed" ? h("p", { class: "row" },
      h("button", { type: "button", id: "renew-" + c.ID, class: "button secondary small", on: { click: act("renew", c.Method === "code" ? { send: "1" } : {}) } }, c.Method === "code" ? "Send a new code" : wide ? "New words" : "New number"),
      c.Method === "code" ? "" : h("button", { type: "button", id: "send-" + c.ID, class: "button secondary small", on: { click: act("renew", { send: "1" }) } }, "Send again"),
      pending ? h("button", { type: "button", id: "cancel-" + c.ID, class: "button danger-quiet small", on: { click: act("cancel") } }, "Cancel") : "") : "");
}

function ticket(p) {
  // The window is opened by the press itself: what comes later would be taken for an advertisement.
  const compact = async () => {
    const w = window.open("about:blank", "_blank", "popup,width=420,height=760");
    const v = await post("launch", {});
    if (v && w) w.location = v.address; else w?.close();
  };
  return h("div", { class: "panel" }, h("h2", { class: "with-icon" }, icon("ticket"), p.Ticket ? `Ticket ${p.Ticket}` : "No ticket yet"), p.About ? h("p", { class: "muted" }, p.About) : "",
    h("div", { class: "tools links" }, h("a", { class: "link small", id: "directory-open", href: "directory" }, "Directory"),
      may("integrations") ? [["psa", "psa", "Ticket system and outbox"], ["office", "microsoft365", "Microsoft 365"], ["teams", "teams", "Teams"]].map(([id, page, text]) =>
        h("a", { class: "link small", id: id + "-open", href: `${page}?tenant=${encodeURIComponent(p.Tenant)}` }, text)) : "",
      p.Ticket ? h("button", { type: "button", id: "pod-open", class: "link small", title: "What the ticket system shows in a frame beside the ticket", on: { click: compact } }, "Compact view") : ""),
    p.Notes.length ? h("ol", { class: "notes" }, p.Notes.map((n) => h("li", { class: n.Alert ? "alert" : "" }, h("time", {}, clock(n.At)), h("span", {}, n.Alert ? h("b", {}, "Alert. ") : "", n.Text, n.Waiting ? h("span", { class: "tag tag-warning", title: "It waits in the outbox until the ticket system takes it" }, "on the way") : "", n.Dead ? h("span", { class: "tag tag-danger", title: "The outbox says why, and can try again" }, "not delivered") : "", n.Public ? h("span", { class: "tag" }, "client sees it") : "", n.Contact ? h("span", { class: "tag" }, "contact's log") : ""))))
      : h("p", { class: "empty" }, "Notes appear here by themselves."));
}

function verifications(p) {
  return h("div", { class: "panel" }, h("h2", { class: "with-icon" }, icon("shield"), "Verifications"),
    p.History.length ? h("ul", { class: "history" }, p.History.map((c) => {
      const [title, sign] = states[c.State] || [c.State, "none"];
      return h("li", {}, h("span", { class: "shield " + sign }, icon(sign)), h("span", {}, h("b", {}, c.State === "failed" && c.Method === "word" ? "Other words heard" : c.State === "cancelled" && c.Delivery === "failed" ? "Not delivered" : title), h("small", {}, `${clock(c.Created)} · ${c.Kind === "technician" ? "technician" : actionWords(c.Action)} · ${channelWords[c.Channel] || c.Channel}, ${c.Method}`)));
    })) : h("p", { class: "empty" }, "Nobody has been verified yet."));
}

function devices() {
  const p = state.data.person, d = state.data, first = p ? p.Name.split(" ")[0] : "";
  if (!p) return [];
  const count = (tab) => tab === "teams" ? p.Chat.filter((m) => !m.Mine).length : p.Messages.filter((m) => m.Device === tab).length;
  const tab = (name, text, ic) => h("button", { type: "button", role: "tab", id: "tab-" + name, "aria-selected": state.tab === name ? "true" : "false", on: { click: () => { state.tab = name; paint(); } } },
    h("span", { class: "tab-icon" }, icon(ic), count(name) ? h("span", { class: "count" }, String(count(name))) : ""), text);
  return [
    h("h2", { class: "eyebrow" }, `You are also the caller: ${first}'s devices`),
    h("div", { class: "phone" },
      h("div", { class: "phone-top", "aria-hidden": "true" }, h("span", { "data-clock": "1" }, clock(d.now)), h("span", { class: "notch" }), h("span", {}, "5G")),
      h("div", { class: "tabs", role: "tablist" }, tab("teams", "Teams", "teams"), tab("sms", "Messages", "phone"), tab("mail", "Mail", "mail")),
      h("div", { class: "screen " + state.tab, role: "tabpanel", "aria-labelledby": "tab-" + state.tab }, screen(p, d))),
    p.Teams && !d.realTeams ? h("button", { type: "button", id: "app", class: "button secondary small", on: { click: () => post("install", { on: String(!p.App) }) } },
      p.App ? "Remove the app from Teams" : "Install the app in Teams") : "",
    h("p", { class: "muted small" }, `Unsure whether a call is real? `, h("a", { href: p.Who, target: "_blank", rel: "noopener" }, `“Is this call real?”`), ` is the page that ${p.Company}'s people use.`),
  ];
}

function screen(p, d) {
  const empty = (text) => h("p", { class: "empty" }, text);
  if (state.tab === "teams") {
    if (!p.Teams) return empty("Nobody knows this person in Teams.");
    return d.realTeams ? empty("This goes to the real device.") : chatOf(p).root;
  }
  if (state.tab === "sms" ? d.realText : d.realMail) return empty("This goes to the real device.");
  const messages = p.Messages.filter((m) => m.Device === state.tab);
  if (messages.length) return messages.map(message);
  return empty(state.tab === "sms" && !p.Phones.length ? "There is no phone on record." : "Nothing yet. Press Verify on the left.");
}

// The chats with the bot, by person. Each keeps its elements, and what is typed into them, as long as the page is open.
const chats = new Map();
const bot = "Northwind IT";

function chatOf(p) {
  const known = chats.get(p.ID);
  if (known) return known;
  const c = { messages: new Map(), top: 0 };
  const say = async (text) => flash(c, await post("say", { text }));
  c.preview = h("span", { class: "chat-preview" });
  c.when = h("time", {});
  c.log = h("div", { class: "chat-log", role: "log", tabindex: "0", "aria-label": `Chat with ${bot}`, on: { scroll: () => { c.top = c.log.scrollTop; } } });
  c.flash = h("p", { class: "chat-flash", role: "status", hidden: true });
  c.field = h("input", { id: "say-" + p.ID, class: "chat-field", maxlength: "500", autocomplete: "off", "aria-label": `Write to ${bot}` });
  c.form = h("form", { class: "chat-say", on: { submit: async (e) => { e.preventDefault(); const text = c.field.value; if (!text.trim()) return; c.field.value = ""; await say(text); } } },
    ["who", "help"].map((w) => h("button", { type: "button", class: "chip", on: { click: () => say(w) } }, w)),
    c.field, h("button", { class: "chat-send", "aria-label": "Send" }, icon("send")));
  c.root = h("div", { class: "chat" },
    h("div", { class: "chat-head" }, avatar(bot), h("span", { class: "chat-title" }, h("b", {}, bot), c.preview), c.when),
    c.log, c.flash, c.form);
  chats.set(p.ID, c);
  return c;
}

// flash shows what the bot answers to a press without a card.
function flash(c, v) {
  clearTimeout(c.timer);
  c.flash.textContent = v?.text || "";
  c.flash.hidden = !c.flash.textContent;
  c.timer = setTimeout(() => { c.flash.hidden = true; }, 8000);
}

// paintChat changes only the messages that are not as they were.
function paintChat() {
  const p = state.data.person;
  if (!p || !p.Teams || state.tab !== "teams" || state.data.realTeams) return;
  const c = chatOf(p);
  const toast = p.Chat.findLast((m) => !m.Mine);
  c.preview.textContent = toast ? toast.Summary || toast.Text : "No message yet";
  c.when.textContent = toast ? clock(toast.At) : "";
  c.root.classList.toggle("chat-gone", !p.App);
  for (const e of c.form.elements) e.disabled = !p.App;
  c.field.placeholder = p.App ? "Write …" : "Not installed";
  let changed = null, entered = false;
  p.Chat.forEach((m, i) => {
    const key = JSON.stringify(m), known = c.messages.get(m.ID);
    if (known && known.key === key) return;
    const node = bubble(p, c, m);
    if (known) {
      entered ||= known.node.contains(document.activeElement);
      known.node.replaceWith(node);
    } else {
      c.log.insertBefore(node, c.log.children[i] || null);
    }
    c.messages.set(m.ID, { key, node });
    changed = node;
  });
  if (!p.Chat.length && !c.log.childElementCount) c.log.append(h("p", { class: "empty" }, p.App ? "Nothing yet. Press Verify, or write “who”." : "The app is not installed here, so the helpdesk takes another way."));
  else if (p.Chat.length) c.log.querySelector(".empty")?.remove();
  // Show a new message from its beginning. Somebody who is typing stays at the field, where the card still has one.
  const field = entered && changed.querySelector("input");
  if (field) c.top += Math.max(0, field.getBoundingClientRect().bottom + 96 - c.log.getBoundingClientRect().bottom);
  else if (changed) c.top = changed.offsetTop - c.log.offsetTop - 8;
  if (c.log.scrollTop !== c.top) c.log.scrollTop = c.top;
  if (entered) (field || c.log).focus({ preventScroll: true });
}

function bubble(p, c, m) {
  let body = h("p", { class: "text" }, m.Text);
  if (m.Card) body = [m.Text ? body : "", cards.draw(m.Card, "card-" + m.ID, async (button, inputs) => {
    const fields = Object.fromEntries(Object.entries(inputs).map(([k, v]) => ["in." + k, v]));
    flash(c, await post("press", { message: m.ID, button, ...fields }));
  })];
  return h("div", { class: "bubble " + (m.Mine ? "mine" : m.Card ? "carded" : "") },
    h("p", { class: "bubble-head" }, m.Mine ? p.Name.split(" ")[0] + " " : "", h("time", {}, clock(m.At))), body);
}

function message(m) {
  const [before, after] = m.Link ? m.Text.split(m.Link) : [m.Text, ""];
  const link = m.Link ? h("a", { class: "button small open", href: m.Link, target: "_blank", rel: "noopener" }, "Open the page") : "";
  return h("article", { class: "message " + m.Device },
    h("header", {}, h("b", {}, m.From), h("time", {}, clock(m.At))),
    m.Subject ? h("h3", {}, m.Subject) : "",
    h("p", { class: "text" }, before, m.Link ? h("span", { class: "url" }, m.Link.replace(/^https?:\/\//, "").slice(0, 30) + "…") : "", after), link);
}

function tick() {
  const now = state.data ? state.data.now : Date.now();
  for (const e of document.querySelectorAll(".countdown")) {
    const left = Math.max(0, Number(e.dataset.until) - now);
    const share = Math.min(1, left / Math.max(1, Number(e.dataset.until) - Number(e.dataset.from)));
    e.textContent = `${Math.floor(left / 60000)}:${String(Math.floor(left / 1000) % 60).padStart(2, "0")}`;
    e.classList.toggle("soon", share < 0.2);
  }
  for (const e of document.querySelectorAll("[data-clock]")) e.textContent = clock(now);
}

function ask(title, text, action, fields) {
  $("ask-title").textContent = title;
  $("ask-text").textContent = text;
  $("ask-reason").value = "";
  const d = $("ask");
  d.returnValue = "";
  d.onclose = () => { if (d.returnValue === "ok") post(action, { reason: $("ask-reason").value, ...fields }); };
  d.showModal();
}

if (!pod) {
  $("advance").addEventListener("click", () => post("advance", {}).then((v) => v && toast("Six minutes have passed.")));
  $("help-open").addEventListener("click", () => $("help").showModal());
}

async function loop() {
  if (!document.hidden) await refresh();
  setTimeout(loop, state.error ? 3000 : 800);
}
loop();
