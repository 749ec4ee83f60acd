// A film with its timeline under it: a click or a drag goes there.

import { drawn, element, percent } from "../dom.js";

const WIDTH = 1000;
const HEIGHT = 100;

export class FilmView {
  #timeline = null;

  constructor(place, backend, vocabulary, films) {
    Object.assign(this, { place, backend, vocabulary });
    place.hidden = false;
    this.video = element("video", { controls: true, preload: "metadata" });
    this.video.addEventListener("timeupdate", () => this.#show(this.video.currentTime));
    this.video.addEventListener("error", () => this.#cannotPlay());
    this.now = element("p", { class: "now", "aria-live": "off" });
    this.chart = element("div");
    const select = element("select", { onchange: () => this.open(select.value) }, ...films.map((film) => element("option", { value: film }, film)));
    this.select = select;
    place.replaceChildren(element("p", {}, element("label", { class: "field" }, "Film", select)), this.video, this.now, this.chart);
    this.open(films[0]);
  }

  async open(film) {
    this.select.value = film;
    this.film = film;
    this.#timeline = await this.backend.film(film);
    this.video.hidden = false;
    this.video.src = this.#timeline.address;
    this.video.ariaLabel = `The film ${film}`;
    this.#draw();
    this.#show(0);
  }

  async goTo(film, time) {
    if (film !== this.film) await this.open(film);
    this.#seek(time);
    this.place.scrollIntoView({ block: "nearest" });
  }

  #cannotPlay() {
    this.video.hidden = true;
  }

  #seek(time) {
    this.video.currentTime = time;
    this.#show(time);
  }

  get #end() {
    const { times, shots } = this.#timeline;
    return Math.max(times.at(-1), shots.at(-1)?.[1] ?? 0, 0.001);
  }

  #draw() {
    const { shots } = this.#timeline;
    const x = (time) => (WIDTH * time) / this.#end;
    this.needle = drawn("line", { class: "needle", y1: 0, y2: HEIGHT });
    const svg = drawn(
      "svg",
      {
        class: "timeline", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", tabindex: 0, role: "slider",
        "aria-label": "Time in the film", "aria-valuemin": 0, "aria-valuemax": Math.round(this.#end),
      },
      ...bands(this.#timeline, this.vocabulary, x, WIDTH),
      ...shots.slice(1).map(([start]) => drawn("line", { class: "cut", x1: x(start), x2: x(start), y1: 0, y2: HEIGHT })),
      this.needle,
    );
    const seekTo = (event) => {
      const box = svg.getBoundingClientRect();
      const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
      this.#seek(share * this.#end);
    };
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    svg.addEventListener("pointermove", (event) => event.buttons && seekTo(event));
    svg.addEventListener("keydown", (event) => this.#onKey(event));
    this.svg = svg;
    const keys = this.vocabulary.labels.map((label) => element("li", {}, ...this.vocabulary.named(label)));
    this.chart.replaceChildren(svg, element("ul", { class: "keys" }, ...keys));
  }

  #onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.#seek(Math.min(Math.max(this.time + step, 0), this.#end));
  }

  #show(time) {
    this.time = time;
    const { times, probabilities } = this.#timeline;
    let row = times.findIndex((one) => one > time);
    row = row < 0 ? times.length - 1 : Math.max(row - 1, 0);
    const ranked = this.vocabulary.labels
      .map((label) => [label, probabilities[label][row] ?? 0])
      .sort(([, a], [, b]) => b - a);
    const at = (WIDTH * time) / this.#end;
    this.needle.setAttribute("x1", at);
    this.needle.setAttribute("x2", at);
    this.svg.setAttribute("aria-valuenow", Math.round(time));
    this.svg.setAttribute("aria-valuetext", `${clock(time)}, ${ranked[0][0]} ${percent(ranked[0][1])}`);
    this.now.replaceChildren(
      element("strong", {}, clock(time)),
      ...ranked.slice(0, 3).map(([label, share]) => element("span", {}, ...this.vocabulary.named(label), ` ${percent(share)}`)),
    );
  }
}

/** Return the emotions as bands that fill the height, one upon the other. */
function bands({ times, shots, probabilities }, { labels, styles }, scale, width) {
  let below = times.map(() => 0);
  // Between two frames the first holds to the middle, or to the cut where there is one.
  const turns = times.slice(1).map((time, i) => {
    const cut = shots.find(([start]) => start > times[i] && start <= time);
    return scale(cut ? cut[0] : (time + times[i]) / 2);
  });
  const edges = [0, ...turns, width];
  return labels.map((label) => {
    const above = below.map((share, i) => share + (probabilities[label][i] ?? 0));
    const y = (share) => (HEIGHT * (1 - Math.min(share, 1))).toFixed(2);
    const top = above.map((share, i) => `H${edges[i].toFixed(2)}V${y(share)}H${edges[i + 1].toFixed(2)}`);
    const back = below.map((share, i) => `H${edges[i + 1].toFixed(2)}V${y(share)}H${edges[i].toFixed(2)}`).reverse();
    below = above;
    const path = `M0 ${y(above[0])}${top.join("")}${back.join("")}Z`;
    return drawn("path", { class: "band", d: path, style: { fill: styles[label].colour } }, drawn("title", {}, label));
  });
}

/** Return seconds as a clock: 1:02:03. */
export function clock(seconds) {
  const whole = Math.floor(seconds ?? 0);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${parts.join(":")}` : parts.join(":").replace(/^0/, "");
}
