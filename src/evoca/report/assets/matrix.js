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
    let r = rows.findIndex((row) => row.includes(cell));
    let c = rows[r].indexOf(cell);
    /* Empty cells are passed over. */
    do { r += step[0]; c += step[1]; } while (rows[r]?.[c] && !rows[r][c].querySelector("button"));
    const next = rows[r]?.[c]?.querySelector("button");
    if (next) enter(next);
  });
  for (const radio of table.closest("section").querySelectorAll(".switch input")) {
    radio.addEventListener("change", () => table.classList.toggle("shares", radio.value === "share"));
  }
}
