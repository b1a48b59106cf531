// What scripts add to pages that work without them: copying, shortcuts, the device's time zone.
// One module, no globals; nothing here is needed to complete a journey.

const announcer = document.getElementById("announcer");
document.documentElement.classList.add("has-script");

/** Tell people who listen to the page, without moving their focus. */
function announce(text) {
  announcer.textContent = "";
  requestAnimationFrame(() => { announcer.textContent = text; });
}

// The zone of the device, for pages without a signed-in viewer; who signs in has a setting.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes("merpati_zone=")) {
  document.cookie = `merpati_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.dataset.copy;
  let text = source;
  if (source === "here") text = location.href;
  if (source.startsWith("#")) text = document.querySelector(source).textContent.trim();
  await navigator.clipboard.writeText(text);
  const label = button.querySelector("[data-label]") ?? button;
  const before = label.textContent;
  label.textContent = button.dataset.copied;
  announce(button.dataset.copied);
  setTimeout(() => { label.textContent = before; }, 2000);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// A menu closes when somebody clicks elsewhere or presses Escape.
function closeMenus(besides) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(besides)) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("[data-menu][open]");
  closeMenus(null);
  if (open?.contains(document.activeElement)) open.querySelector("summary").focus();
});

// The browser's own control speaks the browser's language, so ours lies below it and names the files.
for (const choice of document.querySelectorAll("[data-file-choice]")) {
  const [input, chosen] = [choice.querySelector("input"), choice.querySelector(".file-chosen")];
  const show = () => {
    chosen.textContent = [...input.files].map((file) => file.name).join(", ") || chosen.dataset.none;
  };
  input.addEventListener("change", show);
  show();
}

// A form is sent once: the second click of an impatient hand does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// "/" searches, "?" lists the keys, Ctrl-K or Command-K opens the palette. Single keys can be turned
// off, and never act while somebody types.
const palette = document.getElementById("palette");
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) {
    event.preventDefault();
    palette.showModal();
    palette.querySelector("input").dispatchEvent(new Event("palette-opened"));
    return;
  }
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!("shortcuts" in document.documentElement.dataset)) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("search")?.focus();
  } else if (event.key === "?") {
    document.getElementById("shortcuts")?.showModal();
  }
});

// After a refused form the focus goes to the list of what is wrong.
document.querySelector(".error-summary")?.focus();
