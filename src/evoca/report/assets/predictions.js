/* Predictions without labels: cards with bars, evidence on hover and focus, filters and orders. */
const predicted = DATA.runs[0];
const SHOWN_BARS = 3;

function doubt(run, row) {
  return run.permille[row].reduce((sum, p) => (p ? sum - (p / 1000) * Math.log(p / 1000) : sum), 0);
}

Object.assign(ORDERS, {
  given: () => (a, b) => a - b,
  positive: (run) => (a, b) => run.positive[b] - run.positive[a],
  negative: (run) => (a, b) => run.positive[a] - run.positive[b],
  doubt: (run) => (a, b) => doubt(run, b) - doubt(run, a),
  sure: (run) => (a, b) => doubt(run, a) - doubt(run, b),
});
for (const label of predicted.labels.keys()) {
  ORDERS[`e${label}`] = (run) => (a, b) => run.permille[b][label] - run.permille[a][label];
}

/* The likeliest emotions, and the one that is asked for where it is not among them. */
function shownLabels(run, row) {
  const ranked = [...run.labels.keys()].sort((a, b) => run.permille[row][b] - run.permille[row][a]);
  const first = ranked.slice(0, SHOWN_BARS);
  if (run.focus !== null && !first.includes(run.focus)) first[SHOWN_BARS - 1] = run.focus;
  return first;
}

function predictedCard(run, row, open) {
  const number = run.images[row];
  const view = pictureButton(run, row, open);
  const name = nameButton(run, row, open);
  name.textContent = DATA.names[number].split("/").pop();
  const bars = element("ul", { className: "short-bars" });
  for (const label of shownLabels(run, row)) {
    const line = element("li", { className: run.sets[row].includes(label) ? "" : "outside" },
      emotionName(run.labels[label]),
      element("span", { className: "track" }, bar("fill", run.labels[label], run.permille[row][label])),
      element("span", { className: "right", textContent: percent(run.permille[row][label]) }));
    line.addEventListener("pointerenter", () => explain(run, row, view, label));
    line.addEventListener("pointerleave", () => unexplain(view));
    bars.append(line);
  }
  view.addEventListener("pointerenter", (event) => {
    if (event.pointerType !== "touch") explain(run, row, view);
  });
  view.addEventListener("pointerleave", () => unexplain(view));
  view.addEventListener("focus", () => {
    if (view.matches(":focus-visible")) explain(run, row, view);
  });
  view.addEventListener("blur", () => unexplain(view));
  return element("li", { className: "card" }, view,
    element("p", { className: "name", title: DATA.names[number] }, name), bars,
    element("p", { className: "quiet", textContent: summary(run, row) }));
}

function summary(run, row) {
  const plausible = run.sets[row].length;
  const parts = [`${plausible} plausible`];
  if (run.positive) parts.unshift(polarityShare(run, row));
  if (run.notes[row].length) parts.push("note");
  return parts.join(" · ");
}

/* The map over a thumbnail, cut as the thumbnail is. */
function explain(run, row, view, label = run.focus ?? run.answer[row]) {
  const number = run.images[row];
  const map = run.maps?.images[number];
  const picture = view.querySelector("img");
  unexplain(view);
  if (!map || !picture.naturalWidth || isCovered(run, row)) return;
  const cells = element("canvas", { width: map.width, height: map.height });
  drawHeat(cells, map, run.maps.labels.indexOf(run.labels[label].name));
  const canvas = element("canvas", { width: picture.naturalWidth, height: picture.naturalHeight });
  canvas.setAttribute("aria-hidden", "true");
  const [left, top, right, bottom] = map.region;
  canvas.getContext("2d").drawImage(cells, left * canvas.width, top * canvas.height,
    (right - left) * canvas.width, (bottom - top) * canvas.height);
  const said = element("span", { className: "says", textContent: `for ${run.labels[label].name}` });
  said.setAttribute("aria-hidden", "true");
  view.append(canvas, said);
  view.classList.add("explained");
}

function unexplain(view) {
  view.classList.remove("explained");
  for (const part of view.querySelectorAll("canvas, .says")) part.remove();
}

const form = document.querySelector(".filters");
const section = form.closest("section");
const images = new Grid(predicted, section.querySelector(".all-images"), section.querySelector(".more"), predictedCard);
predicted.focus = null;

function refresh() {
  const chosen = new FormData(form);
  const likeliest = chosen.getAll("likeliest").map(Number);
  const plausible = chosen.get("plausible");
  const polarity = chosen.get("polarity");
  const noted = chosen.get("noted");
  const [fewest, most] = (chosen.get("doubt") || "0 99").split(" ").map(Number);
  const wanted = chosen.get("text").toLowerCase();
  const order = chosen.get("order");
  if (/^e\d+$/.test(order)) predicted.focus = Number(order.slice(1));
  else predicted.focus = plausible ? Number(plausible) : null;
  const rows = [...predicted.images.keys()].filter((row) => {
    const set = predicted.sets[row];
    return (!likeliest.length || likeliest.includes(predicted.answer[row]))
      && (!plausible || set.includes(Number(plausible)))
      && (!polarity || (polarity === "positive") === isPositive(predicted, row))
      && (!noted || (noted === "yes") === predicted.notes[row].length > 0)
      && set.length >= fewest && set.length <= most
      && DATA.names[predicted.images[row]].toLowerCase().includes(wanted);
  }).sort(ORDERS[order](predicted));
  const total = predicted.images.length.toLocaleString("en");
  section.querySelector(".shown-count").textContent = `${rows.length.toLocaleString("en")} of ${total} images`;
  images.show(rows);
}

form.elements.order.value = DATA.order;
for (const option of form.elements.order.options) option.defaultSelected = option.value === DATA.order;
form.addEventListener("input", refresh);
form.addEventListener("reset", () => setTimeout(refresh));
form.addEventListener("submit", (event) => event.preventDefault());
refresh();

/* Scrolling on shows more; the button is for the keyboard. */
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && !images.more.hidden) images.grow(false);
}, { rootMargin: "600px" }).observe(images.more);
