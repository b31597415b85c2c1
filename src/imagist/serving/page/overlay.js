// Draws over an image: where a word comes from, what an explanation hides, and the box of a question.

import { element } from "./elements.js";

const HEAT = [255, 120, 30];
const LOSS = [40, 110, 255];

export class Overlay {
  constructor(view) {
    this.view = view;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    view.append(this.canvas);
  }

  // Rows of numbers over the image; the largest is the most opaque. Those below 0 are drawn in another colour.
  draw(rows, smooth = true) {
    const height = rows.length;
    const width = rows[0].length;
    const most = Math.max(...rows.flat().map(Math.abs)) || 1;
    const least = smooth ? Math.min(...rows.flat()) : 0;
    const small = new OffscreenCanvas(width, height);
    const pen = small.getContext("2d");
    const pixels = pen.createImageData(width, height);
    rows.flat().forEach((value, n) => {
      const strength = smooth ? (value - least) / (most - least || 1) : Math.abs(value) / most;
      const [red, green, blue] = value < 0 ? LOSS : HEAT;
      pixels.data.set([red, green, blue, Math.round(215 * strength)], 4 * n);
    });
    pen.putImageData(pixels, 0, 0);
    this.canvas.width = 480;
    this.canvas.height = Math.round((480 * height) / width);
    const large = this.canvas.getContext("2d");
    large.imageSmoothingEnabled = smooth;
    large.imageSmoothingQuality = "high";
    large.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }

  // The edges of a box, 0 to 1.
  outline([left, top, right, bottom]) {
    const area = this.view.getBoundingClientRect();
    this.canvas.width = area.width;
    this.canvas.height = area.height;
    const pen = this.canvas.getContext("2d");
    const [x, y] = [left * area.width, top * area.height];
    const [width, height] = [(right - left) * area.width, (bottom - top) * area.height];
    for (const [line, colour] of [[6, "#000a"], [3, "#fff"]]) {
      pen.lineWidth = line;
      pen.strokeStyle = colour;
      pen.strokeRect(x, y, width, height);
    }
  }

  clear() {
    this.canvas.width = this.canvas.height;
  }
}

// Lets the user draw a box with a pointer, or move one with the arrow keys; resolves to its edges, 0 to 1, or null.
export function askForBox(view) {
  return new Promise((resolve) => {
    let [left, top, right, bottom] = [0.25, 0.25, 0.75, 0.75];
    let from = null;
    const about = "Part of the image. Arrow keys move it, with shift they resize it, enter asks, escape leaves.";
    const box = element("div", { class: "box", tabindex: "0", role: "application", "aria-label": about });
    const place = () => {
      box.style.left = `${100 * left}%`;
      box.style.top = `${100 * top}%`;
      box.style.width = `${100 * (right - left)}%`;
      box.style.height = `${100 * (bottom - top)}%`;
    };
    const end = (found) => {
      view.classList.remove("asking");
      view.removeEventListener("pointerdown", down);
      view.removeEventListener("pointermove", move);
      view.removeEventListener("pointerup", up);
      box.remove();
      resolve(found && [left, top, right, bottom].map((edge) => Number(edge.toFixed(4))));
    };
    const at = (event) => {
      const area = view.getBoundingClientRect();
      const inside = (share) => Math.min(1, Math.max(0, share));
      return [inside((event.clientX - area.left) / area.width), inside((event.clientY - area.top) / area.height)];
    };
    const down = (event) => {
      event.preventDefault();
      view.setPointerCapture(event.pointerId);
      from = at(event);
      [left, top, right, bottom] = [...from, ...from];
      place();
    };
    const move = (event) => {
      if (!from) return;
      const [x, y] = at(event);
      [left, right] = [Math.min(from[0], x), Math.max(from[0], x)];
      [top, bottom] = [Math.min(from[1], y), Math.max(from[1], y)];
      place();
    };
    const up = () => {
      if (!from) return;
      from = null;
      end(right - left > 0.02 && bottom - top > 0.02);
    };
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Enter") end(true);
      else if (event.key === "Escape") end(false);
      else if (step) {
        const [x, y] = step.map((way) => 0.05 * way);
        if (event.shiftKey) {
          right = Math.min(1, Math.max(left + 0.05, right + x));
          bottom = Math.min(1, Math.max(top + 0.05, bottom + y));
        } else {
          const dx = Math.min(1 - right, Math.max(-left, x));
          const dy = Math.min(1 - bottom, Math.max(-top, y));
          [left, right, top, bottom] = [left + dx, right + dx, top + dy, bottom + dy];
        }
        place();
      } else return;
      event.preventDefault();
    });
    view.classList.add("asking");
    view.addEventListener("pointerdown", down);
    view.addEventListener("pointermove", move);
    view.addEventListener("pointerup", up);
    view.append(box);
    place();
    box.focus();
  });
}
