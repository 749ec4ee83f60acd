// Predictions as a table, with the columns that docs/columns.md describes.

/** Return the rows of answers as CSV text. */
export function asCsv(answers, labels) {
  const columns = [
    "path", "sha256", "emotion", "confidence", ...labels.map((label) => `p_${label}`),
    "polarity", "polarity_positive", "valence", "arousal", "prediction_set", "prior", "model",
    "warnings", "error",
  ];
  const rows = answers.map((answer) => cells(answer, labels));
  const line = (row) => columns.map((column) => quoted(row[column])).join(",");
  return `${columns.join(",")}\r\n${rows.map((row) => `${line(row)}\r\n`).join("")}`;
}

function cells(answer, labels) {
  if (answer.error) return { path: answer.path, error: answer.error };
  return {
    ...answer,
    ...Object.fromEntries(labels.map((label) => [`p_${label}`, answer.probabilities[label]])),
    polarity: answer.polarity?.label,
    polarity_positive: answer.polarity?.positive,
    valence: answer.affect?.valence,
    arousal: answer.affect?.arousal,
    prediction_set: JSON.stringify(answer.prediction_set).replaceAll(",", ", "),
    prior: answer.prior?.name,
    warnings: answer.warnings.join("; "),
    error: undefined,
  };
}

function quoted(value) {
  const text = value === undefined || value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Let the browser save a text as a file. */
export function save(text, name, type = "text/csv") {
  const address = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
