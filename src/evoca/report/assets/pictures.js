/* Thumbnails: turned into images when they come near the window, covered until asked for. */
const uncovered = new Set();
const showAll = $("show-all");

const nearby = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    nearby.unobserve(target);
    target.src = pictureAddress(Number(target.dataset.number));
  }
}, { rootMargin: "400px" });

function pictureAddress(number) {
  return `data:image/webp;base64,${$(`p${number}`).textContent}`;
}

function hasPicture(number) {
  return DATA.pictures[number] === "here";
}

function isCovered(run, row) {
  return isDelicate(run, row) && !uncovered.has(run.images[row]) && !showAll?.checked;
}

/* An image that is decoded only near the window; its button or caption describes it. */
function lazyPicture(number) {
  const picture = element("img", { alt: "", decoding: "async" });
  picture.dataset.number = number;
  nearby.observe(picture);
  return picture;
}

function uncover(number) {
  uncovered.add(number);
  refreshCovers();
}

/* Every view of an image follows, wherever it is on the page. */
function refreshCovers() {
  for (const view of document.querySelectorAll("[data-delicate]")) {
    const open = showAll?.checked || uncovered.has(Number(view.dataset.delicate));
    view.classList.toggle("covered", !open);
    view.dispatchEvent(new Event("coverchange"));
  }
}

showAll?.addEventListener("change", refreshCovers);
