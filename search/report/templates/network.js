// The network's picture: how many edges are shown, and which node is looked at.
if (typeof document !== "undefined") document.querySelectorAll("svg.network").forEach((picture) => {
  const edges = [...picture.querySelectorAll(".edge")], nodes = [...picture.querySelectorAll(".node")];
  const figure = picture.closest("figure");
  const slider = figure.querySelector("input[type=range]"), count = figure.querySelector("output");
  let chosen = null;
  function show() {
    const most = slider ? Number(slider.value) : edges.length;
    const used = new Set();
    for (const edge of edges) {
      const gone = Number(edge.dataset.rank) > most;
      edge.classList.toggle("gone", gone);
      if (!gone) used.add(edge.dataset.source).add(edge.dataset.target);
    }
    for (const node of nodes) node.classList.toggle("faded", !used.has(node.dataset.node));
    if (count) count.textContent = Math.min(most, edges.length);
    picture.classList.toggle("chosen", chosen !== null);
    if (chosen === null) return;
    const near = new Set([chosen]);
    for (const edge of edges) {
      const on = edge.dataset.source === chosen || edge.dataset.target === chosen;
      edge.classList.toggle("on", on);
      if (on && !edge.classList.contains("gone")) near.add(edge.dataset.source).add(edge.dataset.target);
    }
    for (const node of nodes) node.classList.toggle("on", near.has(node.dataset.node));
  }
  const choose = (name) => { chosen = chosen === name ? null : name; show(); };
  for (const node of nodes) {
    node.addEventListener("click", () => choose(node.dataset.node));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(node.dataset.node); }
    });
  }
  if (slider) slider.addEventListener("input", show);
  show();
});
