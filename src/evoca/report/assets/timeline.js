// The film, its chart and its shots go to the same second together.
const film = JSON.parse(document.getElementById("payload").textContent);
const player = document.querySelector("video");
const seek = document.querySelector(".seek");
const cursor = seek.querySelector(".cursor");
const shotButtons = new Map([...document.querySelectorAll(".shot")].map((b) => [Number(b.dataset.shot), b]));
const rows = [...document.querySelectorAll(".now li")];
let now = 0;

const clock = (seconds) => {
  const whole = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

// The place of the last of ascending values that is not above one.
const lastUpTo = (values, one) => {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= one + 1e-6) low = middle + 1; else high = middle;
  }
  return Math.max(0, low - 1);
};

const nearestRow = (shot, seconds) => {
  const [first, last] = [film.firstRows[shot], film.firstRows[shot + 1] ?? film.times.length];
  let best = first;
  for (let i = first; i < last; i++) {
    if (Math.abs(film.times[i] - seconds) < Math.abs(film.times[best] - seconds)) best = i;
  }
  return best;
};

const show = (seconds) => {
  now = Math.min(Math.max(seconds, 0), film.seconds);
  const shot = lastUpTo(film.starts, now), row = nearestRow(shot, now);
  const place = film.places.left + (film.places.right - film.places.left) * (film.seconds ? now / film.seconds : 0);
  cursor.style.left = `${100 * place / film.places.width}%`;
  const at = cursor.offsetLeft;
  if (at < seek.scrollLeft || at > seek.scrollLeft + seek.clientWidth) seek.scrollLeft = at - seek.clientWidth / 2;
  seek.setAttribute("aria-valuenow", now.toFixed(1));
  const top = film.labels[film.permille[row].indexOf(Math.max(...film.permille[row]))];
  seek.setAttribute("aria-valuetext", `${clock(now)}, ${top}`);
  document.querySelector(".now .time").textContent = clock(now);
  rows.forEach((li, k) => {
    const share = film.permille[row][k] / 1000;
    li.querySelector(".level span").style.transform = `scaleX(${share})`;
    li.querySelector(".share").textContent = `${Math.round(100 * share)}%`;
  });
  const affect = film.affect?.[row];
  document.querySelector(".now .affect").textContent = affect ? `valence ${affect[0].toFixed(1)}, arousal ${affect[1].toFixed(1)}` : "";
  for (const button of document.querySelectorAll(".shot[aria-current]")) button.removeAttribute("aria-current");
  shotButtons.get(shot)?.setAttribute("aria-current", "true");
};

const go = (seconds) => {
  show(seconds);
  if (player) player.currentTime = now;
};

const timeAt = (event) => {
  const box = seek.querySelector("svg").getBoundingClientRect();
  const x = film.places.width * (event.clientX - box.left) / box.width;
  return film.seconds * (x - film.places.left) / (film.places.right - film.places.left);
};

// A mouse drags the time; a finger scrolls, and taps to go.
seek.addEventListener("pointerdown", (event) => {
  if (event.button || event.pointerType !== "mouse") return;
  seek.setPointerCapture(event.pointerId);
  go(timeAt(event));
});
seek.addEventListener("click", (event) => {
  if (event.pointerType !== "mouse") go(timeAt(event));
});
seek.addEventListener("pointermove", (event) => {
  if (seek.hasPointerCapture(event.pointerId)) go(timeAt(event));
});
seek.addEventListener("keydown", (event) => {
  const shot = lastUpTo(film.starts, now), step = event.shiftKey ? 10 : 1;
  const moves = {
    ArrowLeft: () => go(now - step),
    ArrowRight: () => go(now + step),
    ArrowDown: () => go(now - step),
    ArrowUp: () => go(now + step),
    PageUp: () => go(film.starts[Math.max(0, shot - 1)]),
    PageDown: () => go(film.starts[Math.min(film.starts.length - 1, shot + 1)]),
    Home: () => go(0),
    End: () => go(film.seconds),
    " ": () => player && (player.paused ? player.play() : player.pause()),
  };
  if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  moves[event.key]();
});
for (const [shot, button] of shotButtons) button.addEventListener("click", () => go(film.starts[shot]));
player?.addEventListener("timeupdate", () => show(player.currentTime));
player?.addEventListener("error", () => {
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = "The film is not where it was when this page was written, or this browser does not play it. The timeline works without it.";
  player.replaceWith(note);
});
show(0);
