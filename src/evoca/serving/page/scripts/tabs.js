// The two tabs; the address remembers which one is open.

import { $ } from "./dom.js";

const NAMES = ["pictures", "collection"];

/** Show the tabs; `open` is called with the name of the one that is chosen. */
export function startTabs(open) {
  $("tabs").hidden = false;
  const select = (name, focus) => {
    for (const one of NAMES) {
      const tab = $(`tab-${one}`);
      tab.setAttribute("aria-selected", String(one === name));
      tab.tabIndex = one === name ? 0 : -1;
      $(one).hidden = one !== name;
    }
    if (focus) $(`tab-${name}`).focus();
    history.replaceState(null, "", `#${name}`);
    open(name);
  };
  for (const name of NAMES) $(`tab-${name}`).addEventListener("click", () => select(name, false));
  $("tabs").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    select(NAMES[1 - NAMES.indexOf(event.target.id.replace("tab-", ""))], true);
  });
  const wanted = location.hash.slice(1);
  if (wanted === "collection") select(wanted, false);
}
