// MLflow shows the page in a frame that follows no links and saves no files.
(() => {
  if (typeof document === "undefined" || window.parent === window) return;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link) return;
    const section = document.getElementById(link.getAttribute("href").slice(1));
    if (link.hasAttribute("download")) {
      if (window.origin !== "null" || link.nextElementSibling?.className === "faint") return;
      const said = document.createElement("span");
      said.className = "faint";
      said.textContent = " Frames save no files: download report.html and open it.";
      link.after(said);
    } else if (section) {
      event.preventDefault();
      section.scrollIntoView();
    }
  });
})();
