"use strict";
// The script of the report. All texts become text nodes or attribute values, never HTML.
// Axes: camera x right, y down, z forward [m]; views from above have x to the right and z up.

const data = JSON.parse(document.getElementById("data").textContent);
const state = { score: data.score, label: -1, outcome: "all", view: "objects", sort: "score", shown: 0 };
const BATCH = { objects: 48, images: 6 };
const EDGES = [[4, 5], [5, 6], [6, 7], [7, 4], [0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [1, 5], [2, 6], [3, 7]];
const DIAGONALS = [[4, 6], [5, 7]];
const NEAR = 0.1;  // m; what is nearer to the camera is cut off
const WORDS = { right: "found", false: "false alarm", missed: "missed" };
const SORTS = {
  objects: { score: "score", position: "error of the position", depth: "error of the depth", heading: "error of the heading",
             size: "error of the size", spread: "uncertainty of the depth", distance: "distance" },
  images: { order: "order of the data set", misses: "misses", alarms: "false alarms", position: "largest error of the position" },
};
const byId = (id) => document.getElementById(id);
const nameOf = (label) => data.names[label].replaceAll("_", " ");
const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, options);
  made.append(...children);
  return made;
}

function shape(parent, tag, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function unpacked(packed) {
  const raw = bytes(packed.data);
  const view = new DataView(raw.buffer);
  const count = (raw.length * 8) / packed.bits;
  const read = packed.bits === 16 ? (i) => view.getUint16(2 * i, true) : (i) => raw[i];
  return Array.from({ length: count }, (_, i) => packed.low + packed.step * read(i));
}

function pictureOf(image) {
  image.url ??= URL.createObjectURL(new Blob([bytes(image.picture)], { type: "image/webp" }));
  return image.url;
}

// Geometry.

function segments(corners, matrix, edges) {
  const lines = [];
  for (const [a, b] of edges) {
    let [p, q] = [corners[a], corners[b]];
    if (p[2] <= NEAR && q[2] <= NEAR) continue;
    const cut = (from, to) => from.map((value, i) => value + ((NEAR - from[2]) / (to[2] - from[2])) * (to[i] - value));
    if (p[2] < NEAR) p = cut(p, q);
    if (q[2] < NEAR) q = cut(q, p);
    lines.push([p, q].map((point) => matrix.map((row) => row[0] * point[0] + row[1] * point[1] + row[2] * point[2]))
      .map(([x, y, w]) => [x / w, y / w]));
  }
  return lines;
}

const pathOf = (lines) => lines.map(([p, q]) => `M${p.map((v) => v.toFixed(1))}L${q.map((v) => v.toFixed(1))}`).join("");

function bounds(lines, image) {
  const xs = lines.flatMap((line) => line.map((point) => Math.min(Math.max(point[0], 0), image.width)));
  const ys = lines.flatMap((line) => line.map((point) => Math.min(Math.max(point[1], 0), image.height)));
  if (!xs.length) return [0, 0, image.width, image.height];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

function region(corners, image, aspect, margin) {
  const [left, top, right, bottom] = bounds(segments(corners, image.matrix, EDGES), image);
  const height = Math.max(40, (1 + 2 * margin) * Math.max(bottom - top, (right - left) / aspect));
  return [(left + right) / 2 - (height * aspect) / 2, (top + bottom) / 2 - height / 2, height * aspect, height];
}

function footprint(box) {
  const [x, , z, yaw] = box.pose;
  const [length, , width] = box.size;
  const corner = (a, b) => [x + a * length * Math.cos(yaw) + b * width * Math.sin(yaw), -(z - a * length * Math.sin(yaw) + b * width * Math.cos(yaw))];
  return { outline: [corner(0.5, 0.5), corner(0.5, -0.5), corner(-0.5, -0.5), corner(-0.5, 0.5)], nose: [corner(0.5, 0.5), corner(0.5, -0.5), [x, -z]] };
}

const polygon = (points) => `M${points.map((p) => p.map((v) => v.toFixed(2))).join("L")}Z`;

// Which boxes are shown, and how they turned out.

const isChosen = (label) => state.label < 0 || state.label === label;

function entriesOf(image) {
  const above = image.detections.filter((found) => found.score >= state.score);
  const taken = new Set(above.map((found) => found.match));
  const entries = [];
  for (const found of above) {
    if (isChosen(found.label)) entries.push({ image, found, truth: found.match === null ? null : image.truth[found.match], kind: found.match === null ? "false" : "right" });
  }
  image.truth.forEach((truth, index) => {
    if (!taken.has(index) && isChosen(truth.label)) entries.push({ image, found: null, truth, kind: "missed" });
  });
  return entries;
}

const admitted = (entry) => state.outcome === "all" || state.outcome === entry.kind;

function spread(found) {
  if (!found?.samples) return null;
  const away = unpacked(found.samples[1]).map((z) => Math.abs(z - found.pose[2])).sort((a, b) => a - b);
  return away[Math.ceil(0.68 * away.length) - 1];
}

function valueOf(entry) {
  if (state.sort === "distance") return -Math.hypot(...[0, 2].map((i) => (entry.found ?? entry.truth).pose[i]));
  if (!entry.found) return -Infinity;
  if (state.sort === "score") return entry.found.score;
  const value = state.sort === "spread" ? spread(entry.found) : entry.found.errors[state.sort];
  return value === null || value === undefined ? -Infinity : Math.abs(value);
}

function sorted(items, value) {
  return items.map((item) => [value(item), item]).sort((a, b) => b[0] - a[0]).map(([, item]) => item);
}

// Pictures.

// Text keeps its size on the screen whatever the zoom.
function fit(svg) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const rectangle = svg.getBoundingClientRect();
  if (rectangle.width && rectangle.height) svg.style.fontSize = `${14 * Math.max(width / rectangle.width, height / rectangle.height)}px`;
}
const resized = new ResizeObserver((changes) => changes.forEach((change) => fit(change.target)));

function photograph(image, view) {
  const svg = shape(null, "svg", { viewBox: view.join(" "), class: "photo" });
  shape(svg, "image", { href: pictureOf(image), x: 0, y: 0, width: image.width, height: image.height, preserveAspectRatio: "none" });
  resized.observe(svg);
  return svg;
}

function drawBox(svg, image, box, kind, entry) {
  const lines = segments(box.corners, image.matrix, kind === "right" || kind === "false" ? [...EDGES, ...DIAGONALS] : EDGES);
  if (!lines.length) return;
  const group = shape(svg, "g", { "data-kind": kind });
  const [left, top, right, bottom] = bounds(lines, image);
  shape(group, "path", { d: pathOf(lines), class: "rim" });
  shape(group, "path", { d: pathOf(lines), class: `box ${kind}` });
  if (entry) {
    const target = shape(group, "rect", { x: left, y: top, width: right - left, height: bottom - top, class: "target" });
    answer(target, group, entry);
  }
}

// The best scores first; a caption that would cover another one is left out.
function drawCaptions(svg, image, entries) {
  const [letter, row] = [image.width / 100, image.width / 45];
  const taken = [];
  for (const entry of sorted(entries.filter((each) => each.found), (each) => each.found.score)) {
    const text = `${nameOf(entry.found.label)} ${entry.found.score.toFixed(2)}`;
    const [left, top] = bounds(segments(entry.found.corners, image.matrix, EDGES), image);
    const x = Math.min(left, image.width - letter * text.length);
    const free = [0, 1, 2].map((up) => Math.max(top - up * row, row)).find((y) => taken.every((other) =>
      Math.abs(other.y - y) >= row || other.x + letter * other.length <= x || x + letter * text.length <= other.x));
    if (free === undefined) continue;
    taken.push({ x, y: free, length: text.length });
    shape(svg, "text", { x, y: free, dy: "-.3em", class: "caption" }, text);
  }
}

// Highlights an object in all views of its card, describes it, and opens its close-up.
function answer(target, group, entry) {
  entry.marks = [...(entry.marks ?? []), group];
  const mark = (on) => {
    entry.marks.forEach((each) => each.classList.toggle("active", on));
    const line = target.closest("[data-card]")?.querySelector("output.told");
    if (line) line.textContent = on ? summary(entry) : "";
  };
  target.addEventListener("pointerenter", () => mark(true));
  target.addEventListener("pointerleave", () => mark(false));
  target.addEventListener("click", () => openCloseUp(entry));
}

function errorText(errors) {
  return `${fixed(errors.position, 2)} m${errors.heading === null ? "" : `, ${fixed(errors.heading, 0)}°`} off`;
}

function summary(entry) {
  const box = entry.found ?? entry.truth;
  const distance = Math.hypot(box.pose[0], box.pose[2]).toFixed(1);
  const parts = [`${nameOf(box.label)}${entry.found ? ` ${entry.found.score.toFixed(2)}` : ""}, ${WORDS[entry.kind]}`, `${distance} m away`];
  if (entry.kind === "right") parts.push(errorText(entry.found.errors));
  return parts.join(" · ");
}

function fromAbove(image, entries, view) {
  const holder = element("div", { className: "above" });
  const svg = shape(holder, "svg", { viewBox: view.join(" "), preserveAspectRatio: "xMidYMax meet", class: "plan" });
  const reach = Math.ceil(Math.max(...entries.map((e) => (e.found ?? e.truth).pose[2]), 40) / 10) * 10 + 20;
  for (let radius = 10; radius <= reach; radius += 10) {
    shape(svg, "path", { d: `M${-radius},0A${radius},${radius} 0 0 1 ${radius},0`, class: "grid" });
    shape(svg, "text", { x: 0, y: -radius, dx: ".3em", dy: "-.2em", class: "axis" }, `${radius} m`);
  }
  const sides = [0, image.width].map((u) => (u - image.matrix[0][2]) / image.matrix[0][0]);
  shape(svg, "path", { d: sides.map((slope) => `M0,0L${slope * reach},${-reach}`).join(""), class: "grid" });
  for (const entry of entries) {
    const group = shape(svg, "g", { "data-kind": entry.kind });
    if (entry.found?.samples) {
      const [x, z] = entry.found.samples.map(unpacked);
      shape(group, "path", { d: x.map((value, i) => `M${value.toFixed(2)},${(-z[i]).toFixed(2)}h0`).join(""), class: `dots ${entry.kind}` });
    }
    if (entry.truth && entry.found) shape(group, "path", { d: polygon(footprint(entry.truth).outline), class: "box true" });
    const drawn = footprint(entry.found ?? entry.truth);
    if (entry.found) shape(group, "path", { d: polygon(drawn.nose), class: `nose ${entry.kind}` });
    answer(shape(group, "path", { d: polygon(drawn.outline), class: `box ${entry.kind}` }), group, entry);
  }
  resized.observe(svg);
  holder.append(makeZoomable(svg, view));
  return holder;
}

function makeZoomable(svg, home) {
  let view = [...home];
  const show = () => { svg.setAttribute("viewBox", view.join(" ")); fit(svg); };
  const scaleOf = () => { const size = svg.getBoundingClientRect(); return Math.max(view[2] / size.width, view[3] / size.height); };
  const zoom = (factor, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) => {
    view = [x + (view[0] - x) * factor, y + (view[1] - y) * factor, view[2] * factor, view[3] * factor];
    show();
  };
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !svg.closest("dialog")) return;  // the page scrolls
    event.preventDefault();
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, place.x, place.y);
  }, { passive: false });
  let last = null;
  svg.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; });
  svg.addEventListener("pointermove", (event) => {
    if (!last || !event.buttons) return;
    const scale = scaleOf();
    view[0] -= (event.clientX - last[0]) * scale;
    view[1] -= (event.clientY - last[1]) * scale;
    last = [event.clientX, event.clientY];
    show();
  });
  for (const name of ["pointerup", "pointerleave"]) svg.addEventListener(name, () => { last = null; });
  svg.addEventListener("dblclick", () => { view = [...home]; show(); });
  const button = (text, label, click) => element("button", { type: "button", textContent: text, ariaLabel: label, onclick: click });
  return element("div", { className: "zoom" }, button("+", "zoom in", () => zoom(1 / 1.5)), button("−", "zoom out", () => zoom(1.5)),
    button("⟲", "reset the view", () => { view = [...home]; show(); }));
}

// Lists.

function objectCard(entry) {
  const box = entry.found ?? entry.truth;
  const svg = photograph(entry.image, region(box.corners, entry.image, 4 / 3, 0.25));
  if (entry.truth) drawBox(svg, entry.image, entry.truth, entry.found ? "true" : "missed");
  if (entry.found) drawBox(svg, entry.image, entry.found, entry.kind);
  const card = element("button", { type: "button", className: "object" }, svg,
    element("span", {}, element("i", { className: `tag ${entry.kind}` }), element("b", { textContent: `${nameOf(box.label)}${entry.found ? ` ${entry.found.score.toFixed(2)}` : ""}` }), `, ${WORDS[entry.kind]}`),
    element("span", { textContent: cardText(entry, box) }));
  card.dataset.kind = entry.kind;
  card.addEventListener("click", () => openCloseUp(entry));
  return card;
}

function cardText(entry, box) {
  const distance = `${Math.hypot(box.pose[0], box.pose[2]).toFixed(1)} m away`;
  if (entry.kind === "right") return `${distance}; ${errorText(entry.found.errors)}`;
  const width = spread(entry.found);
  return width === null ? distance : `${distance}, ± ${width.toFixed(1)} m`;
}

function imageCard(image) {
  const entries = entriesOf(image).filter(admitted);
  const svg = photograph(image, [0, 0, image.width, image.height]);
  for (const entry of entries) if (entry.truth) drawBox(svg, image, entry.truth, entry.found ? "true" : "missed", entry.found ? null : entry);
  for (const entry of entries) if (entry.found) drawBox(svg, image, entry.found, entry.kind, entry);
  drawCaptions(svg, image, entries);
  const reach = Math.min(80, Math.max(30, ...entries.map((e) => (e.found ?? e.truth).pose[2] + 4)));
  const counts = ["right", "false", "missed"].map((kind) => entries.filter((e) => e.kind === kind).length);
  const card = element("article", { className: "card image" },
    element("h3", { textContent: `${image.title}: ${counts[0]} found, ${counts[1]} false alarms, ${counts[2]} missed` }),
    element("div", { className: "scene" }, svg, fromAbove(image, entries, [-0.45 * reach, -reach, 0.9 * reach, 1.03 * reach])),
    element("output", { className: "told" }));
  card.dataset.card = "";
  return card;
}

function imageValue(image) {
  const entries = entriesOf(image);
  if (state.sort === "misses") return entries.filter((entry) => entry.kind === "missed").length;
  if (state.sort === "alarms") return entries.filter((entry) => entry.kind === "false").length;
  if (state.sort === "position") return Math.max(-1, ...entries.map((entry) => entry.found?.errors.position ?? -1));
  return 0;
}

let items = [];

function refresh() {
  const entries = data.images.flatMap(entriesOf);
  const chosen = entries.filter(admitted);
  items = state.view === "objects" ? sorted(chosen, valueOf) : sorted(data.images, imageValue);
  const count = (kind) => entries.filter((entry) => entry.kind === kind).length;
  byId("count").textContent = `${count("right")} found, ${count("false")} false alarms, ${count("missed")} missed`;
  byId("list").className = state.view;
  byId("list").replaceChildren();
  for (const view of ["objects", "images"]) byId(`view-${view}`).setAttribute("aria-pressed", view === state.view);
  state.shown = 0;
  showMore();
  fillTable();
}

function showMore() {
  const next = items.slice(state.shown, state.shown + BATCH[state.view]);
  byId("list").append(...next.map(state.view === "objects" ? objectCard : imageCard));
  state.shown += next.length;
  if (!items.length) byId("list").append(element("p", { textContent: "Nothing has this score, class and outcome." }));
  byId("more").hidden = state.shown >= items.length;
  byId("more").textContent = `Show more (${items.length - state.shown} left)`;
}

// Close-up.

let opened = 0;

function openCloseUp(entry) {
  opened = items.indexOf(entry);
  showCloseUp(entry, "none");
  if (!byId("close-up").open) byId("close-up").showModal();
}

function step(by) {
  if (state.view !== "objects" || !items[opened + by]) return;
  opened += by;
  showCloseUp(items[opened], "none");
}

function showCloseUp(entry, points) {
  entry.marks = [];
  const box = entry.found ?? entry.truth;
  const view = region(box.corners, entry.image, 4 / 3, 0.2);
  const svg = photograph(entry.image, view);
  svg.id = "crop";
  if (entry.truth) drawBox(svg, entry.image, entry.truth, entry.found ? "true" : "missed");
  if (entry.found) drawBox(svg, entry.image, entry.found, entry.kind);
  if (entry.found?.points && points !== "none") drawPoints(svg, entry.found.points, points, view[2]);
  const button = (text, click, pressed) => element("button", { type: "button", textContent: text, onclick: click, ariaPressed: pressed });
  const choices = entry.found?.points ? ["none", "weights", "coordinates"] : [];
  const half = Math.max(3, 2 * (spread(entry.found) ?? 0), 1.5 * Math.max(...box.size));
  const left = element("div", {}, svg, element("p", { className: "points-choice" }, ...(choices.length ? ["Points: "] : []),
    ...choices.flatMap((each) => [button(each, () => showCloseUp(entry, each), each === points), " "])));
  const right = element("div", {}, fromAbove(entry.image, [entry], [box.pose[0] - half, -box.pose[2] - half, 2 * half, 2 * half]));
  if (entry.found?.samples) right.append(element("div", { className: "densities" }, headingDensity(entry), depthDensity(entry)));
  right.append(numbersOf(entry));
  const header = element("header", {}, element("h2", { id: "close-up-title", textContent: `${summary(entry)} · ${entry.image.title}` }),
    ...(state.view === "objects" ? [button("← previous", () => step(-1)), button("next →", () => step(1))] : []), button("Close", () => byId("close-up").close()));
  byId("close-up").replaceChildren(header, element("div", { className: "detail" }, left, right));
}

function drawPoints(svg, points, kind, width) {
  const group = shape(svg, "g", { class: "points" });
  const x2d = unpacked(points.x2d);
  const weight = unpacked(points.weight);
  const coordinates = unpacked(points.coordinates);
  const largest = Math.max(...weight);
  for (let i = 0; i < x2d.length / 2; i++) {
    const color = [0, 1, 2].map((axis) => Math.round(255 * Math.min(1, Math.max(0, coordinates[3 * i + axis] + 0.5))));
    const radius = [0, 1].map((axis) => (kind === "weights" ? Math.max(0.15, Math.sqrt(weight[2 * i + axis] / largest)) : 0.6) * 0.022 * width);
    shape(group, "ellipse", { cx: x2d[2 * i], cy: x2d[2 * i + 1], rx: radius[0], ry: radius[1], fill: kind === "weights" ? "#f0e442" : `rgb(${color})`, "fill-opacity": 0.75 });
  }
}

function headingDensity(entry) {
  const svg = shape(null, "svg", { viewBox: "-170 -130 340 260", class: "heading" });
  const density = unpacked(entry.found.heading);
  const at = (angle, radius) => [radius * Math.cos(angle), radius * Math.sin(angle)];
  shape(svg, "circle", { r: 100, class: "grid" });
  const rim = density.map((value, i) => at(-Math.PI + (2 * Math.PI * i) / (density.length - 1), 100 * value));
  shape(svg, "path", { d: polygon(rim), class: `nose ${entry.kind}`, "fill-opacity": 0.5 });
  shape(svg, "path", { d: `M0,0L${at(entry.found.pose[3], 100)}`, class: `box ${entry.kind}` });
  if (entry.truth) shape(svg, "path", { d: `M0,0L${at(entry.truth.pose[3], 108)}`, class: "box", stroke: "#333", "stroke-dasharray": "6 4" });
  const labels = { right: [104, 8, "start"], left: [-104, 8, "end"], away: [0, -106, "middle"], towards: [0, 124, "middle"] };
  for (const [text, [x, y, anchor]] of Object.entries(labels)) shape(svg, "text", { x, y, "text-anchor": anchor, "font-size": 24, class: "axis" }, text);
  return svg;
}

function depthDensity(entry) {
  const depths = unpacked(entry.found.samples[1]);
  const mean = depths.reduce((a, b) => a + b) / depths.length;
  const deviation = Math.sqrt(depths.reduce((sum, z) => sum + (z - mean) ** 2, 0) / depths.length) || 0.01;
  const marks = [entry.found.pose[2], ...(entry.truth ? [entry.truth.pose[2]] : [])];
  const low = Math.min(...marks, mean - 3.2 * deviation);
  const high = Math.max(...marks, mean + 3.2 * deviation);
  const width = 1.06 * deviation * depths.length ** -0.2;
  const grid = Array.from({ length: 81 }, (_, i) => low + ((high - low) * i) / 80);
  const heights = grid.map((z) => depths.reduce((sum, each) => sum + Math.exp(-(((z - each) / width) ** 2) / 2), 0));
  const top = Math.max(...heights);
  const x = (z) => 20 + (320 * (z - low)) / (high - low);
  const svg = shape(null, "svg", { viewBox: "0 0 360 150", class: "depth" });
  shape(svg, "path", { d: polygon([[x(low), 120], ...grid.map((z, i) => [x(z), 120 - (100 * heights[i]) / top]), [x(high), 120]]), class: `nose ${entry.kind}`, "fill-opacity": 0.5 });
  shape(svg, "path", { d: "M20,120H340", class: "grid" });
  shape(svg, "path", { d: `M${x(marks[0])},120V15`, class: `box ${entry.kind}` });
  if (entry.truth) shape(svg, "path", { d: `M${x(marks[1])},120V10`, class: "box", stroke: "#333", "stroke-dasharray": "6 4" });
  for (const [z, anchor] of [[low, "start"], [(low + high) / 2, "middle"], [high, "end"]]) shape(svg, "text", { x: x(z), y: 142, "text-anchor": anchor, "font-size": 18, class: "axis" }, `${z.toFixed(1)} m`);
  return svg;
}

function numbersOf(entry) {
  const degrees = (pose) => (Math.atan2(Math.sin(pose[3]), Math.cos(pose[3])) * 180) / Math.PI;
  const rows = [["to the right", "m", (box) => box.pose[0]], ["ahead", "m", (box) => box.pose[2]], ["heading", "°", (box) => degrees(box.pose)],
    ["length", "m", (box) => box.size[0]], ["height", "m", (box) => box.size[1]], ["width", "m", (box) => box.size[2]]];
  const cell = (box, value, unit) => element("td", { textContent: box ? `${value(box).toFixed(unit === "°" ? 0 : 2)} ${unit}` : "–" });
  const table = element("table", {}, element("tr", {}, ...["", "predicted", "true"].map((text) => element("th", { textContent: text }))),
    ...rows.map(([title, unit, value]) => element("tr", {}, element("td", { textContent: title }), cell(entry.found, value, unit), cell(entry.truth, value, unit))));
  const errors = Object.entries(entry.found?.errors ?? {}).filter(([, value]) => value !== null).map(([name, value]) => `${name} ${fixed(value, 2)} ${data.units[name]}`.trim());
  return element("div", {}, table, element("p", { className: "note", textContent: errors.length ? `Errors: ${errors.join(", ")}.` : "" }));
}

// Table and curves.

function fillTable() {
  const columns = Object.keys(data.classes[0]?.numbers ?? {});
  const head = ["class", "true boxes", "found", "missed", "false alarms", ...columns];
  const label = state.label;
  state.label = -1;
  const entries = data.images.flatMap(entriesOf);
  state.label = label;
  const rows = data.classes.map((each) => {
    const index = data.names.indexOf(each.name);
    const count = (kind) => entries.filter((entry) => entry.kind === kind && (entry.found ?? entry.truth).label === index).length;
    const values = [nameOf(index), count("right") + count("missed"), count("right"), count("missed"), count("false"), ...columns.map((column) => fixed(each.numbers[column], 3))];
    const row = element("tr", { className: index === label ? "chosen" : "" }, ...values.map((value) => element("td", { textContent: value })));
    row.addEventListener("click", () => choose(index === label ? -1 : index));
    return row;
  });
  byId("table").replaceChildren(element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { textContent: text })))), element("tbody", {}, ...rows));
}

function choose(label) {
  state.label = label;
  byId("class").value = label;
  const index = data.classes.findIndex((each) => each.name === data.names[label]);
  if (index >= 0) { byId("curve-class").value = index; drawCurve(); }
  refresh();
}

function axes(titleX, titleY) {
  const svg = shape(null, "svg", { viewBox: "0 0 560 420" });
  for (let i = 0; i <= 5; i++) {
    shape(svg, "path", { d: `M${60 + 96 * i},20V356M60,${356 - 67.2 * i}H540`, class: "grid" });
    shape(svg, "text", { x: 60 + 96 * i, y: 376, "text-anchor": "middle", "font-size": 15, class: "axis" }, (i / 5).toFixed(1));
    shape(svg, "text", { x: 52, y: 361 - 67.2 * i, "text-anchor": "end", "font-size": 15, class: "axis" }, (i / 5).toFixed(1));
  }
  shape(svg, "text", { x: 300, y: 404, "text-anchor": "middle", "font-size": 16, class: "axis" }, titleX);
  shape(svg, "text", { transform: "translate(16 190) rotate(-90)", "text-anchor": "middle", "font-size": 16, class: "axis" }, titleY);
  return svg;
}

const place = (x, y) => [60 + 480 * x, 356 - 336 * y];

function line(svg, xs, ys, attributes) {
  if (xs.length) shape(svg, "path", { d: `M${xs.map((x, i) => place(x, ys[i]).map((v) => v.toFixed(1))).join("L")}`, fill: "none", "stroke-width": 2.5, ...attributes });
}

function drawCurve() {
  const svg = axes("recall", "precision");
  const chosen = data.classes[byId("curve-class").value];
  for (const each of data.classes) if (each !== chosen) line(svg, each.recall, each.precision, { stroke: "#c4ccd6", "stroke-width": 1.2 });
  line(svg, chosen.recall, chosen.precision, { stroke: "#0072b2", class: "chosen-curve" });
  const dot = shape(svg, "circle", { r: 6, fill: "#d55e00", visibility: "hidden" });
  svg.addEventListener("pointermove", (event) => {
    if (!chosen.recall.length) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const away = chosen.recall.map((recall, i) => Math.hypot(place(recall, 0)[0] - at.x, 0.3 * (place(0, chosen.precision[i])[1] - at.y)));
    const i = away.indexOf(Math.min(...away));
    const [x, y] = place(chosen.recall[i], chosen.precision[i]);
    for (const [name, value] of Object.entries({ cx: x, cy: y, visibility: "visible" })) dot.setAttribute(name, value);
    byId("curve-value").textContent = `score ${chosen.score[i].toFixed(2)}: recall ${chosen.recall[i].toFixed(2)}, precision ${chosen.precision[i].toFixed(2)}`;
  });
  byId("curve").replaceChildren(svg);
}

const STYLES = [["#0072b2", ""], ["#d55e00", "9 4"], ["#009e73", "2 4"], ["#cc79a7", "12 3 2 3"], ["#5c5c5c", "5 5"]];

function coveragePlot(coverage) {
  const svg = axes("probability of the predicted region", "share of true values inside");
  const error = (p) => 2 * Math.sqrt((p * (1 - p)) / coverage.objects);
  const band = [...coverage.nominal.map((p) => place(p, Math.min(1, p + error(p)))), ...coverage.nominal.map((p) => place(p, Math.max(0, p - error(p)))).reverse()];
  shape(svg, "path", { d: polygon(band), fill: "#dfe4ea" });
  line(svg, [0, 1], [0, 1], { stroke: "#8a94a2", "stroke-width": 1.2 });
  Object.entries(coverage.shares).forEach(([name, shares], i) => {
    const [stroke, dashes] = STYLES[i % STYLES.length];
    line(svg, coverage.nominal, shares, { stroke, "stroke-dasharray": dashes });
    shape(svg, "path", { d: `M72,${40 + 22 * i}h34`, stroke, "stroke-width": 2.5, "stroke-dasharray": dashes });
    shape(svg, "text", { x: 112, y: 45 + 22 * i, "font-size": 15, class: "axis" }, name);
  });
  const note = `${coverage.objects} objects. Below the diagonal: overconfident; grey: calibrated, up to chance.`;
  return element("figure", { style: "margin:0" }, element("figcaption", { textContent: coverage.title }), svg, element("p", { className: "note", textContent: note }));
}

// The page.

function fillSorts() {
  byId("sort").replaceChildren(...Object.entries(SORTS[state.view]).map(([value, text]) => element("option", { value, textContent: text })));
  state.sort = byId("sort").value;
}

function start() {
  byId("title").textContent = data.title;
  byId("lead").textContent = data.lead;
  byId("numbers").replaceChildren(...data.numbers.map((each) => element("li", {}, element("b", { textContent: each.value }), each.name, element("span", { textContent: each.meaning }))));
  byId("class").replaceChildren(element("option", { value: -1, textContent: "all" }), ...data.names.map((_, label) => element("option", { value: label, textContent: nameOf(label) })));
  byId("curve-class").replaceChildren(...data.classes.map((each, index) => element("option", { value: index, textContent: each.name.replaceAll("_", " ") })));
  byId("classes").hidden = byId("curves").hidden = !data.classes.length;
  byId("calibration").hidden = !data.coverage.length;
  byId("commands").hidden = !data.commands.length;
  byId("commands").querySelector("pre").textContent = data.commands.join("\n");
  byId("coverage").replaceChildren(...data.coverage.map(coveragePlot));
  if (data.classes.length) drawCurve();
  const slider = byId("score");
  slider.min = Math.ceil(100 * data.leastScore) / 100;
  slider.value = state.score = Math.max(data.score, data.leastScore);
  byId("score-value").textContent = state.score.toFixed(2);
  slider.addEventListener("input", () => { state.score = Number(slider.value); byId("score-value").textContent = state.score.toFixed(2); refresh(); });
  byId("class").addEventListener("change", (event) => choose(Number(event.target.value)));
  byId("outcome").addEventListener("change", (event) => { state.outcome = event.target.value; refresh(); });
  byId("sort").addEventListener("change", (event) => { state.sort = event.target.value; refresh(); });
  byId("curve-class").addEventListener("change", drawCurve);
  byId("more").addEventListener("click", showMore);
  for (const view of ["objects", "images"]) byId(`view-${view}`).addEventListener("click", () => { state.view = view; fillSorts(); refresh(); });
  document.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && byId("close-up").open) step(by);
  });
  byId("close-up").addEventListener("click", (event) => { if (event.target === byId("close-up")) byId("close-up").close(); });
  fillSorts();
  refresh();
}

start();
