// What scripts add to the desk's pages: single keys, off where console.js has them off. Nothing needs
// them.

/** Move the focus to the next (1) or previous (-1) of the page's rows or entries. */
function step(by) {
  const rows = [...document.querySelectorAll("[data-row] [data-open], .timeline > .entry")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
  if (!next.matches("a")) next.tabIndex = -1;
  next.focus();
}

/** Go to the text field of a case, and say what the text is. */
function write(act) {
  const choice = document.querySelector(`#composer [name=act][value=${act}]`);
  if (!choice) return;
  choice.checked = true;
  document.getElementById("text-write").focus();
}

/** Open the drawer with the form for an escalation. */
function escalate() {
  const drawer = document.getElementById("escalate");
  if (!drawer) return;
  drawer.open = true;
  drawer.querySelector("textarea").focus();
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  r: () => write("message"),
  n: () => write("note"),
  e: escalate,
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!("shortcuts" in document.documentElement.dataset) || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});
