// One picture among many: its frame, what it evokes in a line, the three likeliest as bars.

import { bars } from "./bars.js";
import { element, percent } from "../dom.js";
import { framed, showEvidence } from "./picture.js";
import { inWords } from "../vocabulary.js";

/** Make a card for an item; `refreshCard` fills it again when something changed. */
export function makeCard(item, onChoose, onRemove) {
  const frame = framed(item);
  const button = element("button", { type: "button", class: "view", onclick: () => onChoose(item) }, frame);
  const remove = element(
    "button",
    { type: "button", class: "remove", "aria-label": `Remove ${item.name}`, title: "Remove", onclick: () => onRemove(item) },
    "×",
  );
  const about = element("div", { class: "about" });
  const node = element("li", { class: "card" }, button, remove, about);
  return { node, frame, button, about };
}

/** Show an item as it is now. */
export function refreshCard(card, item, { vocabulary, label, chosen }) {
  const { answer } = item;
  card.node.classList.toggle("chosen", chosen);
  card.node.classList.toggle("waiting", !answer);
  card.button.setAttribute("aria-pressed", String(chosen));
  card.button.ariaLabel = `${item.name}: ${summary(answer)}`;
  const title = element("p", { class: "title", title: item.name }, item.name);
  if (!answer) {
    card.about.replaceChildren(title, element("p", { class: "quiet" }, item.state ?? "waiting"));
    return;
  }
  if (answer.error) {
    card.about.replaceChildren(title, element("p", { class: "problem" }, answer.error));
    return;
  }
  showEvidence(card.frame, answer, label === "top" ? answer.emotion : label);
  const parts = [title, element("p", { class: "words" }, inWords(answer)), bars(answer, vocabulary, { most: 3 })];
  const warning = answer.warnings.length && element("p", { class: "warning" }, answer.warnings.join("; "));
  card.about.replaceChildren(...parts, ...(warning ? [warning] : []));
}

function summary(answer) {
  if (!answer) return "not computed yet";
  if (answer.error) return answer.error;
  return `${inWords(answer)}; ${answer.emotion} ${percent(answer.confidence)}`;
}
