// The second tab: a tagged collection, by what its images evoke.

import { $, element, listed, percent } from "./dom.js";
import { Vocabulary, inWords } from "./vocabulary.js";
import { FilmView, clock } from "./views/film.js";
import { bars } from "./views/bars.js";
import { wheel } from "./views/wheel.js";

const AT_ONCE = 60;
const GONE = "its file is not here";
const ORDERS = { "": "as in the table", divided: "viewers most divided", polarity: "most positive", valence: "highest valence", arousal: "highest arousal" };

export class CollectionView {
  #request = 0; // answers to earlier ones are of no use
  #shown = 0;
  #chosen = null;
  #like = null;

  constructor(backend, vocabulary) {
    this.backend = backend;
    this.vocabulary = vocabulary;
  }

  /** Read what the collection holds and show its first images; only once. */
  open() {
    this.opened ??= this.#open();
    return this.opened;
  }

  async #open() {
    const about = await this.backend.collection();
    this.about = about;
    const known = this.vocabulary.styles;
    this.vocabulary = new Vocabulary(about.labels.map((name) => ({ colour: "#BBBBBB", glyph: "○", polarity: null, ...known[name], name })));
    this.#fill();
    $("filters").addEventListener("submit", (event) => {
      event.preventDefault();
      this.find();
    });
    $("filters").addEventListener("reset", () => {
      this.#chosen = this.#like = null;
      setTimeout(() => this.find()); // after the fields are empty
    });
    $("collection-order").addEventListener("change", () => {
      this.#like = null;
      this.find();
    });
    $("more").addEventListener("click", () => this.#show());
    if (about.films) this.film = new FilmView($("film"), this.backend, this.vocabulary, about.films);
    await this.find();
  }

  #fill() {
    const select = $("collection-order");
    const columns = new Set(Object.keys(this.about.columns));
    const general = Object.entries(ORDERS).filter(([value]) => !["valence", "arousal"].includes(value) || columns.has(value));
    const emotions = this.about.labels.map((label) => element("option", { value: label }, `most ${label}`));
    select.replaceChildren(
      ...general.map(([value, text]) => element("option", { value }, text)),
      element("optgroup", { label: "by emotion" }, ...emotions),
    );
    const chips = this.about.labels.map((label) =>
      element("button", { type: "button", "aria-pressed": "false", "data-emotion": label, onclick: () => this.#toggle(label) }, ...this.vocabulary.named(label)),
    );
    $("chips").replaceChildren(...chips);
  }

  #toggle(label) {
    this.#chosen = this.#chosen === label ? null : label;
    this.find();
  }

  /** Find anew by what the form says. */
  async find() {
    this.#shown = 0;
    for (const chip of $("chips").children) {
      chip.setAttribute("aria-pressed", String(chip.dataset.emotion === this.#chosen));
    }
    await this.#show();
  }

  #expression() {
    const typed = $("expression").value.trim();
    const chosen = this.#chosen && `emotion = '${this.#chosen}'`;
    if (typed && chosen) return `(${typed}) and ${chosen}`;
    return typed || chosen || "";
  }

  async #show() {
    const request = ++this.#request;
    const query = { expression: this.#expression(), offset: this.#shown, limit: AT_ONCE };
    if (this.#like) query.like = this.#like;
    else if ($("collection-order").value) query.order = $("collection-order").value;
    let page;
    try {
      page = await this.backend.images(query);
    } catch (error) {
      if (request === this.#request) $("mistake").textContent = error.message;
      return;
    }
    if (request !== this.#request) return;
    $("mistake").textContent = page.mistake ?? "";
    if (page.mistake) return;
    const cards = page.images.map((image) => this.#card(image));
    if (this.#shown) $("found").append(...cards);
    else $("found").replaceChildren(...cards);
    this.#shown += cards.length;
    $("more").hidden = this.#shown >= page.total;
    $("count").textContent = this.#counted(page.total);
  }

  #counted(total) {
    const what = this.about.films ? "moments" : "images";
    const like = this.#like ? `, most like ${this.#like} first` : "";
    return `${total.toLocaleString("en")} of ${this.about.images.toLocaleString("en")} ${what}${like}`;
  }

  #card(image) {
    const open = () => (image.film ? this.film.goTo(image.film, image.time) : this.#enlarge(image));
    const picture = image.thumbnail
      ? element("img", { src: image.thumbnail, alt: "", loading: "lazy", decoding: "async", onerror: (event) => gone(event.target) })
      : element("span", { class: "no-picture" }, image.film ? clock(image.time) : GONE);
    const name = image.film ? `${image.film} at ${clock(image.time)}` : image.path;
    const label = image.error ? `${name}: ${image.error}` : `${name}: ${inWords(image)}`;
    const view = element("button", { type: "button", class: "view", "aria-label": label, onclick: open }, picture);
    const title = element("p", { class: "title", title: name }, name);
    if (image.error) {
      return element("li", { class: "card" }, view, element("div", { class: "about" }, title, element("p", { class: "problem" }, image.error)));
    }
    const score = image.similarity === null ? null : element("span", { class: "score" }, `${percent(image.similarity)} alike`);
    const about = element("div", { class: "about" }, title, element("p", { class: "words" }, score, inWords(image)), bars(image, this.vocabulary, { most: 3 }));
    return element("li", { class: "card" }, view, about);
  }

  #enlarge(image) {
    const dialog = $("image");
    const close = element("button", { type: "button", onclick: () => dialog.close() }, "Close");
    const similar = element("button", { type: "button", class: "main", onclick: () => this.#findLike(image) }, "Similar images");
    const large = !image.thumbnail ? element("p", { class: "no-picture" }, GONE) : element("img", { src: `${image.thumbnail}&side=1024`, alt: image.path, onerror: (event) => gone(event.target) });
    const facts = [image.polarity && `${image.polarity.label}`, image.prior && `for ${image.prior.name} frequencies`, image.model];
    const answer = element(
      "div",
      {},
      element("h3", { class: "headline" }, this.vocabulary.glyph(image.emotion), inWords(image)),
      element("p", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
      bars(image, this.vocabulary),
      image.affect ? element("p", { class: "quiet" }, `valence ${image.affect.valence.toFixed(1)}, arousal ${image.affect.arousal.toFixed(1)}`) : null,
      this.vocabulary.hasWheel ? element("div", { class: "plots" }, element("figure", {}, wheel(image, this.vocabulary))) : null,
      image.warnings.length ? element("p", { class: "warning" }, listed(image.warnings)) : null,
    );
    dialog.replaceChildren(
      element("div", { class: "head" }, element("h2", {}, image.path), similar, close),
      element("div", { class: "columns" }, large, answer),
    );
    dialog.showModal();
  }

  #findLike(image) {
    $("image").close();
    this.#like = image.path;
    this.#chosen = null;
    $("expression").value = "";
    this.find();
    $("collection").scrollIntoView();
  }
}

function gone(image) {
  image.replaceWith(element("span", { class: "no-picture" }, GONE));
}
