/* The data of the page, and the questions that the rest asks of it. */
const $ = (id) => document.getElementById(id);
const DATA = JSON.parse($("payload").textContent);
const TRAITS = numbersByName(DATA.traits);
const LACKING = numbersByName(DATA.lacking);
for (const run of DATA.runs) run.maps = DATA.maps[run.maps] ?? null;
const PAGE_SIZE = 60;

function numbersByName(lists) {
  return new Map(Object.entries(lists).map(([name, numbers]) => [name, new Set(numbers)]));
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/* Rows of a run that a request asks for; see opening.py for what it may hold. */
function matching(run, request) {
  const rows = request.rows ?? [...run.images.keys()];
  return rows.filter((row) => {
    const truth = run.truth[row];
    const image = run.images[row];
    return (request.truth === undefined || truth === request.truth)
      && (request.predicted === undefined || run.predicted[row].includes(request.predicted))
      && (request.outcome === undefined || hasOutcome(run, row, request.outcome))
      && (request.agreement === undefined || run.agreement[row] === request.agreement)
      && (request.trait === undefined || TRAITS.get(request.trait).has(image))
      && (request.without === undefined || LACKING.get(request.without).has(image));
  });
}

function hasOutcome(run, row, outcome) {
  const truth = run.truth[row];
  if (truth < 0) return false;
  return run.predicted[row].some((label) => (label === truth) === (outcome === "right"));
}

const ORDERS = {
  surest: (run) => (a, b) => confidence(run, b) - confidence(run, a),
  unsurest: (run) => (a, b) => confidence(run, a) - confidence(run, b),
  own: (run) => (a, b) => own(run, a) - own(run, b),
  name: (run) => (a, b) => DATA.names[run.images[a]].localeCompare(DATA.names[run.images[b]]),
};

function confidence(run, row) {
  return run.permille[row][run.answer[row]];
}

/* Rows without a true label come last. */
function own(run, row) {
  return run.truth[row] < 0 ? Infinity : run.permille[row][run.truth[row]];
}

function percent(permille) {
  return `${Math.round(permille / 10)}%`;
}

function isPositive(run, row) {
  return run.positive[row] >= 500;
}

function polarityShare(run, row) {
  const positive = isPositive(run, row);
  return `${positive ? "positive" : "negative"} ${percent(positive ? run.positive[row] : 1000 - run.positive[row])}`;
}

/* An image is covered unless both its label and its prediction are known to be positive. */
function isDelicate(run, row) {
  const labels = [...run.predicted[row], run.truth[row]].filter((label) => label >= 0);
  return !labels.every((label) => run.labels[label].positive);
}
