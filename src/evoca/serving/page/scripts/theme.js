// Light, dark, or as the system has it.

import { $ } from "./dom.js";

const NAMES = { auto: "as the system has them", light: "light", dark: "dark" };
const ORDER = Object.keys(NAMES);
const KEY = "evoca-theme";

export function startTheme() {
  const button = $("theme");
  let current = ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  const apply = () => {
    document.documentElement.style.colorScheme = current === "auto" ? "" : current;
    button.textContent = { auto: "◐", light: "☀", dark: "☾" }[current];
    button.ariaLabel = `Colours: ${NAMES[current]}`;
  };
  button.addEventListener("click", () => {
    current = ORDER[(ORDER.indexOf(current) + 1) % ORDER.length];
    localStorage.setItem(KEY, current);
    apply();
  });
  apply();
}
