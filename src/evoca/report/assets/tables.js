/* Tables that sort by the column whose heading is chosen. */
function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  for (const head of heads) {
    head.querySelector("button")?.addEventListener("click", () => {
      const descending = head.ariaSort === "ascending";
      for (const other of heads) if (other.ariaSort) other.ariaSort = "none";
      head.ariaSort = descending ? "descending" : "ascending";
      const column = heads.indexOf(head);
      const value = (row) => row.cells[column].dataset.value;
      const numeric = [...table.tBodies[0].rows].every((row) => !Number.isNaN(Number(value(row))));
      const compare = numeric
        ? (a, b) => value(a) - value(b)
        : (a, b) => value(a).localeCompare(value(b));
      const rows = [...table.tBodies[0].rows].sort(compare);
      table.tBodies[0].append(...(descending ? rows.reverse() : rows));
    });
  }
}

document.querySelectorAll(".sortable").forEach(sortable);
