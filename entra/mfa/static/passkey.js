// The one script: it asks the browser for a passkey and sends the form with the answer. Nothing is sent by itself.
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => (list || []).map((c) => ({ ...c, id: bytes(c.id) }));

  async function ask(create, options) {
    options.challenge = bytes(options.challenge);
    if (create) {
      options.user.id = bytes(options.user.id);
      options.excludeCredentials = ids(options.excludeCredentials);
      return navigator.credentials.create({ publicKey: options });
    }
    options.allowCredentials = ids(options.allowCredentials);
    return navigator.credentials.get({ publicKey: options });
  }

  function answer(credential) {
    const r = credential.response;
    const response = { clientDataJSON: text(r.clientDataJSON) };
    if (r.attestationObject) {
      response.attestationObject = text(r.attestationObject);
      response.transports = r.getTransports ? r.getTransports() : [];
    } else {
      response.authenticatorData = text(r.authenticatorData);
      response.signature = text(r.signature);
      if (r.userHandle) response.userHandle = text(r.userHandle);
    }
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: {},
      response,
    });
  }

  const form = document.querySelector("form[data-passkey]");
  if (!form) return;
  if (!window.PublicKeyCredential || !navigator.credentials) {
    document.querySelector("[data-unsupported]").hidden = false;
    return;
  }
  form.hidden = false;
  const button = form.querySelector("button");
  const fail = (name) => {
    for (const p of form.querySelectorAll("[data-failed]")) p.hidden = p.dataset.failed !== name;
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    fail("");
    try {
      const credential = await ask(form.dataset.passkey === "create", JSON.parse(form.dataset.options));
      form.elements.answer.value = answer(credential);
      form.submit();
    } catch (e) {
      fail(e.name === "InvalidStateError" ? "known" : "cancelled");
      button.disabled = false;
      button.focus();
    }
  });
})();
