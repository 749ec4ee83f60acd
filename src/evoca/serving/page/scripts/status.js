// One line for what the page does now, with a bar where it is known how far it is.

import { element } from "./dom.js";

export class Status {
  constructor(place) {
    this.place = place;
    this.text = element("p");
    this.bar = element("progress", { max: 1, hidden: true, "aria-label": "Progress" });
    place.append(this.text, this.bar);
    this.say("");
  }

  /** Show a line, for some seconds or until the next one; nothing where it is empty. */
  say(text, seconds = Infinity) {
    clearTimeout(this.#timer);
    this.text.textContent = text;
    this.bar.hidden = true;
    this.place.classList.toggle("empty", !text);
    if (seconds < Infinity) this.#timer = setTimeout(() => this.say(""), 1000 * seconds);
  }

  #timer = 0;

  /** Show a line and a share 0..1; a share of 0 means that it is not known. */
  show(text, share) {
    this.say(text);
    if (!text) return;
    this.bar.hidden = false;
    if (share > 0) this.bar.value = share;
    else this.bar.removeAttribute("value");
  }
}
