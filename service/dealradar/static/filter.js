"use strict";
// Hides the deals that do not mention what is typed, and says how many are left.
const field = document.getElementById("filter");
const note = document.getElementById("filter-status");
const deals = Array.from(document.querySelectorAll("#deals .deal"));

function show() {
  const wanted = field.value.trim().toLocaleLowerCase();
  let shown = 0;
  for (const deal of deals) {
    deal.hidden = wanted !== "" && !deal.textContent.toLocaleLowerCase().includes(wanted);
    shown += deal.hidden ? 0 : 1;
  }
  note.textContent = wanted === "" ? "" : `${shown} of ${deals.length} deals shown`;
}

if (field) {
  field.addEventListener("input", show);
  field.form.addEventListener("submit", (event) => event.preventDefault());
}
