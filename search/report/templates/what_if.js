// The sliders: doses in, responses out, all computed in the page.
(() => {
  const element = (id) => document.getElementById(id);
  const holder = typeof document === "undefined" ? null : element("what-if-model");
  if (!holder) return;
  const model = JSON.parse(holder.textContent);
  const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"];
  const dashes = ["", "7 3", "2 3", "9 3 2 3", "", "7 3"];
  const told = model.quantile !== null, rowsShown = 12, points = 60;
  const doses = model.nodes.map(() => 0);
  const times = Array.from({length: points}, (_, k) => model.horizon * (k + 1) / points);
  const text = (value, digits = 3) =>
    Number.isFinite(value) ? value.toFixed(digits).replace("-", "\u2212") : "\u2013";

  function addSlider(node) {
    const name = model.nodes[node], row = document.createElement("div"), id = `dose-${node}`;
    row.className = "dose";
    const label = document.createElement("label"), input = document.createElement("input");
    const output = document.createElement("output");
    label.textContent = name; label.htmlFor = id; output.htmlFor = id;
    Object.assign(input, {type: "range", id, min: model.least, max: model.most, step: 0.01});
    input.value = doses[node];
    input.addEventListener("input", () => { doses[node] = Number(input.value); later(); });
    input.show = () => { input.value = doses[node]; output.textContent = text(doses[node], 2); };
    input.show();
    row.append(label, input, output);
    element("what-if-doses").append(row);
  }

  function fillChoice() {
    const choice = element("what-if-add");
    choice.replaceChildren(new Option("choose a node", ""));
    model.nodes.forEach((name, node) => {
      if (!element(`dose-${node}`)) choice.append(new Option(name, node));
    });
    choice.parentElement.hidden = false;
    choice.disabled = choice.options.length < 2;
  }

  let waiting = 0;
  function later() { clearTimeout(waiting); waiting = setTimeout(show, 20); }

  function show() {
    document.querySelectorAll(".dose input").forEach((input) => input.show());
    const found = cellbox.answer(model, doses, times);
    const last = points - 1;
    const named = model.nodes.map((name, i) => [name, doses[i]]).filter(([, dose]) => dose)
      .map(([name, dose]) => `${name} ${text(dose, 2)}`).join(", ");
    if (!found.solved) {
      element("what-if-sentence").textContent = `${named}: the equations could not be solved.`;
      return;
    }
    const order = model.nodes.map((_, i) => i)
      .sort((a, b) => Math.abs(found.mean[last][b]) - Math.abs(found.mean[last][a]));
    const strongest = order.filter((i) => !doses[i]).slice(0, 3)
      .map((i) => `${model.nodes[i]} ${text(found.mean[last][i], 2)}`).join(", ");
    element("what-if-sentence").textContent = named
      ? `${named}: strongest responses elsewhere at time ${model.horizon}: ${strongest}.`
      : "Nothing is perturbed: move a slider.";
    element("what-if-caption").textContent =
      `Predicted responses at time ${model.horizon}, the ${Math.min(rowsShown, order.length)} `
      + `strongest of ${order.length}`;
    const rows = order.slice(0, rowsShown).map((i) => {
      const row = document.createElement("tr"), head = document.createElement("th");
      head.scope = "row"; head.className = "words"; head.textContent = model.nodes[i];
      row.append(head);
      const cells = [found.mean[last][i]];
      if (told) cells.push(found.low[last][i], found.high[last][i]);
      for (const value of cells) {
        const cell = document.createElement("td");
        cell.textContent = text(value);
        row.append(cell);
      }
      return row;
    });
    element("what-if-rows").replaceChildren(...rows);
    draw(found, order.slice(0, Math.min(colours.length, order.length)));
    const lines = ["time,node,response,low,high"];
    times.forEach((time, t) => model.nodes.forEach((name, i) => lines.push(
      [time, `"${name.replaceAll('"', '""')}"`, found.mean[t][i], found.low[t][i], found.high[t][i]]
        .map((cell) => typeof cell !== "number" ? cell
          : Number.isFinite(cell) ? Number(cell.toPrecision(6)) : "").join(","))));
    const file = element("what-if-file");
    if (file.href.startsWith("blob:")) URL.revokeObjectURL(file.href);
    file.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"}));
  }

  function draw(found, nodes) {
    // On a narrow page no smaller letters, but a narrower picture.
    const room = element("what-if-chart").clientWidth || 560;
    const width = Math.max(340, Math.min(560, room)), height = 300, left = 58, right = 120, top = 14, bottom = 44;
    const shaded = told && Number.isFinite(found.low[0][nodes[0]]);
    const seen = shaded ? [found.low, found.high] : [found.mean];
    const drawn = nodes.flatMap((i) => seen.flatMap((each) => each.map((states) => states[i])));
    const ends = ticks(Math.min(0, ...drawn), Math.max(0, ...drawn));
    const low = ends[0], high = ends[ends.length - 1];
    const x = (time) => left + time / model.horizon * (width - left - right);
    const y = (value) => top + (high - value) / (high - low || 1) * (height - top - bottom);
    const parts = [];
    for (const tick of ends) parts.push(
      `<line x1="${left}" x2="${width - right}" y1="${y(tick)}" y2="${y(tick)}" `
      + `stroke="${tick === 0 ? "#777" : "#ddd"}"/>`
      + `<text x="${left - 7}" y="${y(tick) + 4}" text-anchor="end">${Number(tick.toFixed(6))
        .toString().replace("-", "\u2212")}</text>`);
    for (const tick of ticks(0, model.horizon)) if (tick <= model.horizon * 1.0001) parts.push(
      `<text x="${x(tick)}" y="${height - bottom + 18}" text-anchor="middle">`
      + `${Number(tick.toFixed(6))}</text>`);
    parts.push(`<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">`
      + "time (in decay times of a node)</text>",
      `<text transform="translate(13 ${(top + height - bottom) / 2}) rotate(-90)" `
      + 'text-anchor="middle">response (log ratio)</text>');
    const labels = nodes.map((i, k) => ({i, k, y: y(found.mean[points - 1][i])}))
      .sort((a, b) => a.y - b.y);
    labels.forEach((label, k) => { if (k) label.y = Math.max(label.y, labels[k - 1].y + 15); });
    const over = Math.max(0, labels.length ? labels[labels.length - 1].y - (height - bottom) : 0);
    for (const label of labels) {
      const {i, k} = label, colour = colours[k];
      const at = (values) => times.map((time, t) => `${x(time).toFixed(1)},${y(values[t][i]).toFixed(1)}`);
      if (shaded) parts.push(`<polygon fill="${colour}" opacity="0.13" points="${[
        ...at(found.low), ...at(found.high).reverse()].join(" ")}"/>`);
      parts.push(`<polyline fill="none" stroke="${colour}" stroke-width="2.2" `
        + `stroke-dasharray="${dashes[k]}" points="${x(0)},${y(found.start[i])} ${at(found.mean).join(" ")}"/>`);
      const name = document.createElement("i");
      name.textContent = model.nodes[i] + (doses[i] > 0 ? " \u25bc" : doses[i] < 0 ? " \u25b2" : "");
      parts.push(`<text x="${width - right + 8}" y="${label.y - over + 4}" fill="${colour}" `
        + `font-weight="600">${name.innerHTML}</text>`);
    }
    element("what-if-chart").innerHTML = `<svg viewBox="0 0 ${width} ${height}" role="img" `
      + 'aria-label="Predicted responses over time; the table has the numbers" '
      + `font-family="system-ui, sans-serif" font-size="12.5">${parts.join("")}</svg>`;
  }

  // Round numbers from below the lowest value to above the highest.
  function ticks(low, high) {
    const span = high - low || 1, power = Math.pow(10, Math.floor(Math.log10(span / 4)));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => span / s <= 5);
    const found = [];
    for (let k = Math.floor(low / step + 1e-9); k <= Math.ceil(high / step - 1e-9); k++) {
      found.push(k * step);
    }
    return found;
  }

  model.perturbed.forEach(addSlider);
  for (const [node, dose] of model.start) doses[node] = dose;
  fillChoice();
  element("what-if-add").addEventListener("change", (event) => {
    if (event.target.value === "") return;
    const node = Number(event.target.value);
    doses[node] = 0.5;
    addSlider(node);
    fillChoice();
    show();
  });
  element("what-if-reset").addEventListener("click", () => { doses.fill(0); show(); });
  let room = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== room) { room = window.innerWidth; later(); }
  });
  show();
})();
