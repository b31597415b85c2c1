// Builds elements; text is always text, never markup.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function percent(share) {
  const number = 100 * share;
  return `${number >= 99.95 || number === 0 ? number.toFixed(0) : number.toFixed(1)}%`;
}

export function by(id) {
  return document.getElementById(id);
}
