/* The confusion matrix: one stop for the Tab key, arrow keys inside. */
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

for (const table of document.querySelectorAll(".matrix")) {
  const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1));
  const buttons = [...table.querySelectorAll("td button")];
  buttons.forEach((button, i) => { button.tabIndex = i ? -1 : 0; });

  const enter = (button) => {
    for (const other of buttons) other.tabIndex = other === button ? 0 : -1;
    button.focus();
  };
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    const r = rows.findIndex((row) => row.includes(cell)) + step[0];
    const next = rows[r]?.[rows[r - step[0]].indexOf(cell) + step[1]];
    if (next) enter(next.querySelector("button"));
  });
  for (const radio of table.closest("section").querySelectorAll(".switch input")) {
    radio.addEventListener("change", () => table.classList.toggle("shares", radio.value === "share"));
  }
}
