/* One image with its label and prediction, and lists of them that grow on request. */
function emotionName(label) {
  const glyph = element("span", { className: "glyph", textContent: label.glyph });
  glyph.setAttribute("aria-hidden", "true");
  return element("span", { className: `emotion ${label.css}` }, glyph, label.name);
}

function described(run, row) {
  const truth = run.truth[row];
  const predicted = run.labels[run.answer[row]].name;
  const said = `predicted ${predicted}, ${percent(confidence(run, row))}`;
  return truth < 0 ? said : `labelled ${run.labels[truth].name}, ${said}`;
}

function card(run, row, open) {
  const number = run.images[row];
  const parts = hasPicture(number) ? [pictureButton(run, row, open)] : [];
  if (!parts.length && DATA.pictures[number]) {
    parts.push(element("div", { className: "view lost", textContent: DATA.pictures[number] }));
  }
  parts.push(element("p", { className: "name", title: DATA.names[number] }, nameButton(run, row, open)));
  parts.push(pair(run, row));
  return element("li", { className: "card" }, ...parts);
}

function nameButton(run, row, open) {
  const name = DATA.names[run.images[row]];
  const button = element("button", { type: "button", className: "link", textContent: name });
  button.addEventListener("click", () => open(row));
  return button;
}

function pictureButton(run, row, open) {
  const number = run.images[row];
  const view = element("button", { type: "button", className: "view" }, lazyPicture(number));
  const name = `${DATA.names[number]}: ${described(run, row)}`;
  const describe = () => {
    const covered = view.classList.contains("covered");
    view.setAttribute("aria-label", covered ? `Show the image ${name}` : `Open ${name}`);
  };
  if (isDelicate(run, row)) {
    view.dataset.delicate = number;
    view.classList.toggle("covered", isCovered(run, row));
    view.append(element("span", { className: "cover", textContent: "Show" }));
    view.addEventListener("coverchange", describe);
  }
  describe();
  view.addEventListener("click", () => (isCovered(run, row) ? uncover(number) : open(row)));
  return view;
}

function pair(run, row) {
  const truth = run.truth[row];
  const predicted = run.answer[row];
  const cells = [];
  if (truth >= 0 && truth !== predicted) cells.push(["true", truth]);
  cells.push([truth === predicted ? "right" : "model", predicted]);
  const spans = cells.flatMap(([role, label]) => [
    element("span", { className: "role", textContent: role }),
    emotionName(run.labels[label]),
    element("span", { textContent: percent(run.permille[row][label]) }),
  ]);
  const repeats = run.predicted[row].length;
  if (repeats > 1 && truth >= 0) {
    const wrong = run.predicted[row].filter((label) => label !== truth).length;
    const note = element("span", { className: "role", textContent: `wrong in ${wrong} of ${repeats}` });
    note.classList.add("wide-cell");
    spans.push(note);
  }
  return element("p", { className: "pair" }, ...spans);
}

/* A list of cards: the first of them, and a button for more. */
class Grid {
  constructor(run, list, more, make = card) {
    Object.assign(this, { run, list, more, make, rows: [] });
    more?.addEventListener("click", () => this.grow(true));
  }

  show(rows) {
    this.rows = rows;
    this.list.replaceChildren();
    this.grow(false);
  }

  grow(focus) {
    const from = this.list.children.length;
    const rows = this.rows.slice(from, from + PAGE_SIZE);
    this.list.append(...rows.map((row) => this.make(this.run, row, (chosen) => showDetail(this.run, this.rows, chosen))));
    if (focus) this.list.children[from]?.querySelector("button")?.focus();
    const left = this.rows.length - this.list.children.length;
    if (!this.more) return;
    this.more.hidden = left === 0;
    this.more.textContent = `Show ${Math.min(left, PAGE_SIZE)} more of ${left.toLocaleString("en")}`;
  }
}
