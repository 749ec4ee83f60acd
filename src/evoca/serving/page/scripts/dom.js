// Elements, made without markup in strings: the page's policy forbids inline code and style.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** Return an element; `on...` are listeners, `style` is a map of properties, the rest attributes. */
export function element(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** Return an element of a drawing. */
export function drawn(name, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, name), properties, children);
}

function filled(node, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") setStyle(node, value);
    else if (value === true) node.setAttribute(key, "");
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function setStyle(node, values) {
  for (const [property, value] of Object.entries(values)) node.style.setProperty(property, value);
}

export const percent = (share) => (share < 0.005 && share > 0 ? "<1%" : `${Math.round(100 * share)}%`);

/** Return words as a list in a sentence: "awe, fear and anger". */
export function listed(words, joiner = "and") {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} ${joiner} ${words.at(-1)}`;
}
