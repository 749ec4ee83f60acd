"""Pages in a real browser: what to start it with, and questions that every page must answer."""

import shutil

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",  # for root in a container; the page is our own
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
]

CONTRAST = """
() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (node) => {
    for (let n = node; n; n = n.parentElement) {
      const found = rgba(getComputedStyle(n).backgroundColor);
      if (found[3] > 250) return found;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = new Set();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const host = node.parentElement;
    if (!node.data.trim() || !host.checkVisibility()) continue;
    if (host.closest('svg, .glyph, :disabled')) continue;
    const [a, b] = [light(rgba(getComputedStyle(host).color)), light(ground(host))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${host.className || host.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
}
"""

NAMELESS = """() => [...document.querySelectorAll(
    'button, select, input, svg[role=img], [role=region]')]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.ariaLabel || e.getAttribute('aria-label') || e.textContent.trim()
    || e.labels?.length)).map((e) => e.outerHTML.slice(0, 80))"""
