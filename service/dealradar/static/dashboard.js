"use strict";
// Draws the three metrics endpoints as charts and tables, and again every few seconds while the page is seen.

const PERIOD_MS = 3000;
const PATIENCE_MS = 5000;
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const MOST_ROUTES = 10;
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

function make(parent, name, attributes = {}, text = "") {
  const inside = parent instanceof SVGElement || name === "svg";
  const made = inside ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== "") made.textContent = text;
  parent.append(made);
  return made;
}

// rows: [{label, values: [a number or null for each series]}]. A number that is not there is drawn as none, not as 0.
function chart(name, series, rows, { stacked = true, upright = false, write = whole.format } = {}) {
  const figure = document.querySelector(`[data-chart="${name}"]`);
  legend(figure.querySelector(".legend"), series);
  const picture = figure.querySelector("svg");
  picture.replaceChildren();
  const size = (row) => (stacked ? row.values.reduce((a, b) => a + (b ?? 0), 0) : Math.max(...row.values.map((v) => v ?? 0)));
  const largest = Math.max(...rows.map(size), 0) || 1;
  (upright ? columns : bars)(picture, series, rows, { largest, stacked, write, size });
  table(figure.querySelector("table"), series, rows, write);
}

function legend(list, series) {
  list.replaceChildren();
  if (series.length > 1) series.forEach((each, index) => make(list, "li", { class: `s${index}` }, each));
}

function bars(picture, series, rows, { largest, stacked, write, size }) {
  const [left, right] = [225, 60];
  const pitch = 26;
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${Math.max(1, rows.length) * pitch}`);
  rows.forEach((row, at) => {
    const top = at * pitch + 3;
    make(picture, "text", { x: left - 8, y: top + 15, "text-anchor": "end" }, row.label);
    let x = left;
    row.values.forEach((value, index) => {
      const length = ((WIDTH - left - right) * (value ?? 0)) / largest;
      const height = stacked ? 20 : 20 / series.length;
      const bar = { x: stacked ? x : left, y: stacked ? top : top + index * height, width: length, height };
      mark(picture, bar, row, series, index, write);
      x += length;
    });
    const end = stacked ? x : left + ((WIDTH - left - right) * size(row)) / largest;
    make(picture, "text", { x: end + 6, y: top + 15 }, write(size(row)));
  });
}

function columns(picture, series, rows, { largest, write }) {
  const [height, foot, left] = [180, 22, 48];
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${height + foot}`);
  make(picture, "text", { x: left - 6, y: 14, "text-anchor": "end" }, write(largest));
  make(picture, "text", { x: left - 6, y: height, "text-anchor": "end" }, "0");
  const pitch = (WIDTH - left) / Math.max(1, rows.length);
  rows.forEach((row, at) => {
    let y = height;
    row.values.forEach((value, index) => {
      const length = (height * (value ?? 0)) / largest;
      y -= length;
      const bar = { x: left + at * pitch + 1, y, width: Math.max(1, pitch - 2), height: length };
      mark(picture, bar, row, series, index, write);
    });
  });
  if (rows.length > 0) make(picture, "text", { x: left, y: height + 16 }, rows[0].label);
  if (rows.length > 1) make(picture, "text", { x: WIDTH, y: height + 16, "text-anchor": "end" }, rows.at(-1).label);
}

function mark(picture, bar, row, series, index, write) {
  const value = row.values[index];
  if (value === null || value === undefined) return;
  const drawn = make(picture, "rect", { ...bar, class: `s${index}`, "data-row": row.label, "data-series": series[index], "data-value": value });
  make(drawn, "title", {}, `${row.label}, ${series[index]}: ${write(value)}`);
}

function table(table, series, rows, write) {
  table.replaceChildren();
  const head = make(make(table, "thead"), "tr");
  ["", ...series].forEach((name) => make(head, name === "" ? "td" : "th", name === "" ? {} : { scope: "col" }, name));
  const body = make(table, "tbody");
  for (const row of rows) {
    const line = make(body, "tr");
    make(line, "th", { scope: "row" }, row.label);
    row.values.forEach((value) => make(line, "td", { class: "number" }, value === null || value === undefined ? "none" : write(value)));
  }
}

function tiles(id, facts) {
  const list = document.getElementById(id);
  list.replaceChildren();
  for (const [name, value] of Object.entries(facts)) {
    const tile = make(list, "div");
    make(tile, "dt", {}, name);
    make(tile, "dd", {}, value);
  }
}

const shapes = {
  overview(told) {
    tiles("totals", Object.fromEntries(Object.entries(told.totals).map(([name, count]) => [name, whole.format(count)])));
    const kinds = ["deals", "reviews", "comments"];
    chart("categories", kinds, told.categories.map((one) => ({ label: one.category, values: kinds.map((kind) => one[kind]) })));
    const days = [...told.days].reverse();
    chart("days", ["reviews", "comments"], days.map((day) => ({ label: day.day, values: [day.reviews, day.comments] })), { upright: true });
  },
  performance(told) {
    tiles("instance", { instance: told.instance, "up for": duration(told.uptime_seconds), "connections free": `${told.pool.pool_available} of ${told.pool.pool_size}` });
    const slowest = [...told.routes].sort((a, b) => b.p95_ms - a.p95_ms).slice(0, MOST_ROUTES);
    chart("latency", ["p50", "p95"], slowest.map((one) => ({ label: one.route, values: [one.p50_ms, one.p95_ms] })), { stacked: false, write: short.format });
    const parts = ["success", "client errors", "server errors"];
    const busiest = told.routes.slice(0, MOST_ROUTES).map((one) => ({
      label: one.route,
      values: [one.requests - one.client_errors - one.server_errors, one.client_errors, one.server_errors],
    }));
    chart("requests", parts, busiest);
    chart("cache", ["answers"], Object.entries(told.cache).map(([word, count]) => ({ label: word, values: [count] })));
  },
  notifications(told) {
    const share = told.delivered_share === null ? "none yet" : `${short.format(told.delivered_share * 100)} %`;
    tiles("delivery", { notifications: whole.format(told.total), recipients: whole.format(told.recipients), delivered: share });
    const states = ["sent", "pending", "sending", "failed", "dead"].filter((state) => told.kinds.some((kind) => state in kind));
    chart("kinds", states, told.kinds.map((kind) => ({ label: kind.kind, values: states.map((state) => kind[state]) })));
    const delays = told.kinds.map((kind) => ({ label: kind.kind, values: [kind.delay_p50_s, kind.delay_p95_s] }));
    chart("delays", ["median", "p95"], delays, { stacked: false, write: short.format });
  },
};

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

async function ask(name) {
  const answer = await fetch(`/api/metrics/${name}`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 401) throw new Error("Your login is over. Load this page again to log in.");
  if (!answer.ok) throw new Error(`The figures of ${name} cannot be had (status ${answer.status}).`);
  return answer.json();
}

const updated = document.getElementById("updated");
const trouble = document.getElementById("trouble");
const pause = document.getElementById("pause");
let timer;

async function update() {
  clearTimeout(timer);
  const asked = await Promise.allSettled(Object.entries(shapes).map(async ([name, draw]) => draw(await ask(name))));
  const failed = asked.find((one) => one.status === "rejected");
  if (failed) {
    const known = failed.reason.message.endsWith(".") ? failed.reason.message : "The service does not answer.";
    if (trouble.textContent !== known) trouble.textContent = known;
  } else {
    trouble.textContent = "";
    updated.textContent = `Figures of ${new Date().toLocaleTimeString("en-GB")}.`;
    updated.dataset.updates = Number(updated.dataset.updates) + 1;
  }
  trouble.hidden = !failed;
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (!document.hidden && pause.getAttribute("aria-pressed") === "false") timer = setTimeout(update, PERIOD_MS);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : update()));
pause.addEventListener("click", () => {
  const isPaused = pause.getAttribute("aria-pressed") === "true";
  pause.setAttribute("aria-pressed", String(!isPaused));
  if (isPaused) update();
  else clearTimeout(timer);
});
update();
