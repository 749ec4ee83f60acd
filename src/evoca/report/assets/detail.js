/* One image in full: its distribution, its prediction set, and where the evidence lies. */
const detail = $("detail");
let shown = { run: null, rows: [], row: 0 };

function showDetail(run, rows, row) {
  shown = { run, rows, row };
  drawDetail();
  if (!detail.open) detail.showModal();
}

function drawDetail() {
  const { run, rows, row } = shown;
  const number = run.images[row];
  const place = rows.indexOf(row);
  $("detail-title").textContent = DATA.names[number];
  detail.querySelector(".previous").disabled = place <= 0;
  detail.querySelector(".next").disabled = place >= rows.length - 1;
  const content = detail.querySelector(".content");
  content.classList.toggle("pictured", hasPicture(number));
  content.replaceChildren(...(hasPicture(number) ? [plainPicture(run, row)] : []));
  const map = run.maps?.images[number];
  if (map && hasPicture(number)) content.append(evidence(run, row, map));
  content.append(distribution(run, row));
}

function step(by) {
  const next = shown.rows[shown.rows.indexOf(shown.row) + by];
  if (next === undefined) return;
  shown.row = next;
  drawDetail();
  $("spoken").textContent = `${DATA.names[shown.run.images[next]]}: ${described(shown.run, next)}`;
}

function wholePicture(number, alt) {
  return element("img", { alt, src: pictureAddress(number) });
}

function plainPicture(run, row) {
  const number = run.images[row];
  const picture = wholePicture(number, `${DATA.names[number]}: ${described(run, row)}`);
  const view = element("div", { className: "view" }, picture);
  if (isDelicate(run, row)) {
    view.dataset.delicate = number;
    view.classList.toggle("covered", isCovered(run, row));
    const button = element("button", { type: "button", className: "cover", textContent: "Show" });
    button.addEventListener("click", () => uncover(number));
    view.append(button);
  }
  return element("figure", {}, view);
}

function distribution(run, row) {
  const order = [...run.labels.keys()].sort((a, b) => run.permille[row][b] - run.permille[row][a]);
  const caption = element("caption", { className: "unseen", textContent: "Predicted distribution" });
  const table = element("table", { className: "bars" }, caption);
  for (const label of order) table.append(distributionRow(run, row, label));
  const notes = [];
  if (run.votes?.[row]) notes.push("The thin line is the share of viewers.");
  if (run.agreement[row]) notes.push(`The viewers' votes are ${run.agreement[row]}.`);
  if (run.positive) notes.push(polarityMeaning(run, row));
  if (run.affect?.[row]) notes.push(`Predicted: ${run.affect[row]}.`);
  if (run.notes?.[row].length) notes.push(`Note: ${run.notes[row].join("; ")}.`);
  const traits = [...TRAITS].filter(([, numbers]) => numbers.has(run.images[row])).map(([name]) => name);
  if (traits.length) notes.push(`In the picture: ${traits.join(", ")}.`);
  return element("div", {}, table, element("p", { className: "quiet", textContent: notes.join(" ") }));
}

/* What "anger 31%" above "positive 51%" means. */
function polarityMeaning(run, row) {
  const top = run.labels[run.answer[row]];
  const side = isPositive(run, row) ? "positive" : "negative";
  const sum = `On the whole ${polarityShare(run, row)}: the shares of all ${side} emotions together.`;
  if (top.positive === isPositive(run, row)) return sum;
  return `${sum} ${top.name} is the likeliest single emotion, but the ${side} ones together have more.`;
}

function distributionRow(run, row, label) {
  const inSet = !run.sets || run.sets[row].includes(label);
  const head = element("th", { scope: "row" }, emotionName(run.labels[label]));
  if (run.truth[row] === label) head.append(chip("true"));
  if (run.sets && inSet) head.append(chip("in set"));
  const track = element("div", { className: "track" }, bar("fill", run.labels[label], run.permille[row][label]));
  if (run.votes?.[row]) track.append(bar("fill votes", run.labels[label], run.votes[row][label]));
  return element("tr", { className: inSet ? "" : "outside" }, head, element("td", {}, track),
    element("td", { textContent: percent(run.permille[row][label]) }));
}

function chip(text) {
  return element("span", { className: "chip", textContent: text });
}

function bar(className, label, permille) {
  const made = element("div", { className: `${className} ${label.css}` });
  made.style.width = `${permille / 10}%`;
  made.hidden = permille === 0;
  return made;
}

/* The map of one label laid over the greyed picture, as `evoca predict --explain` draws it. */
function evidence(run, row, map) {
  const number = run.images[row];
  const canvas = element("canvas", { width: map.width, height: map.height });
  canvas.setAttribute("aria-hidden", "true");
  const [left, top, right, bottom] = map.region;
  Object.assign(canvas.style, {
    left: `${left * 100}%`, top: `${top * 100}%`,
    width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%`,
  });
  const view = element("div", { className: "view evidence" },
    element("div", { className: "fit" }, wholePicture(number, ""), canvas));
  if (isDelicate(run, row)) {
    view.dataset.delicate = number;
    view.classList.toggle("covered", isCovered(run, row));
  }
  const choice = element("fieldset", { className: "maps" },
    element("legend", { className: "quiet", textContent: "Bright places speak for" }));
  const labels = run.maps.labels;
  const ranked = [...run.labels.keys()].sort((a, b) => run.permille[row][b] - run.permille[row][a]);
  const first = run.focus ?? run.answer[row];
  const chosen = new Set([first, run.truth[row], ...ranked].filter((label) => label >= 0));
  for (const label of chosen) {
    const name = run.labels[label].name;
    if (!labels.includes(name)) continue;
    const radio = element("input", { type: "radio", name: "map", value: name });
    radio.addEventListener("change", () => drawHeat(canvas, map, labels.indexOf(name)));
    choice.append(element("label", {}, radio, emotionName(run.labels[label])));
  }
  const shownFirst = choice.querySelector("input");
  if (shownFirst) {
    shownFirst.checked = true;
    drawHeat(canvas, map, labels.indexOf(shownFirst.value));
  }
  return element("figure", {}, view, choice);
}

function drawHeat(canvas, map, label) {
  const cells = Uint8Array.from(atob(map.cells), (character) => character.charCodeAt(0));
  const size = map.width * map.height;
  const image = new ImageData(map.width, map.height);
  for (let i = 0; i < size; i += 1) {
    const level = cells[label * size + i] / 255;
    image.data.set([...rampColour(level), 255 * DATA.heat.opacity * Math.min(1, level * 1.6)], i * 4);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function rampColour(level) {
  const { ramp } = DATA.heat;
  const at = level * (ramp.length - 1);
  const below = Math.min(Math.floor(at), ramp.length - 2);
  return [0, 1, 2].map((c) => ramp[below][c] + (at - below) * (ramp[below + 1][c] - ramp[below][c]));
}

detail.querySelector(".previous").addEventListener("click", () => step(-1));
detail.querySelector(".next").addEventListener("click", () => step(1));
detail.addEventListener("keydown", (event) => {
  if (event.target.matches("input")) return;
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
