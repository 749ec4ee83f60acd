/* All images of a run, filtered and ordered. */
for (const form of document.querySelectorAll(".filters")) {
  const section = form.closest("section");
  const run = runAround(form);
  const grid = new Grid(run, section.querySelector(".all-images"), section.querySelector(".more"));

  const refresh = () => {
    const chosen = Object.fromEntries(new FormData(form));
    const request = {};
    for (const key of ["truth", "predicted"]) if (chosen[key]) request[key] = Number(chosen[key]);
    for (const key of ["outcome", "agreement", "trait"]) if (chosen[key]) request[key] = chosen[key];
    const wanted = chosen.text.toLowerCase();
    const rows = matching(run, request)
      .filter((row) => DATA.names[run.images[row]].toLowerCase().includes(wanted))
      .sort(ORDERS[chosen.order](run));
    const total = run.images.length.toLocaleString("en");
    section.querySelector(".shown-count").textContent = `${rows.length.toLocaleString("en")} of ${total} images`;
    grid.show(rows);
  };
  form.addEventListener("input", refresh);
  form.addEventListener("reset", () => setTimeout(refresh));
  form.addEventListener("submit", (event) => event.preventDefault());
  refresh();
}
