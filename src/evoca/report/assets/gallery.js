/* What opens when a number is chosen: the images behind it. */
const gallery = $("gallery");

function runAround(node) {
  return DATA.runs[Number(node.closest("[data-run]").dataset.run)];
}

function openGallery(button) {
  const run = runAround(button);
  const request = JSON.parse(button.dataset.open);
  let rows = matching(run, request);
  if (!request.rows) rows = rows.sort(ORDERS.surest(run));
  $("gallery-title").textContent = button.dataset.title;
  $("gallery-count").textContent = `${rows.length.toLocaleString("en")} image${rows.length === 1 ? "" : "s"}`;
  const more = gallery.querySelector(".more").cloneNode();
  gallery.querySelector(".more").replaceWith(more);
  new Grid(run, gallery.querySelector(".grid"), more).show(rows);
  gallery.showModal();
  gallery.scrollTop = 0;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open]");
  if (button) openGallery(button);
});

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

for (const list of document.querySelectorAll("[data-fill]")) {
  const run = runAround(list);
  new Grid(run, list).show(matching(run, JSON.parse(list.dataset.fill)));
}
