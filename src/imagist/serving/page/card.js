// The card of one image: its caption, categories, and what can be asked about it.

import { ask } from "./api.js";
import { element, percent } from "./elements.js";
import { best, fused } from "./fusing.js";
import { Overlay, askForBox } from "./overlay.js";

const SHOWN = 5; // categories
const TALLEST = 520; // pixels of an image on the page
const MOST_DETAIL = 3;
const KINDS = [["image", "Image"], ["words", "Words"], ["fused", "Fused"]];

export class Card {
  constructor(image, settings) {
    this.image = image;
    this.settings = settings; // a function: the options that the page is set to
    this.record = null;
    this.result = null; // a promise, once it was asked for
    this.turn = 0; // of the questions for a result; answers to earlier ones are dropped
    this.picture = element("img", { src: URL.createObjectURL(image.blob), alt: `The image ${image.name}`, decoding: "async" });
    this.frame = element("div", { class: "frame" }, this.picture);
    this.view = element("figure", { class: "view" }, this.frame);
    this.overlay = new Overlay(this.frame);
    this.told = element("div", { class: "told" });
    this.root = element("article", { "aria-label": image.name }, this.view, this.told);
    this.picture.addEventListener("load", () => {
      this.frame.style.maxWidth = `${(TALLEST * this.picture.naturalWidth) / this.picture.naturalHeight}px`;
    });
    this.picture.addEventListener("error", () => {
      this.view.replaceChildren(element("p", {}, "No preview"));
      if (this.record && !this.record.error_kind) this.show(this.record);
    });
    this.wait();
  }

  wait() {
    this.root.classList.remove("bad");
    this.root.setAttribute("aria-busy", "true");
    const note = element("p", { class: "wait" }, "Looking…");
    setTimeout(() => note.classList.add("long"), 1000);
    this.told.replaceChildren(this.name(), note);
  }

  // Asks for caption and categories; never fails: an error is shown in the card.
  async classify() {
    this.wait();
    this.turn += 1;
    const { turn } = this;
    const { model, taxonomy, labels } = this.settings();
    try {
      const options = { model, taxonomy: labels ? null : taxonomy, labels, attention: true };
      const answer = await ask("classify", this.image, options);
      if (turn !== this.turn) return;
      this.fusion = answer.fusion || { weight: null, temperatures: [1] };
      this.show(answer.record);
      await this.translate(turn);
    } catch (error) {
      if (turn === this.turn) this.fail(error);
    }
    if (turn === this.turn) this.root.setAttribute("aria-busy", "false");
  }

  // Replaces the caption by one in the language that the page is set to, where it is not the model's own.
  async translate(turn) {
    const { model, language } = this.settings();
    if (!language) return;
    const { record } = await ask("caption", this.image, { model, language, attention: true });
    if (turn !== this.turn) return;
    this.record = { ...this.record, caption: record.caption, attention: record.attention };
    this.show(this.record);
  }

  fail(error) {
    const known = error.results && error.results[0];
    const record = known || { source: this.image.name, error_kind: error.kind, error_message: error.message };
    this.record = { ...record, source: this.image.name };
    this.root.classList.add("bad");
    const reason = element("p", {}, element("strong", {}, "No result. "), this.record.error_message || "");
    const again = element("button", { type: "button", onclick: () => this.classify() }, "Try again");
    this.told.replaceChildren(this.name(), reason, element("div", { class: "actions" }, again));
  }

  show(record) {
    this.record = record;
    this.detail = 1; // that of a caption
    this.description = null;
    this.more = element("div", { class: "more", "aria-live": "polite" });
    this.bars = element("div");
    this.told.replaceChildren(
      this.name(), this.caption(), this.bars, this.slider(), this.nbest(), this.actions(), this.more,
    );
    this.fuse(this.fusion.weight);
  }

  name() {
    return element("p", { class: "name", title: this.image.name }, this.image.name);
  }

  caption() {
    const words = this.record.attention || this.record.caption.split(" ").map((word) => ({ word, map: null }));
    const line = element("p", { class: "caption" });
    for (const { word, map } of words) {
      const light = () => map && this.overlay.draw(map);
      const dark = () => this.overlay.clear();
      const events = { onmouseenter: light, onfocus: light, onmouseleave: dark, onblur: dark };
      const about = map ? "Shows where this word comes from" : null;
      line.append(map ? element("button", { type: "button", class: "word", title: about, ...events }, word) : word, " ");
    }
    return line;
  }

  // Shows the categories with the words weighing as much; null keeps what the service fused.
  fuse(weight) {
    const { record } = this;
    const joint = weight === null ? record.probabilities : fused(record, weight, this.fusion.temperatures);
    const order = best(joint);
    const sides = { image: record.image_probabilities, words: record.text_probabilities, fused: joint };
    const [label, probability] = order[0];
    const verdict = element("p", { class: "verdict" }, element("strong", {}, label), element("span", {}, percent(probability)));
    const rows = order.slice(0, SHOWN).map(([name]) => {
      const tracks = KINDS.map(([kind]) => {
        const bar = element("i");
        bar.style.width = percent(sides[kind][name]);
        return element("span", { class: `track ${kind}`, title: `${kind}: ${percent(sides[kind][name])}` }, bar);
      });
      const spoken = KINDS.map(([kind, text]) => `${text} ${percent(sides[kind][name])}`).join(", ");
      const cell = element("td", {}, element("span", { role: "img", "aria-label": spoken }, ...tracks));
      return element("tr", {}, element("th", { scope: "row" }, name), cell,
        element("td", { class: "number" }, percent(joint[name])));
    });
    const legend = element("ul", { class: "legend" }, ...KINDS.map(([kind, text]) => element("li", { class: kind }, text)));
    this.bars.replaceChildren(verdict, element("table", { class: "bars" }, element("tbody", {}, ...rows)), legend);
  }

  slider() {
    if (this.fusion.weight === null) return null;
    const start = this.fusion.weight;
    const shown = element("output", {}, start.toFixed(2));
    const input = element("input", {
      type: "range", min: "0", max: "1", step: "0.01", value: String(start),
      "aria-label": "Weight of the words against the image",
      oninput: () => {
        shown.textContent = Number(input.value).toFixed(2);
        this.fuse(Number(input.value));
      },
    });
    return element("div", { class: "slider" }, "Image", input, "Words", shown);
  }

  // Other captions are searched for when they are asked for: the first one is there sooner without them.
  nbest() {
    const list = element("ol", {}, element("li", { class: "wait" }, "Looking…"));
    const fill = async () => {
      if (!details.open) return;
      details.removeEventListener("toggle", fill);
      const { model, language } = this.settings();
      try {
        const { record } = await ask("caption", this.image, { model, language, nbest: 5 });
        const others = record.nbest.filter(({ text }) => text !== this.record.caption);
        const times = (logprob) => `${Math.exp(logprob - record.caption_logprob).toFixed(2)}×`;
        list.replaceChildren(...others.map(({ text, logprob }) =>
          element("li", {}, `${text} `, element("span", { title: "times as probable as the caption above" }, times(logprob)))));
      } catch (error) {
        list.replaceChildren(element("li", { class: "bad" }, error.message));
        details.addEventListener("toggle", fill);
      }
    };
    const details = element("details", {}, element("summary", {}, "Other captions"), list);
    details.addEventListener("toggle", fill);
    return details;
  }

  actions() {
    const { tasks } = this.settings();
    const button = (text, act) => {
      const made = element("button", { type: "button", onclick: () => this.during(made, act) }, text);
      return made;
    };
    return element("div", { class: "actions" },
      button("Tell me more", (made) => this.tellMore(made)),
      this.frame.parentNode ? button("Ask about a part", () => this.askAboutPart()) : null,
      button("Why?", () => this.explain()),
      tasks.includes("interrogate") ? button("Phrases", () => this.interrogate()) : null);
  }

  async during(button, act) {
    const focused = document.activeElement === button;
    button.disabled = true;
    let done = false;
    try {
      done = await act(button);
    } catch (error) {
      this.more.append(element("p", { class: "bad" }, element("strong", {}, error.message)));
    }
    button.disabled = Boolean(done);
    if (focused && !done && document.activeElement === document.body) button.focus();
  }

  // One level of detail more each time: a longer sentence, a paragraph; a level that adds nothing is passed over.
  async tellMore(button) {
    const { model, language } = this.settings();
    const before = bare(this.description ? this.description.textContent : this.record.caption);
    let text = before;
    while (bare(text) === before && this.detail < MOST_DETAIL) {
      const { record } = await ask("describe", this.image, { model, language, detail: this.detail + 1 });
      this.detail += 1;
      text = record.description;
    }
    if (bare(text) === before) this.more.append(element("p", {}, element("small", {}, "It is sure of nothing else.")));
    else {
      this.description = this.description || this.more.appendChild(element("p", { class: "description" }));
      this.description.textContent = text;
    }
    button.textContent = "Tell me even more";
    return this.detail >= MOST_DETAIL;
  }

  async askAboutPart() {
    this.overlay.clear();
    this.frame.scrollIntoView({ block: "nearest" });
    const region = await askForBox(this.frame);
    if (!region) return false;
    const { model, language } = this.settings();
    const { record } = await ask("describe", this.image, { model, language, detail: 1, region: region.join(",") });
    const mask = () => this.overlay.outline(region);
    const quote = element("blockquote", {
      tabindex: "0", onmouseenter: mask, onfocus: mask,
      onmouseleave: () => this.overlay.clear(), onblur: () => this.overlay.clear(),
    }, `This part: ${record.description}`);
    this.more.append(quote);
    quote.focus();
    return false;
  }

  async explain() {
    const { model, taxonomy, labels } = this.settings();
    const options = { model, taxonomy: labels ? null : taxonomy, labels, grid: 5 };
    const { explanation } = (await ask("explain", this.image, options)).record;
    const order = [...explanation.words].sort((a, b) => b.drop - a.drop);
    const words = order.map((word) => element("li", {}, `${word.word} `,
      element("span", {}, `${word.drop >= 0 ? "−" : "+"}${(100 * Math.abs(word.drop)).toFixed(1)} points without it`)));
    const light = () => this.overlay.draw(explanation.cells, false);
    const dark = () => this.overlay.clear();
    const cells = element("button", {
      type: "button", onmouseenter: light, onfocus: light, onmouseleave: dark, onblur: dark,
      onclick: () => this.frame.scrollIntoView({ block: "nearest" }),
    }, "Show what the image classifier looks at");
    this.more.append(element("details", { open: true },
      element("summary", {}, `Why ${explanation.category}?`),
      element("p", {}, "How much less probable the words make it without one of them:"), element("ul", {}, ...words), cells));
    return true;
  }

  async interrogate() {
    const { record } = await ask("interrogate", this.image, { model: this.settings().model });
    const phrases = record.phrases.map(({ text, similarity }) =>
      element("li", {}, `${text} `, element("span", {}, similarity.toFixed(2))));
    this.more.append(element("details", { open: true }, element("summary", {}, "Phrases"), element("ul", {}, ...phrases)));
    return true;
  }

  remove() {
    URL.revokeObjectURL(this.picture.src);
    this.root.remove();
  }
}

// A sentence without what tells it from a caption.
function bare(text) {
  return text.trim().replace(/\.$/, "").toLowerCase();
}
