// Draws Adaptive Cards, as far as this example's bot uses them. Everything is built from text nodes, so that nothing in a
// card can become markup; what is not known here is said instead of hidden.
"use strict";

const cards = (() => {
  const element = (tag, cls, text) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls.filter((c) => c).join(" ");
    if (text !== undefined) e.textContent = text;
    return e;
  };

  // one returns a class for a value that the format knows, and none for any other.
  const one = (prefix, value, known) => {
    const v = String(value || "").toLowerCase();
    return known.includes(v) ? prefix + v : "";
  };
  const colors = ["accent", "good", "warning", "attention", "light", "dark"];
  const spacings = ["none", "extrasmall", "small", "medium", "large", "extralarge", "padding"];
  const textStyle = (t) => [
    one("ac-size-", t.size, ["small", "medium", "large", "extralarge"]), one("ac-weight-", t.weight, ["lighter", "bolder"]),
    one("ac-color-", t.color, colors), t.isSubtle ? "ac-subtle" : "", one("ac-font-", t.fontType, ["monospace"]),
    t.italic ? "ac-italic" : "", t.strikethrough ? "ac-strike" : "", t.underline ? "ac-underline" : "",
  ];
  const align = (e) => one("ac-align-", e.horizontalAlignment, ["center", "right"]);

  const drawers = {
    TextBlock(e) {
      const heading = String(e.style).toLowerCase() === "heading";
      return element(heading ? "h3" : "p", ["ac-text", align(e), e.wrap ? "" : "ac-nowrap", ...textStyle(e)], e.text || "");
    },
    RichTextBlock(e) {
      const p = element("p", ["ac-text", align(e)]);
      for (const run of e.inlines || []) {
        if (typeof run === "string") p.append(run);
        else p.append(element("span", textStyle(run), run.text || ""));
      }
      return p;
    },
    ColumnSet(e, c) {
      const row = element("div", ["ac-columns"]);
      for (const column of e.columns || []) {
        const cell = element("div", ["ac-column", container(column)]);
        const width = column.width === undefined ? "stretch" : String(column.width);
        if (/^\d+px$/.test(width)) cell.style.flex = `0 0 ${width}`;
        else if (/^\d+(\.\d+)?$/.test(width)) cell.style.flex = `${width} ${width} 0`;
        else cell.style.flex = width === "auto" ? "0 1 auto" : "1 1 0";
        all(column.items, cell, c);
        row.append(cell);
      }
      return row;
    },
    Container(e, c) {
      const box = element("div", ["ac-container", container(e)]);
      all(e.items, box, c);
      return box;
    },
    FactSet(e) {
      const list = element("dl", ["ac-facts"]);
      for (const f of e.facts || []) list.append(element("dt", [], f.title || ""), element("dd", [], f.value || ""));
      return list;
    },
    // The page may load nothing from elsewhere, so a picture is its text.
    Image(e) {
      return element("p", ["ac-image"], e.altText || "A picture");
    },
    ActionSet(e, c) {
      return buttons(e.actions, c);
    },
    "Input.Text"(e, c) {
      const id = `${c.id}-${e.id}`;
      const box = element("div", ["ac-field"]);
      const label = element("label", [], e.label || e.id);
      label.htmlFor = id;
      if (e.isRequired) label.append(element("span", ["ac-required"], " *"));
      const input = document.createElement(e.isMultiline ? "textarea" : "input");
      input.id = id;
      input.autocomplete = "off";
      if (!e.isMultiline) input.type = { tel: "tel", email: "email", url: "url", password: "password" }[String(e.style).toLowerCase()] || "text";
      if (e.placeholder) input.placeholder = e.placeholder;
      if (e.maxLength > 0) input.maxLength = e.maxLength;
      if (e.value) input.value = e.value;
      const error = element("p", ["ac-error"], e.errorMessage || "This field is required.");
      error.id = id + "-error";
      error.hidden = true;
      c.inputs.push({
        name: e.id, input,
        // fits is what the client checks before it sends anything.
        fits() {
          const ok = !e.isRequired || input.value.trim() !== "";
          error.hidden = ok;
          for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", error.id]]) {
            if (ok) input.removeAttribute(name);
            else input.setAttribute(name, value);
          }
          return ok;
        },
      });
      // Enter presses the first button, as in Teams.
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !e.isMultiline && !event.isComposing) { event.preventDefault(); c.first?.click(); }
      });
      box.append(label, input, error);
      return box;
    },
  };

  const container = (e) => one("ac-style-", e.style, ["emphasis", "accent", "good", "warning", "attention"]);

  // all draws elements into a parent, with the spaces between them.
  function all(list, parent, c) {
    for (const e of list || []) {
      if (!e || e.isVisible === false) continue;
      const drawn = draw(e, c);
      if (!drawn) continue;
      if (parent.childElementCount) {
        drawn.classList.add(one("ac-space-", e.spacing, spacings) || "ac-space-default");
        if (e.separator) drawn.classList.add("ac-separator");
      }
      parent.append(drawn);
    }
  }

  function draw(e, c) {
    if (Object.hasOwn(drawers, e.type)) return drawers[e.type](e, c);
    if (e.fallback === "drop") return null;
    if (e.fallback && typeof e.fallback === "object") return draw(e.fallback, c);
    return element("p", ["ac-unknown"], `${c.fallbackText || "This part cannot be shown here."} (${e.type})`);
  }

  const known = ["Action.Execute", "Action.Submit", "Action.OpenUrl"];

  function buttons(list, c) {
    const row = element("div", ["ac-actions"]);
    for (const a of list || []) {
      const shown = known.includes(a.type) ? a : a.fallback;
      if (shown === "drop") continue;
      if (!known.includes(shown?.type)) {
        row.append(element("p", ["ac-unknown"], `${a.title || "A button"} (${a.type})`));
        continue;
      }
      const b = element("button", ["ac-button", one("ac-", shown.style, ["positive", "destructive"])], shown.title || "");
      b.type = "button";
      b.disabled = shown.isEnabled === false;
      if (shown.type === "Action.OpenUrl") {
        b.addEventListener("click", () => { if (/^https:\/\//i.test(shown.url) || String(shown.url).startsWith(location.origin + "/")) window.open(shown.url, "_blank", "noopener"); });
      } else {
        if (!c.first) c.first = b;
        b.addEventListener("click", () => press(shown, b, row, c));
      }
      row.append(b);
    }
    return row;
  }

  async function press(action, button, row, c) {
    const inputs = {};
    if (String(action.associatedInputs).toLowerCase() !== "none") {
      const bad = c.inputs.filter((i) => !i.fits()); // not find: each says what is wrong with it
      if (bad.length) { bad[0].input.focus(); return; }
      for (const i of c.inputs) inputs[i.name] = i.input.value;
    }
    const others = [...row.querySelectorAll("button")], before = others.map((b) => b.disabled);
    for (const b of others) b.disabled = true;
    button.setAttribute("aria-busy", "true");
    try {
      await c.press(action.title || action.verb, inputs);
    } finally {
      others.forEach((b, i) => { b.disabled = before[i]; });
      button.removeAttribute("aria-busy");
    }
  }

  return {
    // draw returns a card as an element. id is unique on the page; press(button, inputs) is called for a button that the
    // bot answers.
    draw(card, id, press) {
      const root = element("div", ["ac-card"]);
      const c = { id, press, inputs: [], first: null, fallbackText: card.fallbackText };
      if (card.lang) root.lang = card.lang;
      if (card.type !== "AdaptiveCard") {
        root.append(element("p", ["ac-unknown"], card.fallbackText || "This card cannot be shown here."));
        return root;
      }
      all(card.body, root, c);
      if (card.actions?.length) {
        const row = buttons(card.actions, c);
        row.classList.add("ac-space-large");
        root.append(row);
      }
      return root;
    },
  };
})();
