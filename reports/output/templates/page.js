"use strict";
// Sorting: by the first number of a cell, or else by its text; empty cells stay last.
function keyOf(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = parseFloat(text.replace(/,/g, "").replace("\u2212", "-"));
  return { text, number, empty: text === "" };
}
function sortBy(heading) {
  const table = heading.closest("table"), column = heading.cellIndex;
  const rows = [...table.tBodies[0].rows], keys = new Map(rows.map((r) => [r, keyOf(r, column)]));
  const numeric = rows.every((r) => keys.get(r).empty || !isNaN(keys.get(r).number));
  const before = heading.getAttribute("aria-sort");
  const down = before ? before === "ascending" : numeric;
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  rows.sort((first, second) => {
    const a = keys.get(first), b = keys.get(second);
    if (a.empty || b.empty) return a.empty - b.empty;
    const order = numeric ? a.number - b.number : a.text.localeCompare(b.text);
    return down ? -order : order;
  });
  table.tBodies[0].append(...rows);
}
for (const heading of document.querySelectorAll("thead th")) {
  heading.tabIndex = 0;
  heading.addEventListener("click", () => sortBy(heading));
  heading.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sortBy(heading); }
  });
}
// Confusion matrices are drawn when their run is opened.
function draw(canvas) {
  const matrix = JSON.parse(canvas.dataset.matrix), count = matrix.names.length;
  const size = Math.max(1, Math.floor(480 / count)), context = canvas.getContext("2d");
  canvas.width = canvas.height = size * count;
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const [row, column, images] of matrix.cells) {
    const share = images / Math.max(matrix.totals[row], 1);
    context.fillStyle = `rgba(${row === column ? "0, 114, 178" : "213, 94, 0"}, ${share})`;
    context.fillRect(column * size, row * size, size, size);
  }
  const found = new Map(matrix.cells.map(([row, column, images]) => [row * count + column, images]));
  canvas.addEventListener("mousemove", (event) => {
    const scale = canvas.width / canvas.clientWidth / size;
    const column = Math.floor(event.offsetX * scale), row = Math.floor(event.offsetY * scale);
    const images = found.get(row * count + column) ?? 0;
    canvas.title = `${matrix.names[row]} taken for ${matrix.names[column]}: ${images}`;
  });
}
document.addEventListener("toggle", (event) => {
  if (!event.target.open) return;
  for (const canvas of event.target.querySelectorAll("canvas:not([width])")) draw(canvas);
}, true);
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
