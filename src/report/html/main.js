// What the address shows, the colours, the keys that hold everywhere, and paper.

const views = { report: byId("report"), application: byId("application"), scrolled: 0, opener: null };

function route() {
  const dialog = byId("detail");
  if (dialog.open) dialog.close();
  const id = fragment().get("app");
  if (id !== null) {
    if (!views.report.hidden) Object.assign(views, { scrolled: scrollY, opener: document.activeElement });
    buildApplication(id);
    views.report.hidden = true;
    views.application.hidden = false;
    scrollTo({ top: 0, behavior: "instant" });
    views.application.querySelector("h1").focus({ preventScroll: true });
    return;
  }
  const returns = views.report.hidden;
  views.report.hidden = false;
  views.application.hidden = true;
  applyFilter();
  const place = location.hash && !location.hash.includes("=") ? byId(location.hash.slice(1)) : null;
  if (returns && (!place || place.id === "applications")) {
    scrollTo({ top: views.scrolled, behavior: "instant" });
    if (views.opener?.isConnected) views.opener.focus({ preventScroll: true });
  } else if (place) {
    place.scrollIntoView();
  } else if (location.hash) {
    const section = byId("findings").getBoundingClientRect();
    if (section.top > innerHeight * 0.8 || section.bottom < 0) byId("findings").scrollIntoView();
  }
}

/** Colours: as the system has them, light, dark. A page from a file may have no memory; then it forgets. */
const theme = {
  names: ["auto", "light", "dark"],
  labels: { auto: "Auto", light: "Light", dark: "Dark" },
  read: () => { try { return localStorage.getItem("kvops-theme") ?? "auto"; } catch { return "auto"; } },
  set(name) {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    byId("theme").textContent = theme.labels[name];
    byId("theme").setAttribute("aria-label", `Colours: ${name === "auto" ? "as the system has them" : name}`);
    try { localStorage.setItem("kvops-theme", name); } catch { /* it is forgotten, no more */ }
  },
};

addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea, dialog");
  if (event.key === "/" && !isTyping && !views.report.hidden) {
    event.preventDefault();
    table.parts.search.focus();
  } else if (event.key === "Escape" && !byId("detail").open) {
    if (!views.application.hidden) location.hash = "#applications";
    else if (document.activeElement === table.parts.search) table.parts.grid.focus();
  }
});
byId("detail").addEventListener("click", (event) => { if (event.target === event.currentTarget) event.currentTarget.close(); });
byId("theme").addEventListener("click", () => theme.set(theme.names[(theme.names.indexOf(theme.read()) + 1) % theme.names.length]));
byId("print").addEventListener("click", () => print());
addEventListener("beforeprint", () => { printFindings(); byId("printed").hidden = false; });
addEventListener("afterprint", () => { byId("printed").replaceChildren(); byId("printed").hidden = true; });
addEventListener("hashchange", route);

theme.set(theme.names.includes(theme.read()) ? theme.read() : "auto");
for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
buildTable();
buildRanking();
route();
