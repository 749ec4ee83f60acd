// The page: which backend it has, and what its parts do.

import { $ } from "./dom.js";
import { ApiBackend } from "./backends/api.js";
import { CollectionView } from "./collection.js";
import { StaticBackend } from "./backends/static.js";
import { Status } from "./status.js";
import { Vocabulary } from "./vocabulary.js";
import { Workbench } from "./workbench.js";
import { listen } from "./intake.js";
import { startTabs } from "./tabs.js";
import { startTheme } from "./theme.js";

const isStatic = document.documentElement.dataset.backend === "static";
const PRIVACY = {
  static: "It computes in this browser. No picture leaves this machine.",
  api: "The pictures go to this server alone, which computes them in memory and does not keep them.",
};

async function start() {
  startTheme();
  $("not-started").hidden = true;
  $("pictures").hidden = false;
  $("privacy").textContent = PRIVACY[isStatic ? "static" : "api"];
  const status = new Status($("status"));
  const show = (text, share) => status.show(text, share);
  const backend = isStatic ? new StaticBackend(show) : new ApiBackend(show);
  try {
    const models = await backend.models();
    const model = models.find((one) => one.default) ?? models[0];
    const workbench = new Workbench(backend, new Vocabulary(model.labels), model, status);
    about(model, backend);
    connect(workbench, status);
    if (document.documentElement.dataset.collection === "yes") showCollection(backend, workbench, status);
    document.documentElement.dataset.ready = "yes";
    window.evoca = { backend, workbench }; // for tests, and for the browser's console
  } catch (error) {
    status.say(`The page cannot start: ${error.message}`);
  }
  if (isStatic) keepForOffline();
}

function about(model, backend) {
  const share = Math.round(100 * model.set_coverage);
  $("coverage").textContent = `${share} of 100`;
  $("about-model").textContent =
    `${model.name}, computed ${backend.place}. ${model.summary} Code: ${model.licence.code}. Weights: ${model.licence.weights}`;
}

function connect(workbench, status) {
  listen((pictures) => workbench.add(pictures), (text) => status.say(text));
  const actions = {
    choose: () => $("files").click(),
    folder: () => $("folders").click(),
    camera: () => dispatchEvent(new Event("evoca:camera")),
    csv: () => workbench.saveCsv(),
    clear: () => workbench.clear(),
    evidence: (event) => workbench.showEverywhere(event.currentTarget),
  };
  for (const button of document.querySelectorAll("[data-action]")) {
    button.addEventListener("click", actions[button.dataset.action]);
  }
}

function showCollection(backend, workbench, status) {
  const view = new CollectionView(backend, workbench.vocabulary);
  const prior = $("prior");
  const hasPriors = !prior.hidden;
  startTabs((name) => {
    prior.hidden = !hasPriors || name === "collection"; // its table has a prior of its own
    if (name === "collection") view.open().catch((error) => status.say(error.message));
  });
}

function keepForOffline() {
  // There on https and on this machine alone; without it the page works while it is open.
  navigator.serviceWorker?.register("service-worker.js").catch(() => {});
}

start();
