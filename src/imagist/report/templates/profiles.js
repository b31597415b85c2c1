"use strict";
(() => {
  const form = document.querySelector(".tools"), board = document.querySelector(".accounts");
  const cards = [...board.children], output = form.querySelector("output");
  const number = (card, key) => {
    const value = key.startsWith("c") ? card.dataset.shares.split(" ")[key.slice(1)] : card.dataset[key];
    return value === "" ? -Infinity : Number(value);
  };
  const show = () => {
    const text = form.text.value.trim().toLowerCase(), category = form.category.value, key = form.order.value;
    const order = key === "account" ? (a, b) => a.dataset.account.localeCompare(b.dataset.account)
      : key === "place" ? (a, b) => number(a, key) - number(b, key) : (a, b) => {
        const one = number(a, key), other = number(b, key);
        return one === other ? number(a, "place") - number(b, "place") : one < other ? 1 : -1;
      };
    let shown = 0;
    for (const card of cards.sort(order)) {
      card.hidden = !(card.dataset.account.toLowerCase().includes(text) && (!category || card.dataset.category === category)
        && (!form.sure.checked || card.dataset.sure === "1"));
      shown += !card.hidden;
      board.append(card);
    }
    output.textContent = `${shown.toLocaleString("en")} of ${cards.length.toLocaleString("en")} accounts`;
  };
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
})();
