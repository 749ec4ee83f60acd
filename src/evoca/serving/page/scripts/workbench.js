// The first tab: the visitor's pictures, computed one after another, sorted, compared, saved.

import { $, element } from "./dom.js";
import { Detail, setOpacity } from "./views/detail.js";
import { asCsv, save } from "./csv.js";
import { makeCard, refreshCard } from "./views/card.js";

const ORDERS = { given: "as added", positive: "most positive first", doubt: "least sure first" };

/** Return priors without those that only name the frequencies of an earlier one again. */
function distinct(priors) {
  const shares = ({ frequencies }) => Object.values(frequencies).map((share) => share.toFixed(6)).join();
  return priors.filter((one, i) => priors.findIndex((other) => shares(other) === shares(one)) === i);
}

function release(item) {
  item.thumbnail?.then(({ address }) => URL.revokeObjectURL(address), () => {});
}

export class Workbench {
  #items = [];
  #chosen = null;
  #order = "given";
  #prior = null;
  #batch = 0; // what was computed before the last change of prior is given anew

  constructor(backend, vocabulary, model, status) {
    Object.assign(this, { backend, vocabulary, status });
    this.view = { vocabulary, label: "top", opacity: 0.65, everywhere: false };
    setOpacity(this.view.opacity);
    this.detail = new Detail(
      $("detail"),
      this.view,
      (label) => this.#chooseLabel(label),
      (opacity) => setOpacity((this.view.opacity = opacity)),
      (by) => this.#step(by),
    );
    this.#makeOrders();
    this.#makePriors(distinct(model.priors));
  }

  /** Take pictures {name, file} in, and compute them. */
  async add(pictures) {
    const items = pictures.map(({ name, file }) => ({ name, file, answer: null, state: "waiting" }));
    for (const item of items) {
      item.card = makeCard(item, (one) => this.choose(one, true), (one) => this.remove(one));
    }
    this.#items.push(...items);
    $("welcome").hidden = true;
    $("work").hidden = false;
    this.choose(this.#chosen ?? items[0], false);
    this.#arrange();
    await this.#compute(items);
  }

  async #compute(items) {
    const prior = this.#prior;
    let failure = null;
    const receive = (item, answer) => {
      if (!this.#items.includes(item)) return;
      item.answer = answer;
      item.prior = prior;
      this.#refresh(item);
      this.#progress();
    };
    try {
      await this.backend.predict(items, { prior }, receive);
    } catch (error) {
      failure = error.message;
      for (const item of items.filter(({ answer }) => !answer)) receive(item, { path: item.name, error: failure });
    }
    // The prior may have been switched while these were computed.
    if (this.#prior !== prior) await this.#giveUnderPrior();
    this.#arrange();
    if (failure) this.status.say(failure);
  }

  #progress() {
    const done = this.#items.filter(({ answer }) => answer).length;
    const all = this.#items.length;
    if (done < all) this.status.show(`${done} of ${all} pictures`, done / all);
    else this.status.say(all === 1 ? "" : `${all} pictures done.`, 4);
  }

  choose(item, scroll) {
    const before = this.#chosen;
    this.#chosen = item;
    for (const one of [before, item]) if (one) this.#refresh(one);
    this.detail.show(item);
    if (scroll && item) {
      $("detail").scrollIntoView({ block: "nearest" });
      $("detail").focus({ preventScroll: true });
    }
  }

  remove(item) {
    this.#items = this.#items.filter((one) => one !== item);
    release(item);
    if (this.#chosen === item) this.choose(this.#sorted()[0] ?? null, false);
    this.#arrange();
    if (!this.#items.length) this.clear();
  }

  clear() {
    for (const item of this.#items) release(item);
    this.#items = [];
    this.#chosen = null;
    this.detail.show(null);
    this.#arrange();
    $("work").hidden = true;
    $("welcome").hidden = false;
    this.status.say("");
  }

  /** Return the predictions there are, in the order shown. */
  answers() {
    return this.#sorted().map(({ answer }) => answer).filter(Boolean);
  }

  saveCsv() {
    save(asCsv(this.answers(), this.vocabulary.labels), "evoca.csv");
  }

  /** Show the evidence on all pictures, or on the chosen one alone. */
  showEverywhere(button) {
    this.view.everywhere = !this.view.everywhere;
    button.setAttribute("aria-pressed", String(this.view.everywhere));
    for (const item of this.#items) this.#refresh(item, false);
  }

  #chooseLabel(label) {
    this.view.label = this.detail.label === label && this.view.label !== "top" ? "top" : label;
    this.detail.show(this.#chosen);
    for (const item of this.#items) this.#refresh(item, false);
  }

  #step(by) {
    const sorted = this.#sorted();
    const next = sorted[sorted.indexOf(this.#chosen) + by];
    if (next) this.choose(next, true);
  }

  #refresh(item, withDetail = true) {
    const chosen = item === this.#chosen;
    const label = this.view.everywhere ? this.view.label : null;
    refreshCard(item.card, item, { vocabulary: this.vocabulary, label, chosen });
    if (chosen && withDetail) this.detail.show(item);
  }

  #sorted() {
    const key = {
      given: () => 0,
      positive: ({ polarity }) => -(polarity?.positive ?? 0),
      doubt: ({ confidence }) => confidence,
    }[this.#order] ?? (({ probabilities }) => -probabilities[this.#order]);
    const value = ({ answer }) => (answer && !answer.error ? key(answer) : Infinity);
    return this.#order === "given" ? this.#items : [...this.#items].sort((a, b) => value(a) - value(b) || 0);
  }

  #arrange() {
    const sorted = this.#sorted();
    const list = $("cards");
    list.replaceChildren(...sorted.map(({ card }) => card.node));
    list.hidden = $("all-title").hidden = sorted.length < 2;
    $("all-title").textContent = `All ${sorted.length} pictures`;
  }

  #makeOrders() {
    const select = $("order");
    const options = Object.entries(ORDERS).map(([value, text]) => element("option", { value }, text));
    const emotions = this.vocabulary.labels.map((label) => element("option", { value: label }, `most ${label} first`));
    select.replaceChildren(...options, element("optgroup", { label: "by emotion" }, ...emotions));
    select.addEventListener("change", () => {
      this.#order = select.value;
      this.#arrange();
    });
  }

  #makePriors(priors) {
    const place = $("prior");
    this.#prior = priors.find((prior) => prior.default)?.name ?? null;
    place.hidden = priors.length < 2;
    place.append(element("span", { class: "switch-name", "aria-hidden": "true" }, "frequencies"));
    for (const { name, source } of priors) {
      const input = element("input", {
        type: "radio", name: "prior", value: name, checked: name === this.#prior, onchange: () => this.#changePrior(name),
      });
      place.append(element("label", { title: `How frequent the emotions are taken to be: ${source}` }, input, name));
    }
  }

  async #changePrior(name) {
    this.#prior = name;
    await this.#giveUnderPrior();
  }

  async #giveUnderPrior() {
    const batch = ++this.#batch;
    const prior = this.#prior;
    const items = this.#items.filter(({ answer }) => answer && !answer.error);
    try {
      await this.backend.underPrior(items, prior, (item, answer) => {
        if (batch !== this.#batch) return;
        item.answer = answer;
        this.#refresh(item);
      });
    } catch (error) {
      this.status.say(error.message);
    }
    this.#arrange();
  }
}

