// All records as a table that is filtered, sorted and downloaded.

import { element, percent } from "./elements.js";

const COLUMNS = [
  ["source", "Image"], ["caption", "Caption"], ["label", "Category"], ["probability", "Probability"],
  ["image_label", "By image"], ["text_label", "By words"],
];
const FIELDS = [
  "source", "caption", "caption_logprob", "label", "probability", "image_label", "text_label", "probabilities",
  "image_probabilities", "text_probabilities", "error_kind", "error_message",
];

export class Table {
  constructor(root, records) {
    this.records = records; // a function: all records, in order
    this.sort = { column: null, down: false };
    this.filter = element("input", {
      type: "search", placeholder: "Filter", "aria-label": "Filter the table", oninput: () => this.rows(),
    });
    const download = (text, name, act) => element("button", { type: "button", onclick: () => save(act(), name) }, text);
    const tools = element("div", { class: "tools" }, this.filter,
      download("Download CSV", "imagist.csv", () => csv(this.shown())),
      download("Download JSONL", "imagist.jsonl", () => jsonl(this.shown())));
    this.head = element("tr");
    this.body = element("tbody");
    const table = element("table", {}, element("caption", { hidden: true }, "Results"), element("thead", {}, this.head), this.body);
    root.replaceChildren(tools, element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Results" }, table));
    this.rows();
  }

  shown() {
    const wanted = this.filter.value.trim().toLowerCase();
    const texts = (record) => [...COLUMNS.map(([name]) => record[name]), record.error_kind, record.error_message];
    const all = this.records().filter((record) => texts(record).join("\n").toLowerCase().includes(wanted));
    const { column, down } = this.sort;
    if (column) {
      const key = (record) => record[column] ?? "";
      all.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1));
    }
    return all;
  }

  rows() {
    this.head.replaceChildren(...COLUMNS.map(([name, text]) => {
      const here = this.sort.column === name;
      const order = here ? (this.sort.down ? "descending" : "ascending") : "none";
      const arrow = here ? (this.sort.down ? " ↓" : " ↑") : "";
      const act = () => {
        this.sort = { column: name, down: here && !this.sort.down };
        this.rows();
        this.head.children[COLUMNS.findIndex(([each]) => each === name)].firstChild.focus();
      };
      return element("th", { scope: "col", "aria-sort": order }, element("button", { type: "button", onclick: act }, text + arrow));
    }));
    this.body.replaceChildren(...this.shown().map((record) => {
      if (record.error_kind) {
        return element("tr", { class: "bad" }, element("td", {}, record.source),
          element("td", { colspan: String(COLUMNS.length - 1) }, record.error_message || record.error_kind));
      }
      return element("tr", {}, ...COLUMNS.map(([name]) => name === "probability"
        ? element("td", { class: "number" }, percent(record[name])) : element("td", {}, record[name] ?? "")));
    }));
  }
}

function plain(record) {
  return Object.fromEntries(FIELDS.map((name) => [name, record[name] ?? null]));
}

function jsonl(records) {
  return records.map((record) => `${JSON.stringify(plain(record))}\n`).join("");
}

// A cell that a spreadsheet would take for a formula begins with an apostrophe.
function csv(records) {
  const cell = (value) => {
    let text = value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    if (typeof value === "string" && /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(text)) text = `'${text}`;
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const rows = records.map((record) => Object.values(plain(record)).map(cell).join(","));
  return [FIELDS.join(","), ...rows, ""].join("\r\n");
}

function save(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
