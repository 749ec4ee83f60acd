/* Tabs of several runs, and the mark of the section in view. */
const tabs = [...document.querySelectorAll("[role=tab]")];

function selectTab(tab, focus = false) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.ariaSelected = String(chosen);
    other.tabIndex = chosen ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (focus) tab.focus();
}

for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => selectTab(tab));
  tab.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) selectTab(tabs[(i + by + tabs.length) % tabs.length], true);
  });
}
if (tabs.length) selectTab(tabs[0]);

const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    const link = document.querySelector(`.contents a[href="#${target.id}"]`);
    for (const other of link?.closest("ul").querySelectorAll("a") ?? []) {
      if (other === link) other.setAttribute("aria-current", "true");
      else other.removeAttribute("aria-current");
    }
  }
}, { rootMargin: "-15% 0px -75% 0px" });
document.querySelectorAll(".sections > [id]").forEach((section) => inView.observe(section));
