// The page: takes images, keeps their cards, and shows them as cards or as a table.

import { ServiceError, models, useKey } from "./api.js";
import { Card } from "./card.js";
import { by, element } from "./elements.js";
import { Table } from "./table.js";

const AT_ONCE = 4; // requests
const SOON_MS = 100; // that a card waits for its result: less is felt as at once
const cards = [];
const waiting = [];
let running = 0;
let service = { models: [], tasks: [] };
let labels = "";
let table = null;

const settings = () => ({
  model: by("model").value || null,
  taxonomy: by("taxonomy").value || null,
  language: by("language").value || null,
  labels,
  tasks: service.tasks.filter((task) => task !== "interrogate" || current().zero_shot),
});

// The model that is chosen.
function current() {
  return service.models.find((each) => each.name === by("model").value) || service.models[0];
}

// Sends the images before it draws anything; then draws their cards, with the first result if that is soon there.
async function add(images) {
  if (!images.length) return;
  const made = images.map((image) => new Card(image, settings));
  cards.push(...made);
  waiting.push(...made);
  send();
  await Promise.race([made[0].result, new Promise((done) => setTimeout(done, SOON_MS))]);
  for (const card of made) if (cards.includes(card)) by("cards").prepend(card.root);
  update();
}

function work() {
  send();
  update();
}

function send() {
  while (running < AT_ONCE && waiting.length) {
    const card = waiting.shift();
    running += 1;
    card.result = card.classify().then(() => {
      running -= 1;
      work();
    });
  }
}

function again() {
  waiting.splice(0, waiting.length, ...cards);
  for (const card of cards) card.wait();
  work();
}

function update() {
  by("add").classList.toggle("filled", cards.length > 0);
  by("bar").hidden = cards.length === 0;
  const left = cards.filter((card) => card.root.getAttribute("aria-busy") === "true").length;
  const images = cards.length === 1 ? "1 image" : `${cards.length} images`;
  by("status").textContent = left ? `${images}, ${left} to go` : images;
  if (table) table.rows();
}

function view(asTable) {
  by("as-cards").setAttribute("aria-pressed", String(!asTable));
  by("as-table").setAttribute("aria-pressed", String(asTable));
  by("cards").hidden = asTable;
  by("table").hidden = !asTable;
  table = asTable ? new Table(by("table"), () => cards.map((card) => card.record).filter(Boolean)) : null;
}

function named(files) {
  return [...files].map((file, n) => ({ blob: file, name: file.name || `pasted-${n + 1}` }));
}

function takeImages() {
  for (const [button, input] of [["choose", "files"], ["photograph", "camera"]]) {
    by(button).addEventListener("click", () => by(input).click());
    by(input).addEventListener("change", (event) => {
      add(named(event.target.files));
      event.target.value = "";
    });
  }
  const over = (event, on) => {
    event.preventDefault();
    by("add").classList.toggle("over", on);
  };
  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => over(event, event.relatedTarget !== null));
  document.addEventListener("drop", (event) => {
    over(event, false);
    add(named(event.dataTransfer.files));
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) add(named(event.clipboardData.files));
  });
}

function fill(select, choices) {
  by(select).replaceChildren(...choices.map(([value, text]) => element("option", { value }, text)));
  by(`${select}-choice`).hidden = choices.length < 2;
}

function showModel() {
  const model = current();
  fill("taxonomy", [["", "the model's own"], ...model.taxonomies.map((name) => [name, name])]);
  fill("language", model.languages.map((code, n) => [n ? code : "", languageName(code)]));
  by("own").hidden = !model.zero_shot;
  if (!model.zero_shot) labels = "";
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code;
  }
}

async function showSamples() {
  const answer = await fetch("page/samples.json");
  const names = answer.ok ? await answer.json() : [];
  by("samples").hidden = names.length === 0;
  by("samples").querySelector("ul").replaceChildren(...names.map((name) => {
    const address = `page/samples/${name}`;
    const act = async () => add([{ blob: await (await fetch(address)).blob(), name }]);
    const about = `Try the sample image ${name}`;
    return element("li", {}, element("button", { type: "button", onclick: act, "aria-label": about }, element("img", { src: address, alt: "" })));
  }));
}

async function start() {
  try {
    service = await models();
  } catch (error) {
    if (error instanceof ServiceError && error.status === 401) {
      by("key").hidden = false;
      return;
    }
    by("bar").hidden = false;
    by("status").textContent = error.message;
    return;
  }
  by("key").hidden = true;
  fill("model", service.models.map((model) => [model.name, model.name]));
  showModel();
}

by("key").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(by("key-text").value);
  start();
});
by("own").addEventListener("submit", (event) => {
  event.preventDefault();
  labels = by("labels").value.trim();
  if (labels) by("taxonomy").value = ""; // the two exclude each other
  again();
});
by("model").addEventListener("change", () => {
  showModel();
  again();
});
by("taxonomy").addEventListener("change", () => {
  labels = "";
  by("labels").value = "";
  again();
});
by("language").addEventListener("change", again);
by("as-cards").addEventListener("click", () => view(false));
by("as-table").addEventListener("click", () => view(true));
by("clear").addEventListener("click", () => {
  for (const card of cards.splice(0)) card.remove();
  waiting.length = 0;
  view(false);
  update();
});
takeImages();
showSamples();
start();
