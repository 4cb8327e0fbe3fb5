// What the page of the brand does better with a script: it counts while one types, keeps the two fields of the colour
// equal, and says at once that a file is too large. Without it the server says the same at the next preview.
(() => {
  "use strict";
  const form = document.querySelector(".brand-form");
  if (!form) return;
  const texts = JSON.parse(form.dataset.texts);
  const fill = (key, values) => texts[key].replace(/\{([a-z]+)\}/g, (_, name) => values[name]);

  // Characters are counted as the server counts them: code points, a line break as one, no space around the text.
  for (const field of form.querySelectorAll("[data-max]")) {
    const count = document.getElementById(field.id + "-count");
    const max = Number(field.dataset.max);
    const show = () => {
      const n = Array.from(field.value.trim()).length;
      const over = n > max;
      count.textContent = fill(over ? "over" : "count", {n, max, over: n - max});
      count.classList.toggle("over", over);
      if (over) field.setAttribute("aria-invalid", "true");
      else if (!document.getElementById(field.id + "-error")) field.removeAttribute("aria-invalid");
    };
    field.addEventListener("input", show);
    show();
  }

  const accent = document.getElementById("accent");
  const pick = document.getElementById("accent-pick");
  const follow = () => {
    if (/^#[0-9a-f]{6}$/i.test(accent.value.trim())) pick.value = accent.value.trim().toLowerCase();
  };
  accent.addEventListener("input", follow);
  pick.addEventListener("input", () => { accent.value = pick.value; });
  follow();
  document.querySelector(".accent-pick").hidden = false;

  // A file that is too large is not sent: the server would end the connection in the middle of it.
  const logo = document.getElementById("logo");
  const large = document.getElementById("logo-large");
  const most = Number(logo.dataset.most);
  const mib = n => (n / 1048576).toFixed(1);
  logo.addEventListener("change", () => {
    const file = logo.files[0];
    large.hidden = !file || file.size <= most;
    if (large.hidden) return;
    large.lastElementChild.textContent = fill("large", {size: mib(file.size), most: mib(most)});
    logo.value = "";
  });
})();
